/* plain.c - nothing here is clever: one loop after the other, in the order of the formula.  Memory for a moment is
 * malloc's, unchecked: it serves tests and measurements. */
#include "plain.h"
#include <math.h>
#include <stdlib.h>
#include "kernels/cpu/pool.h"

static double at(element_type element, const void *array, size_t i)
{
    return (double)element_to_f32(element, ((const uint16_t *)array)[i]);
}

/* n elements, unpacked once where each is used often; free() them. */
static float *all(element_type element, const void *array, size_t n)
{
    float *unpacked = malloc(n * sizeof *unpacked);
    for (size_t i = 0; i < n; i++) unpacked[i] = (float)at(element, array, i);
    return unpacked;
}

static void normalize(double *row, int hidden, const float *gamma, const float *beta, float eps)
{
    double sum = 0, squares = 0;
    for (int h = 0; h < hidden; h++) sum += row[h];
    const double mean = sum / hidden;
    for (int h = 0; h < hidden; h++) squares += (row[h] - mean) * (row[h] - mean);
    const double deviation = sqrt(squares / hidden + (double)eps);
    for (int h = 0; h < hidden; h++) row[h] = (row[h] - mean) / deviation * (double)gamma[h] + (double)beta[h];
}

void cuda_embed_plain(const cuda_embed *e, double *out)
{
    const size_t H = (size_t)e->hidden;
    for (int t = 0; t < e->input.header->T; t++, out += H) {
        const size_t id = (size_t)e->input.ids[t], type = e->input.types[t];
        const size_t position = (size_t)(t - e->input.starts[e->input.sequence[t]]);
        for (size_t h = 0; h < H; h++)
            out[h] = at(e->element, e->word, id * H + h) + at(e->element, e->position, position * H + h) +
                     at(e->element, e->type, type * H + h);
        normalize(out, e->hidden, e->gamma, e->beta, e->eps);
    }
}

void cuda_norm_plain(const cuda_norm *n, double *out)
{
    const size_t H = (size_t)n->hidden;
    for (size_t t = 0; t < (size_t)n->input.header->T; t++, out += H) {
        for (size_t h = 0; h < H; h++)
            out[h] = at(n->element, n->in, t * H + h) + (n->residual ? at(n->element, n->residual, t * H + h) : 0);
        normalize(out, n->hidden, n->gamma, n->beta, n->eps);
    }
}

static void attend(const float *qkv, size_t H, size_t D, int query, int begin, int end, double *weight, double *out)
{
    const float *q = qkv + (size_t)query * 3 * H;
    double       most = -INFINITY, sum = 0;
    for (int key = begin; key < end; key++) {
        const float *k = qkv + (size_t)key * 3 * H + H;
        double       score = 0;
        for (size_t d = 0; d < D; d++) score += (double)q[d] * (double)k[d];
        weight[key - begin] = score / sqrt((double)D);
        most = weight[key - begin] > most || isnan(score) ? weight[key - begin] : most;
    }
    for (size_t d = 0; d < D; d++) out[d] = 0;
    for (int key = begin; key < end; key++) {
        const float *v = qkv + (size_t)key * 3 * H + 2 * H;
        const double share = exp(weight[key - begin] - most);
        sum += share;
        for (size_t d = 0; d < D; d++) out[d] += share * (double)v[d];
    }
    for (size_t d = 0; d < D; d++) out[d] /= sum;
}

void cuda_attention_plain(const cuda_attention *a, double *out)
{
    const size_t D = (size_t)a->width, H = (size_t)a->heads * D, T = (size_t)a->input.header->T;
    float       *qkv = all(a->element, a->qkv, T * 3 * H);
    double      *weight = malloc(T * sizeof *weight);
    for (size_t t = 0; t < T; t++) {
        const int32_t *starts = a->input.starts + a->input.sequence[t];
        for (size_t head = 0; head < (size_t)a->heads; head++)
            attend(qkv + head * D, H, D, (int)t, starts[0], starts[1], weight, out + t * H + head * D);
    }
    free(qkv);
    free(weight);
}

void cuda_gelu_plain(const cuda_gelu *g, double *out)
{
    const size_t I = (size_t)g->inner;
    for (size_t i = 0; i < (size_t)g->input.header->T * I; i++) {
        const double x = at(g->element, g->x, i) + at(g->element, g->bias, i % I);
        out[i] = x * erfc(-x * sqrt(0.5)) / 2;
    }
}

static double pooled(const cuda_pool *p, int pooling, int first, int n, size_t h)
{
    double most = -INFINITY, sum = 0, weights = 0;
    for (int t = 0; t < n; t++) {
        const double x = at(p->element, p->x, (size_t)(first + t) * (size_t)p->hidden + h);
        const double weight = pooling == POOLING_WEIGHTED_MEAN ? t + 1 : 1;
        if (pooling == POOLING_CLS && t == 0) return x;
        if (pooling == POOLING_LAST && t == n - 1) return x;
        most = x > most || isnan(x) ? x : most;
        sum += x * weight;
        weights += weight;
    }
    return pooling == POOLING_MAX ? most : pooling == POOLING_MEAN_SQRT_LEN ? sum / sqrt(weights) : sum / weights;
}

void cuda_pool_plain(const cuda_pool *p, double *out, uint8_t *finite)
{
    for (int s = 0; s < p->input.header->S; s++) {
        const int first = p->input.starts[s], n = p->input.starts[s + 1] - first;
        double   *end = out, squares = 0;
        for (int pooling = POOLING_CLS; pooling < POOLING_ALL; pooling <<= 1)
            for (size_t h = 0; p->poolings & pooling && h < (size_t)p->hidden; h++)
                *end++ = pooled(p, pooling, first, n, h);
        finite[s] = 1;
        for (const double *x = out; x < end; x++) {
            squares += *x * *x;
            if (!isfinite((float)*x)) finite[s] = 0;
        }
        const double length = sqrt(squares) < 1e-12 ? 1e-12 : sqrt(squares);
        for (; out < end; out++) *out /= p->input.normalize[s] ? length : 1;
    }
}

void cuda_head_plain(const cuda_head *h, double *out, uint8_t *finite)
{
    const size_t H = (size_t)h->hidden;
    for (int s = 0; s < h->input.header->S; s++, out += h->labels) {
        double       pooler[KERNEL_HIDDEN_MAX];
        const size_t first = (size_t)h->input.starts[s] * H;
        for (size_t i = 0; i < H; i++) {
            double sum = at(h->element, h->pooler_bias, i);
            for (size_t j = 0; j < H; j++)
                sum += at(h->element, h->pooler, i * H + j) * at(h->element, h->x, first + j);
            pooler[i] = tanh(sum);
        }
        finite[s] = 1;
        for (size_t i = 0; i < (size_t)h->labels; i++) {
            out[i] = at(h->element, h->classifier_bias, i);
            for (size_t j = 0; j < H; j++) out[i] += at(h->element, h->classifier, i * H + j) * pooler[j];
            if (!isfinite((float)out[i])) finite[s] = 0;
        }
    }
}

/* As cuBLASLt has it: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

void cuda_gemm_plain(element_type element, cuda_gemm_shape shape, cuda_gemm_operands o, double *out)
{
    const size_t M = (size_t)shape.M, N = (size_t)shape.N, K = (size_t)shape.K;
    float       *x = all(element, o.x, M * K), *w = all(element, o.w, N * K);
    for (size_t m = 0; m < M; m++) {
        for (size_t n = 0; n < N; n++) {
            double sum = shape.then == CUDA_GEMM_PLAIN ? 0 : at(element, o.bias, n);
            for (size_t k = 0; k < K; k++) sum += (double)x[m * K + k] * (double)w[n * K + k];
            if (shape.then == CUDA_GEMM_BIAS_RESIDUAL) sum += at(element, o.residual, m * N + n);
            if (shape.then == CUDA_GEMM_BIAS_GELU) sum = gelu_tanh(sum);
            if (shape.then == CUDA_GEMM_BIAS_RELU && sum < 0) sum = 0;
            out[m * N + n] = sum;
        }
    }
    free(x);
    free(w);
}
