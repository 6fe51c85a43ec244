#include "cpu_weights.h"
#include <math.h>
#include <stdlib.h>

void *cpu_arena_take(cpu_arena *a, size_t bytes)
{
    void *at = a->base ? a->base + a->used : NULL;
    a->used += (bytes + 63) & ~(size_t)63;
    return at;
}

static float *take_floats(cpu_arena *a, size_t n)
{
    return cpu_arena_take(a, n * sizeof(float));
}

static void place_dense(cpu_dense *d, cpu_precision p, int K, int N, cpu_arena *a)
{
    d->inverse = NULL;
    d->K = K;
    d->N = N;
    d->bias = take_floats(a, (size_t)N);
    switch (p) {
    case CPU_FLOAT32: d->w.f32 = take_floats(a, gemm_packed_floats(K, N)); break;
    case CPU_BFLOAT16: d->w.bf16 = cpu_arena_take(a, gemm_bf16_packed_halves(K, N) * sizeof *d->w.bf16); break;
    case CPU_INT8:
        d->w.int8.panels = cpu_arena_take(a, gemm_int8_packed_bytes(K, N));
        d->w.int8.start = cpu_arena_take(a, (size_t)gemm_int8_columns(N) * sizeof *d->w.int8.start);
        d->w.int8.scale = take_floats(a, (size_t)gemm_int8_columns(N));
        break;
    }
}

void cpu_weights_place(cpu_weights *w, cpu_arena *a)
{
    const int    H = w->shape.hidden, I = w->shape.inner;
    const size_t h = (size_t)H;
    w->word = take_floats(a, (size_t)w->shape.vocab * h);
    w->position = take_floats(a, (size_t)w->shape.positions * h);
    w->type = take_floats(a, (size_t)w->shape.types * h);
    w->embed_gamma = take_floats(a, h);
    w->embed_beta = take_floats(a, h);
    for (int i = 0; i < w->shape.layers; i++) {
        cpu_layer *l = &w->layers[i];
        place_dense(&l->qkv, w->precision, H, 3 * H, a);
        place_dense(&l->attention_out, w->precision, H, H, a);
        place_dense(&l->inner, w->precision, H, I, a);
        place_dense(&l->outer, w->precision, I, H, a);
        if (w->precision == CPU_INT8) {
            l->qkv.inverse = take_floats(a, h);
            l->inner.inverse = take_floats(a, h);
        }
        float **rows[] = {&l->norm1_gamma, &l->norm1_beta, &l->norm2_gamma, &l->norm2_beta};
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) *rows[r] = take_floats(a, h);
    }
    if (w->labels) {
        place_dense(&w->pooler, CPU_FLOAT32, H, H, a);
        place_dense(&w->classifier, CPU_FLOAT32, H, w->labels, a);
    }
}

/* What the columns of a LayerNorm's output may reach: |beta| + 3 |gamma|. */
static float size_of(const float *gamma, const float *beta, int k)
{
    return fmaxf(fabsf(beta[k]) + 3 * fabsf(gamma[k]), 1e-5f);
}

/* Into d->inverse, and the weights accordingly; a column's weights are those of outputs first and beyond.  Numbers that
 * are not finite are left for the golden rows to find. */
static void smooth(cpu_dense *d, int first, const float *gamma, const float *beta, float *loose /* [N,K] */)
{
    double logs = 0;
    for (int k = 0; k < d->K; k++) {
        float most = 1e-5f;
        for (int n = first; n < d->N; n++) most = fmaxf(most, fabsf(loose[(size_t)n * (size_t)d->K + (size_t)k]));
        d->inverse[k] = sqrtf(most / size_of(gamma, beta, k));
        logs += log((double)d->inverse[k]);
    }
    const float mean = (float)exp(logs / d->K);
    for (int k = 0; k < d->K; k++) d->inverse[k] = isfinite(mean) ? d->inverse[k] / mean : 1;
    for (int n = 0; n < d->N; n++)
        for (int k = 0; k < d->K; k++) loose[(size_t)n * (size_t)d->K + (size_t)k] /= d->inverse[k];
}

static void pack(cpu_dense *d, cpu_precision p, const float *loose /* [N,K] */)
{
    switch (p) {
    case CPU_FLOAT32: gemm_pack(d->w.f32, loose, d->K, d->N, 0); break;
    case CPU_BFLOAT16: gemm_bf16_pack(d->w.bf16, loose, d->K, d->N, 0); break;
    case CPU_INT8: gemm_int8_pack(&d->w.int8, loose, d->K, d->N, 0); break;
    }
}

/* A norm's output, before a product; gamma NULL: none comes before. */
typedef struct { const float *gamma, *beta; } norm_before;

/* loose: room for the largest [N,K] weight as floats. */
typedef struct { cpu_precision precision; float *loose; } loading;

static void load_dense(const loading *l, cpu_dense *d, const tensor *weight, const tensor *bias, norm_before before)
{
    tensor_to_f32(l->loose, weight);
    tensor_to_f32(d->bias, bias);
    if (d->inverse) smooth(d, 0, before.gamma, before.beta, l->loose);
    pack(d, l->precision, l->loose);
}

/* Query, key and value become one product. */
static void load_qkv(const loading *l, cpu_dense *d, const layer_weights *w, norm_before before)
{
    const tensor *weights[] = {w->query_w, w->key_w, w->value_w}, *biases[] = {w->query_b, w->key_b, w->value_b};
    const int     H = d->K;
    for (int i = 0; i < 3; i++) {
        tensor_to_f32(l->loose + (size_t)i * (size_t)H * (size_t)H, weights[i]);
        tensor_to_f32(d->bias + i * H, biases[i]);
    }
    if (d->inverse) smooth(d, 2 * H, before.gamma, before.beta, l->loose); /* levelled for the values: on them it tells */
    pack(d, l->precision, l->loose);
}

static void load_layer(const loading *from, cpu_layer *l, const layer_weights *w, norm_before before)
{
    const norm_before none = {NULL, NULL}, own = {l->norm1_gamma, l->norm1_beta};
    tensor_to_f32(l->norm1_gamma, w->norm1_gamma);
    tensor_to_f32(l->norm1_beta, w->norm1_beta);
    tensor_to_f32(l->norm2_gamma, w->norm2_gamma);
    tensor_to_f32(l->norm2_beta, w->norm2_beta);
    load_qkv(from, &l->qkv, w, before);
    load_dense(from, &l->attention_out, w->attention_out_w, w->attention_out_b, none);
    load_dense(from, &l->inner, w->inner_w, w->inner_b, own);
    load_dense(from, &l->outer, w->outer_w, w->outer_b, none);
}

status cpu_weights_load(cpu_weights *w, const model *m, error *err)
{
    int rows = 3 * w->shape.hidden;
    if (w->shape.inner > rows) rows = w->shape.inner;
    if (w->labels > rows) rows = w->labels;
    float *loose = malloc((size_t)w->shape.hidden * (size_t)rows * sizeof *loose);
    if (!loose) return fail(err, NO_MEMORY, "%s: no memory to read a weight into", m->description.name);
    tensor_to_f32(w->word, m->embedding.word);
    tensor_to_f32(w->position, m->embedding.position);
    tensor_to_f32(w->type, m->embedding.type);
    tensor_to_f32(w->embed_gamma, m->embedding.norm_gamma);
    tensor_to_f32(w->embed_beta, m->embedding.norm_beta);
    const loading from = {w->precision, loose}, wide = {CPU_FLOAT32, loose};
    norm_before   before = {w->embed_gamma, w->embed_beta};
    for (int i = 0; i < w->shape.layers; i++) {
        load_layer(&from, &w->layers[i], &m->layer[i], before);
        before = (norm_before){w->layers[i].norm2_gamma, w->layers[i].norm2_beta};
    }
    if (w->labels) {
        load_dense(&wide, &w->pooler, m->head.pooler_w, m->head.pooler_b, before);
        load_dense(&wide, &w->classifier, m->head.classifier_w, m->head.classifier_b, before);
    }
    free(loose);
    return OK;
}
