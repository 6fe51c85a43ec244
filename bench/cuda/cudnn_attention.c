/* cudnn_attention.c - one operation in cuDNN's graph: softmax(q k^T / sqrt(D)) v over ragged rows.
 *
 *   q, k, v: [S, heads, longest, width] with strides into qkv (a token's row is 3H numbers); o: the same into out.
 *   A ragged offset per sequence says where its tokens begin, a length how many there are.
 *
 * cuDNN speaks in descriptors: each is created, given attributes, finalized.  The first failing step's name and cuDNN's
 * words are the refusal; everything made is ended in reverse order. */
#include "cudnn_attention.h"
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DESCRIPTORS = 64, CONFIGS = 8 };
enum { Q = 1, K, V, O, SCALE, LENGTHS_Q, LENGTHS_KV, ROWS_QKV, ROWS_OUT, UIDS = ROWS_OUT }; /* names of tensors */

struct cudnn_attention {
    cudnnHandle_t            handle;
    cudnnBackendDescriptor_t made[DESCRIPTORS]; /* all, oldest first */
    int                      n_made;
    cudnnBackendDescriptor_t plan, pack;
    void                    *workspace;
    float                    scale;
    cudnnStatus_t            bad; /* of the first step that failed; the steps after it do nothing */
    const char              *step;
};

static void note(cudnn_attention *a, const char *step, cudnnStatus_t code)
{
    if (a->bad == CUDNN_STATUS_SUCCESS && code != CUDNN_STATUS_SUCCESS) {
        a->bad = code;
        a->step = step;
    }
}

static cudnnBackendDescriptor_t create(cudnn_attention *a, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    if (a->bad != CUDNN_STATUS_SUCCESS) return NULL;
    if (a->n_made == DESCRIPTORS) {
        note(a, "more descriptors than are kept", CUDNN_STATUS_INTERNAL_ERROR);
        return NULL;
    }
    note(a, "create", cudnnBackendCreateDescriptor(type, &d));
    if (d) a->made[a->n_made++] = d;
    return d;
}

static void set(cudnn_attention *a, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    if (a->bad == CUDNN_STATUS_SUCCESS) note(a, "set attribute", cudnnBackendSetAttribute(d, name, type, n, values));
}

static void link_to(cudnn_attention *a, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                    cudnnBackendDescriptor_t other)
{
    set(a, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static void finalize(cudnn_attention *a, cudnnBackendDescriptor_t d, const char *what)
{
    if (a->bad == CUDNN_STATUS_SUCCESS) note(a, what, cudnnBackendFinalize(d));
}

typedef struct {
    int64_t                  name;
    cudnnDataType_t          type;
    int64_t                  dimensions[4], strides[4];
    bool                     by_value; /* on the host */
    cudnnBackendDescriptor_t rows;     /* ragged offsets, or NULL */
} tensor_of;

static cudnnBackendDescriptor_t tensor(cudnn_attention *a, const tensor_of *t)
{
    const int64_t alignment = t->type == CUDNN_DATA_HALF || t->type == CUDNN_DATA_BFLOAT16 ? 16 : 4;
    cudnnBackendDescriptor_t d = create(a, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(a, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &t->name);
    set(a, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &t->type);
    set(a, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, t->dimensions);
    set(a, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, t->strides);
    set(a, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (t->by_value) set(a, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &t->by_value);
    if (t->rows) link_to(a, d, CUDNN_ATTR_TENSOR_RAGGED_OFFSET_DESC, t->rows);
    finalize(a, d, "tensor");
    return d;
}

static cudnnBackendDescriptor_t list(cudnn_attention *a, int64_t name, int64_t n)
{
    return tensor(a, &(tensor_of){name, CUDNN_DATA_INT32, {n, 1, 1, 1}, {1, 1, 1, 1}, false, NULL});
}

static cudnnBackendDescriptor_t graph_of(cudnn_attention *a, const cudnn_attention_operands *o)
{
    const int64_t         S = o->sequences, n = o->longest, N = o->heads, D = o->width, H = N * D;
    const cudnnDataType_t type = o->element == ELEMENT_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
    const cudnnBackendDescriptor_t rows_qkv = list(a, ROWS_QKV, S + 1), rows_out = list(a, ROWS_OUT, S + 1);
    const cudnnBackendDescriptor_t operation = create(a, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    const struct { cudnnBackendAttributeName_t attribute; int64_t name; } inputs[] = {
        {CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, Q}, {CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, K},
        {CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, V}};
    for (int i = 0; i < 3; i++)
        link_to(a, operation, inputs[i].attribute,
                tensor(a, &(tensor_of){inputs[i].name, type, {S, N, n, D}, {n * 3 * H, D, 3 * H, 1}, false, rows_qkv}));
    link_to(a, operation, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC,
            tensor(a, &(tensor_of){O, type, {S, N, n, D}, {n * H, D, H, 1}, false, rows_out}));
    link_to(a, operation, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC,
            tensor(a, &(tensor_of){SCALE, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, true, NULL}));
    link_to(a, operation, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC, list(a, LENGTHS_Q, S));
    link_to(a, operation, CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC, list(a, LENGTHS_KV, S));
    finalize(a, operation, "attention");

    const cudnnBackendDescriptor_t graph = create(a, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(a, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &a->handle);
    set(a, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation);
    finalize(a, graph, "graph");
    return graph;
}

/* The first of the engines that cuDNN proposes, best first, which accepts the graph. */
static void plan(cudnn_attention *a, cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode)
{
    cudnnBackendDescriptor_t configs[CONFIGS];
    int64_t                  n = 0;
    const cudnnBackendDescriptor_t heuristics = create(a, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    link_to(a, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(a, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    finalize(a, heuristics, "heuristics");
    for (int i = 0; i < CONFIGS; i++) configs[i] = create(a, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (a->bad == CUDNN_STATUS_SUCCESS)
        note(a, "engines", cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS, &n, configs));
    for (int64_t i = 0; i < n && i < CONFIGS && !a->plan && a->bad == CUDNN_STATUS_SUCCESS; i++) {
        const cudnnBackendDescriptor_t candidate = create(a, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        set(a, candidate, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &a->handle);
        link_to(a, candidate, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configs[i]);
        if (a->bad == CUDNN_STATUS_SUCCESS && cudnnBackendFinalize(candidate) == CUDNN_STATUS_SUCCESS)
            a->plan = candidate;
    }
}

static void bind(cudnn_attention *a, const cudnn_attention_operands *o)
{
    const size_t H = (size_t)o->heads * (size_t)o->width * sizeof(uint16_t);
    const char  *qkv = o->qkv;
    const int64_t names[] = {Q, K, V, O, SCALE, LENGTHS_Q, LENGTHS_KV, ROWS_QKV, ROWS_OUT};
    const void   *at[] = {qkv, qkv + H, qkv + 2 * H, o->out, &a->scale, o->lengths, o->lengths, o->qkv_rows,
                          o->out_rows};
    _Static_assert(sizeof names / sizeof *names == UIDS && sizeof at / sizeof *at == UIDS, "one for every tensor");
    int64_t bytes = 0, n = 0;
    if (a->bad == CUDNN_STATUS_SUCCESS)
        note(a, "workspace", cudnnBackendGetAttribute(a->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                      CUDNN_TYPE_INT64, 1, &n, &bytes));
    if (a->bad == CUDNN_STATUS_SUCCESS && bytes > 0 && cudaMalloc(&a->workspace, (size_t)bytes) != cudaSuccess)
        note(a, "workspace", CUDNN_STATUS_ALLOC_FAILED);
    a->pack = create(a, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(a, a->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, UIDS, names);
    set(a, a->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, UIDS, at);
    set(a, a->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &a->workspace);
    finalize(a, a->pack, "operands");
}

status cudnn_attention_open(cudnn_attention **out, const cudnn_attention_operands *o, error *err)
{
    cudnn_attention *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a) return fail(err, NO_MEMORY, "no memory for cuDNN's attention");
    a->scale = 1 / sqrtf((float)o->width);
    note(a, "handle", cudnnCreate(&a->handle));
    const cudnnBackendDescriptor_t graph = a->bad == CUDNN_STATUS_SUCCESS ? graph_of(a, o) : NULL;
    plan(a, graph, CUDNN_HEUR_MODE_A);
    if (!a->plan) plan(a, graph, CUDNN_HEUR_MODE_FALLBACK);
    if (!a->plan) note(a, "no engine takes it", CUDNN_STATUS_NOT_SUPPORTED);
    bind(a, o);
    if (a->bad == CUDNN_STATUS_SUCCESS) {
        *out = a;
        return OK;
    }
    char words[160] = "";
    if (a->handle) cudnnGetLastErrorString(words, sizeof words);
    status rc = fail(err, UNAVAILABLE, "cuDNN %zu refused, %s: %s %.120s", cudnnGetVersion(), a->step,
                     cudnnGetErrorString(a->bad), words);
    cudnn_attention_close(a);
    return rc;
}

void cudnn_attention_close(cudnn_attention *a)
{
    if (!a) return;
    while (a->n_made > 0) cudnnBackendDestroyDescriptor(a->made[--a->n_made]);
    if (a->workspace) cudaFree(a->workspace);
    if (a->handle) cudnnDestroy(a->handle);
    free(a);
}

int cudnn_attention_run(void *attention, kernel_stream stream)
{
    cudnn_attention    *a = attention;
    const cudnnStatus_t rc = cudnnSetStream(a->handle, stream);
    return (int)(rc == CUDNN_STATUS_SUCCESS ? cudnnBackendExecute(a->handle, a->plan, a->pack) : rc);
}
