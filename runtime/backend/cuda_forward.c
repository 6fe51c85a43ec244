/* cuda_forward.c - two descriptions of a layer: as it runs, and as its products are timed. */
#include "cuda_forward.h"
#include <string.h>

enum { GEMM_WORKSPACE = 32 << 20 /* what cuBLASLt recommends for Hopper */ };

/* ---- open and close ---- */

static cuda_gemm_then then_of(activation a)
{
    switch (a) {
    case ACTIVATION_GELU: return CUDA_GEMM_PLAIN;
    case ACTIVATION_GELU_TANH: return CUDA_GEMM_BIAS_GELU;
    case ACTIVATION_RELU: return CUDA_GEMM_BIAS_RELU;
    }
    return CUDA_GEMM_BIAS;
}

static status take_workspace(cuda_forward *f, size_t T, error *err)
{
    const size_t row = (size_t)f->shape.hidden * sizeof(uint16_t), inner = (size_t)f->shape.inner * sizeof(uint16_t);
    const size_t bytes = T * (6 * row + inner);
    char        *base;
    void        *memory;
    status       rc = cuda_device_memory(f->device, &memory, bytes, "activations", err);
    if (rc != OK) return rc;
    base = memory; /* T is a multiple of 16 and a row at least 16 bytes: every part begins on 256 */
    f->x = base;
    f->sum = base + T * row;
    f->context = base + 2 * T * row;
    f->qkv = base + 3 * T * row;
    f->inner = base + 6 * T * row;
    /* Rows beyond a batch's tokens enter products: they hold anything, but never what was not written. */
    return cuda_device_zero(f->device, memory, bytes, f->stream, err);
}

status cuda_forward_open(cuda_forward *f, cuda_device *d, kernel_stream s, const cuda_weights *w,
                         const model_description *m, int max_tokens, error *err)
{
    void *scratch;
    *f = (cuda_forward){.device = d, .stream = s, .weights = w, .shape = m->shape, .eps = m->layer_norm_eps,
                        .element = w->element,
                        .poolings = m->task == TASK_EMBED ? m->pooling : 0, .labels = m->n_labels,
                        .activation = then_of(m->act)};
    status rc = take_workspace(f, (size_t)max_tokens, err);
    if (rc == OK) rc = cuda_device_memory(d, &scratch, GEMM_WORKSPACE, "products", err);
    if (rc == OK)
        rc = cuda_device_product(d, "cublasLtCreate", cuda_gemm_open(&f->gemm, f->element, scratch, GEMM_WORKSPACE),
                                 err);
    if (rc != OK) *f = (cuda_forward){0};
    return rc;
}

void cuda_forward_close(cuda_forward *f)
{
    if (f->device && !cuda_device_lost(f->device)) cuda_gemm_close(&f->gemm);
    *f = (cuda_forward){0};
}

/* ---- kernels ---- */

static status product(cuda_forward *f, const cuda_product *p, cuda_gemm_operands o, error *err)
{
    return cuda_device_product(f->device, "cublasLtMatmul",
                               cuda_gemm_run(&f->gemm, p->shape, &p->algorithm, o, f->stream), err);
}

/* x = LayerNorm(sum + x); the product before may have added x already. */
static status norm(cuda_forward *f, cuda_input in, cuda_gemm_shape before, const float *gamma, const float *beta,
                   error *err)
{
    const cuda_norm n = {.input = in, .in = f->sum, .residual = before.then == CUDA_GEMM_BIAS_RESIDUAL ? NULL : f->x,
                         .gamma = gamma, .beta = beta, .out = f->x, .tokens = before.M, .hidden = f->shape.hidden,
                         .eps = f->eps, .element = f->element};
    return cuda_device_kernel(f->device, "norm", cuda_norm_run(&n, f->stream), err);
}

static const void *residual_of(const cuda_forward *f, cuda_gemm_shape s)
{
    return s.then == CUDA_GEMM_BIAS_RESIDUAL ? f->x : NULL;
}

static cuda_gemm_operands qkv_operands(const cuda_forward *f, const cuda_layer *l)
{
    return (cuda_gemm_operands){.x = f->x, .w = l->qkv, .bias = l->qkv_b, .out = f->qkv};
}

static cuda_gemm_operands attention_out_operands(const cuda_forward *f, const cuda_layer *l, cuda_gemm_shape s)
{
    return (cuda_gemm_operands){f->context, l->attention_out, l->attention_out_b, residual_of(f, s), f->sum};
}

static cuda_gemm_operands inner_operands(const cuda_forward *f, const cuda_layer *l, cuda_gemm_shape s)
{
    return (cuda_gemm_operands){f->x, l->inner, s.then == CUDA_GEMM_PLAIN ? NULL : l->inner_b, NULL, f->inner};
}

static cuda_gemm_operands outer_operands(const cuda_forward *f, const cuda_layer *l, cuda_gemm_shape s)
{
    return (cuda_gemm_operands){f->inner, l->outer, l->outer_b, residual_of(f, s), f->sum};
}

/* ---- the list ---- */

static status queue_embedding(cuda_forward *f, const cuda_input_layout *l, cuda_input in, error *err)
{
    const cuda_weights *w = f->weights;
    const cuda_embed    e = {.input = in, .word = w->word, .position = w->position, .type = w->type,
                             .gamma = w->embed_gamma, .beta = w->embed_beta, .out = f->x, .tokens = l->tokens,
                             .hidden = f->shape.hidden, .eps = f->eps, .element = f->element};
    return cuda_device_kernel(f->device, "embed", cuda_embed_run(&e, f->stream), err);
}

static status queue_attention(cuda_forward *f, const cuda_input_layout *l, cuda_input in, error *err)
{
    const cuda_attention a = {.input = in, .qkv = f->qkv, .out = f->context, .heads = f->shape.heads,
                              .width = f->shape.hidden / f->shape.heads, .work_items = l->work_items,
                              .element = f->element};
    return cuda_device_kernel(f->device, "attention", cuda_attention_run(&a, f->stream), err);
}

static status queue_inner(cuda_forward *f, cuda_input in, const cuda_layer *w, const cuda_product *p, error *err)
{
    status rc = product(f, p, inner_operands(f, w, p->shape), err);
    if (rc != OK || p->shape.then != CUDA_GEMM_PLAIN) return rc;
    const cuda_gelu g = {.input = in, .x = f->inner, .bias = w->inner_b, .tokens = p->shape.M, .inner = f->shape.inner,
                         .element = f->element};
    return cuda_device_kernel(f->device, "gelu", cuda_gelu_run(&g, f->stream), err);
}

static status queue_layer(cuda_forward *f, const cuda_input_layout *l, cuda_input in, const cuda_layer *w,
                          const cuda_products *p, error *err)
{
    status rc = product(f, &p->qkv, qkv_operands(f, w), err);
    if (rc == OK) rc = queue_attention(f, l, in, err);
    if (rc == OK) rc = product(f, &p->attention_out, attention_out_operands(f, w, p->attention_out.shape), err);
    if (rc == OK) rc = norm(f, in, p->attention_out.shape, w->norm1_gamma, w->norm1_beta, err);
    if (rc == OK) rc = queue_inner(f, in, w, &p->inner, err);
    if (rc == OK) rc = product(f, &p->outer, outer_operands(f, w, p->outer.shape), err);
    if (rc == OK) rc = norm(f, in, p->outer.shape, w->norm2_gamma, w->norm2_beta, err);
    return rc;
}

static status queue_rows(cuda_forward *f, const cuda_input_layout *l, cuda_input in, cuda_forward_ends ends, error *err)
{
    const cuda_weights *w = f->weights;
    if (f->poolings) {
        const cuda_pool p = {.input = in, .x = f->x, .out = ends.rows, .finite = ends.finite,
                             .sequences = l->sequences, .hidden = f->shape.hidden, .poolings = f->poolings,
                             .element = f->element};
        return cuda_device_kernel(f->device, "pool", cuda_pool_run(&p, f->stream), err);
    }
    const cuda_head h = {.input = in, .x = f->x, .pooler = w->pooler, .pooler_bias = w->pooler_b,
                         .classifier = w->classifier, .classifier_bias = w->classifier_b, .out = ends.rows,
                         .finite = ends.finite, .sequences = l->sequences, .hidden = f->shape.hidden,
                         .labels = f->labels, .element = f->element};
    return cuda_device_kernel(f->device, "head", cuda_head_run(&h, f->stream), err);
}

status cuda_forward_queue(cuda_forward *f, const cuda_input_layout *l, const cuda_products *p, cuda_forward_ends ends,
                          error *err)
{
    const cuda_input in = cuda_input_at(l, ends.input);
    status rc = queue_embedding(f, l, in, err);
    for (int i = 0; rc == OK && i < f->shape.layers; i++) rc = queue_layer(f, l, in, &f->weights->layers[i], p, err);
    return rc == OK ? queue_rows(f, l, in, ends, err) : rc;
}

/* ---- which algorithms ---- */

static void shapes(const cuda_forward *f, int tokens, cuda_products *out)
{
    const int H = f->shape.hidden, I = f->shape.inner;
    *out = (cuda_products){.qkv.shape = {tokens, 3 * H, H, CUDA_GEMM_BIAS},
                           .attention_out.shape = {tokens, H, H, CUDA_GEMM_BIAS},
                           .inner.shape = {tokens, I, H, f->activation},
                           .outer.shape = {tokens, H, I, CUDA_GEMM_BIAS}};
}

status cuda_forward_guess(cuda_forward *f, int tokens, cuda_products *out, error *err)
{
    status rc = OK;
    shapes(f, tokens, out);
    cuda_product *all[] = {&out->qkv, &out->attention_out, &out->inner, &out->outer};
    for (size_t i = 0; rc == OK && i < sizeof all / sizeof *all; i++)
        rc = cuda_tune_first(f->device, &f->gemm, all[i]->shape, &all[i]->algorithm, err);
    return rc;
}

/* What is being timed, for queue_timed(): of the batch a norm reads the number of tokens alone. */
typedef struct {
    cuda_forward *f;
    cuda_input    in;
    cuda_gemm_operands (*operands)(const cuda_forward *f, const cuda_layer *l, cuda_gemm_shape s);
} timed;

static cuda_gemm_operands qkv_operands_timed(const cuda_forward *f, const cuda_layer *l, cuda_gemm_shape s)
{
    (void)s;
    return qkv_operands(f, l);
}

static status queue_timed(void *context, cuda_gemm_shape shape, cuda_choice_scope scope, const cuda_gemm_algorithm *a,
                          int repeat, error *err)
{
    timed              *t = context;
    const cuda_layer   *l = &t->f->weights->layers[repeat % t->f->shape.layers];
    const cuda_product  p = {shape, *a};
    status              rc = product(t->f, &p, t->operands(t->f, l, shape), err);
    if (rc == OK && scope == CHOICE_WITH_NORM) rc = norm(t->f, t->in, shape, l->norm1_gamma, l->norm1_beta, err);
    return rc;
}

static status tune_one(cuda_tune *t, timed *context, cuda_choice_scope scope, cuda_product *out, float *us, error *err)
{
    cuda_choice  choice;
    const status rc = cuda_tune_best(t, out->shape, scope, queue_timed, context, &choice, err);
    if (rc != OK) return rc;
    out->algorithm = choice.algorithm;
    *us = choice.us;
    return OK;
}

/* Twice: the residual in the norm, and in the product.  Not measured counts as the first. */
static status tune_with_norm(cuda_tune *t, timed *context, cuda_product *out, error *err)
{
    cuda_product in_product = *out;
    float        norm_us = 0, product_us = 0;
    in_product.shape.then = CUDA_GEMM_BIAS_RESIDUAL;
    status rc = tune_one(t, context, CHOICE_WITH_NORM, out, &norm_us, err);
    if (rc == OK) rc = tune_one(t, context, CHOICE_WITH_NORM, &in_product, &product_us, err);
    if (rc == OK && product_us > 0 && product_us < norm_us) *out = in_product;
    return rc;
}

status cuda_forward_tune(cuda_forward *f, cuda_tune *t, int tokens, void *header, cuda_products *out, error *err)
{
    timed context = {f, {.header = header}, qkv_operands_timed};
    float us;
    shapes(f, tokens, out);
    status rc = tune_one(t, &context, CHOICE_ALONE, &out->qkv, &us, err);
    context.operands = attention_out_operands;
    if (rc == OK) rc = tune_with_norm(t, &context, &out->attention_out, err);
    context.operands = inner_operands;
    if (rc == OK) rc = tune_one(t, &context, CHOICE_ALONE, &out->inner, &us, err);
    context.operands = outer_operands;
    if (rc == OK) rc = tune_with_norm(t, &context, &out->outer, err);
    return rc;
}
