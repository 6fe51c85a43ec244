#include "cpu_weights.h"
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
        float **rows[] = {&l->norm1_gamma, &l->norm1_beta, &l->norm2_gamma, &l->norm2_beta};
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) *rows[r] = take_floats(a, h);
    }
    if (w->labels) {
        place_dense(&w->pooler, CPU_FLOAT32, H, H, a);
        place_dense(&w->classifier, CPU_FLOAT32, H, w->labels, a);
    }
}

static void pack(cpu_dense *d, cpu_precision p, const float *loose /* [N,K] */)
{
    switch (p) {
    case CPU_FLOAT32: gemm_pack(d->w.f32, loose, d->K, d->N, 0); break;
    case CPU_BFLOAT16: gemm_bf16_pack(d->w.bf16, loose, d->K, d->N, 0); break;
    case CPU_INT8: gemm_int8_pack(&d->w.int8, loose, d->K, d->N, 0); break;
    }
}

/* loose: room for the largest [N,K] weight as floats. */
static void load_dense(cpu_dense *d, cpu_precision p, const tensor *weight, const tensor *bias, float *loose)
{
    tensor_to_f32(loose, weight);
    tensor_to_f32(d->bias, bias);
    pack(d, p, loose);
}

/* Query, key and value become one product. */
static void load_qkv(cpu_dense *d, cpu_precision p, const layer_weights *w, float *loose)
{
    const tensor *weights[] = {w->query_w, w->key_w, w->value_w}, *biases[] = {w->query_b, w->key_b, w->value_b};
    const int     H = d->K;
    for (int i = 0; i < 3; i++) {
        tensor_to_f32(loose + (size_t)i * (size_t)H * (size_t)H, weights[i]);
        tensor_to_f32(d->bias + i * H, biases[i]);
    }
    pack(d, p, loose);
}

static void load_layer(cpu_layer *l, cpu_precision p, const layer_weights *w, float *loose)
{
    load_qkv(&l->qkv, p, w, loose);
    load_dense(&l->attention_out, p, w->attention_out_w, w->attention_out_b, loose);
    load_dense(&l->inner, p, w->inner_w, w->inner_b, loose);
    load_dense(&l->outer, p, w->outer_w, w->outer_b, loose);
    tensor_to_f32(l->norm1_gamma, w->norm1_gamma);
    tensor_to_f32(l->norm1_beta, w->norm1_beta);
    tensor_to_f32(l->norm2_gamma, w->norm2_gamma);
    tensor_to_f32(l->norm2_beta, w->norm2_beta);
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
    for (int i = 0; i < w->shape.layers; i++) load_layer(&w->layers[i], w->precision, &m->layer[i], loose);
    if (w->labels) {
        load_dense(&w->pooler, CPU_FLOAT32, m->head.pooler_w, m->head.pooler_b, loose);
        load_dense(&w->classifier, CPU_FLOAT32, m->head.classifier_w, m->head.classifier_b, loose);
    }
    free(loose);
    return OK;
}
