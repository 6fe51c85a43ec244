/* cublaslt_rules.cc - the documented tables of cublasLtMatmul(), and the algorithms that the stand-in offers.
 *
 * Of the types only those that a 16-bit encoder could want are here; what else the real library has is refused. */
#include "cublaslt.h"
#include <algorithm>
#include <cstring>

/* Documentation, cublasLtMatmul(), the table for "regular column- or row-major matrices": compute type, scale type, A
 * and B type, C and D type, bias type. */
static const struct { int compute, scale, ab, cd, bias; } type_rows[] = {
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_32F, CUDA_R_32F},
    {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F},
};

/* Documentation, cublasLtEpilogue_t. */
static const struct { uint32_t epilogue; bool bias, relu, gelu; } epilogue_rows[] = {
    {CUBLASLT_EPILOGUE_DEFAULT, false, false, false}, {CUBLASLT_EPILOGUE_BIAS, true, false, false},
    {CUBLASLT_EPILOGUE_RELU, false, true, false},     {CUBLASLT_EPILOGUE_RELU_BIAS, true, true, false},
    {CUBLASLT_EPILOGUE_GELU, false, false, true},     {CUBLASLT_EPILOGUE_GELU_BIAS, true, false, true},
};

/* What the stand-in runs: `alignment` of every address and leading dimension in bytes; `split`: partial sums go through
 * the workspace, and a second kernel finishes them, as split-K does. */
static const struct {
    uint64_t alignment;
    bool split;
} algorithm_rows[] = {{16, false}, {16, true}, {4, false}, {2, false}, {2, true}};

static constexpr uint64_t MAGIC = 0x31746c656b6166u;

static bool is_op(int op) { return op == CUBLAS_OP_N || op == CUBLAS_OP_T; }

/* Documentation, cublasLtMatrixLayoutAttribute_t: the columns of a column-major matrix must not overlap, LD >= ROWS. */
static cublasStatus_t check_layout(const matrix_layout *l, const char *name)
{
    if (l->order != CUBLASLT_ORDER_COL || l->batch != 1) {
        complain("%s: order %d, batch %d; the stand-in has one column-major matrix", name, l->order, l->batch);
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (l->rows == 0 || l->cols == 0 || l->rows > 0x7fffffff || l->cols > 0x7fffffff) {
        complain("%s: %llu x %llu elements", name, static_cast<unsigned long long>(l->rows),
                 static_cast<unsigned long long>(l->cols));
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (l->ld < static_cast<int64_t>(l->rows)) {
        complain("%s: leading dimension %lld is less than its %llu rows", name, static_cast<long long>(l->ld),
                 static_cast<unsigned long long>(l->rows));
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_SUCCESS;
}

static matmul_side side(const matrix_layout *l)
{
    return {static_cast<cudaDataType_t>(l->type), l->rows, l->cols, static_cast<uint64_t>(l->ld)};
}

static cublasStatus_t check_types(const matmul_desc *desc, const matrix_layout *a, const matrix_layout *b,
                                  const matrix_layout *c, const matrix_layout *d, matmul_problem *out)
{
    const int bias = desc->bias_type == -1 ? static_cast<int>(d->type) : desc->bias_type; /* by default the type of D */
    for (const auto &row : type_rows) {
        const auto is = [](uint32_t type, int wanted) { return static_cast<int>(type) == wanted; };
        if (row.compute != desc->compute || row.scale != desc->scale || !is(a->type, row.ab) || !is(b->type, row.ab) ||
            !is(c->type, row.cd) || !is(d->type, row.cd))
            continue;
        if (out->has_bias && bias != row.bias) {
            complain("bias of type %d, with D of type %u it must be %d", bias, d->type, row.bias);
            return CUBLAS_STATUS_NOT_SUPPORTED;
        }
        out->bias_type = static_cast<cudaDataType_t>(row.bias);
        return CUBLAS_STATUS_SUCCESS;
    }
    complain("no row of the table has compute type %d, scale type %d and A, B, C, D of types %u, %u, %u, %u",
             desc->compute, desc->scale, a->type, b->type, c->type, d->type);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublaslt_problem(const matmul_desc *desc, const matrix_layout *a, const matrix_layout *b,
                                const matrix_layout *c, const matrix_layout *d, matmul_problem *out)
{
    memset(static_cast<void *>(out), 0, sizeof *out); /* its bytes are summed up */
    if (!is_op(desc->a_op) || !is_op(desc->b_op) || desc->c_op != CUBLAS_OP_N ||
        desc->pointer_mode != CUBLASLT_POINTER_MODE_HOST) {
        complain("ops %d, %d, %d, pointer mode %d: the stand-in has N and T, N for C, and alpha and beta of the host",
                 desc->a_op, desc->b_op, desc->c_op, desc->pointer_mode);
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    const auto *epilogue = std::find_if(std::begin(epilogue_rows), std::end(epilogue_rows),
                                        [&](const auto &row) { return row.epilogue == desc->epilogue; });
    if (epilogue == std::end(epilogue_rows)) {
        complain("epilogue %u: the stand-in has none, RELU or GELU, each with and without BIAS", desc->epilogue);
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    out->has_bias = epilogue->bias;
    out->relu = epilogue->relu;
    out->gelu = epilogue->gelu;
    const struct {
        const matrix_layout *layout;
        const char *name;
    } layouts[] = {{a, "A"}, {b, "B"}, {c, "C"}, {d, "D"}};
    for (const auto &l : layouts)
        if (const cublasStatus_t rc = check_layout(l.layout, l.name)) return rc;
    if (const cublasStatus_t rc = check_types(desc, a, b, c, d, out)) return rc;
    out->a_transposed = desc->a_op == CUBLAS_OP_T;
    out->b_transposed = desc->b_op == CUBLAS_OP_T;
    out->a = side(a);
    out->b = side(b);
    out->c = side(c);
    out->d = side(d);
    out->m = d->rows;
    out->n = d->cols;
    out->k = out->a_transposed ? a->rows : a->cols;
    const uint64_t a_rows = out->a_transposed ? a->cols : a->rows, b_rows = out->b_transposed ? b->cols : b->rows,
                   b_cols = out->b_transposed ? b->rows : b->cols;
    if (a_rows != out->m || b_rows != out->k || b_cols != out->n || c->rows != out->m || c->cols != out->n) {
        complain("op(A) is %llu x %llu, op(B) %llu x %llu, C %llu x %llu, D %llu x %llu",
                 static_cast<unsigned long long>(a_rows), static_cast<unsigned long long>(out->k),
                 static_cast<unsigned long long>(b_rows), static_cast<unsigned long long>(b_cols),
                 static_cast<unsigned long long>(c->rows), static_cast<unsigned long long>(c->cols),
                 static_cast<unsigned long long>(d->rows), static_cast<unsigned long long>(d->cols));
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_SUCCESS;
}

static uint64_t element_bytes(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

size_t cublaslt_bytes(const matmul_side &s) { return ((s.cols - 1) * s.ld + s.rows) * element_bytes(s.type); }

static uint64_t sum_of(const void *bytes, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) sum = (sum ^ static_cast<const unsigned char *>(bytes)[i]) * 0x100000001b3u;
    return sum;
}

static uint64_t problem_sum(const matmul_problem &p)
{
    const matmul_side *sides[] = {&p.a, &p.b, &p.c, &p.d};
    uint64_t           words[3 + 4 * 4 + 6], n = 0;
    for (uint64_t x : {p.m, p.n, p.k}) words[n++] = x;
    for (const matmul_side *s : sides)
        for (uint64_t x : {static_cast<uint64_t>(s->type), s->rows, s->cols, s->ld}) words[n++] = x;
    for (uint64_t x : {uint64_t(p.a_transposed), uint64_t(p.b_transposed), uint64_t(p.has_bias), uint64_t(p.relu),
                       uint64_t(p.gelu), static_cast<uint64_t>(p.bias_type)})
        words[n++] = x;
    return sum_of(words, sizeof words);
}

static uint64_t alignment_of(const void *pointer)
{
    const uintptr_t p = reinterpret_cast<uintptr_t>(pointer);
    return p ? p & -p : 256;
}

/* Documentation, cublasLtMatmulPreferenceAttributes_t: a smaller alignment or workspace excludes the algorithms that
 * need more.  BIAS_POINTER: a call that does not follow it takes from its value how it will be aligned. */
int cublaslt_algorithms(const matmul_problem &p, const matmul_preference *preference, const void *bias, int most,
                        matmul_algorithm *out)
{
    const matmul_side *sides[] = {&p.a, &p.b, &p.c, &p.d};
    int                n = 0;
    for (uint64_t index = 0; index < sizeof algorithm_rows / sizeof *algorithm_rows && n < most; index++) {
        const auto    &row = algorithm_rows[index];
        const uint64_t workspace = row.split ? (p.m * p.n * sizeof(float) + 255) / 256 * 256 : 0;
        bool           fits = workspace <= preference->workspace;
        for (int i = 0; i < 4; i++) {
            const uint64_t needed = std::max(row.alignment, element_bytes(sides[i]->type));
            fits = fits && preference->alignment[i] >= needed &&
                   sides[i]->ld * element_bytes(sides[i]->type) % needed == 0;
        }
        if (!fits) continue;
        matmul_algorithm a = {MAGIC, problem_sum(p), index, workspace, row.alignment, 0, CUBLASLT_VERSION, 0};
        a.bias_alignment = p.has_bias ? std::min<uint64_t>(16, alignment_of(bias)) : 1;
        a.sum = sum_of(&a, offsetof(matmul_algorithm, sum));
        out[n++] = a;
    }
    return n;
}

cublasStatus_t cublaslt_algorithm(const matmul_problem &p, const cublasLtMatmulAlgo_t *bytes, matmul_algorithm *out)
{
    memcpy(out, bytes, sizeof *out);
    if (out->magic != MAGIC || out->version != CUBLASLT_VERSION ||
        out->sum != sum_of(out, offsetof(matmul_algorithm, sum))) {
        complain("these bytes are no algorithm of version %d", CUBLASLT_VERSION);
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (out->problem != problem_sum(p)) {
        complain("this algorithm is for another problem");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return CUBLAS_STATUS_SUCCESS;
}
