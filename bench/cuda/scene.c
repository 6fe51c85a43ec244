#include "scene.h"
#include <string.h>
#include "kernels/cpu/pool.h"

static status place_input(scene *s, error *err)
{
    s->layout = cuda_input_layout_of(s->work.in.T, s->work.in.S);
    status rc = device_place(s->device, s->layout.bytes, &s->input, err);
    if (rc != OK) return rc;
    memset(device_mirror(s->device) + s->input, 0, s->layout.bytes);
    cuda_input_fill(&s->layout, device_mirror(s->device) + s->input, &s->work.in);
    return device_upload(s->device, s->input, s->layout.bytes, err);
}

status scene_make(scene *s, device *d, const model_shape *m, element_type element, int sequences, int tokens,
                  error *err)
{
    *s = (scene){.device = d, .shape = *m, .element = element};
    workload_make(&s->work, sequences, tokens, WORKLOAD_TOKENS, m);
    device_clear(d);
    const size_t T = (size_t)s->work.in.T, S = (size_t)s->work.in.S, H = (size_t)m->hidden, I = (size_t)m->inner;
    const struct { size_t *offset, elements; } halves[] = {
        {&s->word, (size_t)m->vocab * H}, {&s->position, (size_t)m->positions * H}, {&s->type, (size_t)m->types * H},
        {&s->x, T * H}, {&s->residual, T * H}, {&s->qkv, 3 * T * H}, {&s->wide, T * I}, {&s->bias, I},
        {&s->pooler, H * H}, {&s->pooler_bias, H}, {&s->classifier, SCENE_LABELS * H},
        {&s->classifier_bias, SCENE_LABELS}, {&s->out, T * H}};
    status rc = place_input(s, err);
    for (size_t i = 0; i < sizeof halves / sizeof *halves && rc == OK; i++)
        rc = device_random(d, element, halves[i].elements, 1, halves[i].offset, err);
    if (rc == OK) rc = device_random_f32(d, H, 1, &s->gamma, err);
    if (rc == OK) rc = device_random_f32(d, H, 1, &s->beta, err);
    if (rc == OK) rc = device_random_f32(d, S * (H > SCENE_LABELS ? H : SCENE_LABELS), 1, &s->rows, err);
    if (rc == OK) rc = device_place(d, S, &s->finite, err);
    return rc;
}

static cuda_input input_at(const scene *s, unsigned char *base) { return cuda_input_at(&s->layout, base + s->input); }

cuda_embed scene_embed(const scene *s, unsigned char *base)
{
    return (cuda_embed){.input = input_at(s, base), .word = base + s->word, .position = base + s->position,
                        .type = base + s->type, .gamma = (float *)(base + s->gamma), .beta = (float *)(base + s->beta),
                        .out = base + s->out, .tokens = s->work.in.T, .hidden = s->shape.hidden, .eps = 1e-12f,
                        .element = s->element};
}

cuda_norm scene_norm(const scene *s, unsigned char *base)
{
    return (cuda_norm){.input = input_at(s, base), .in = base + s->x, .residual = base + s->residual,
                       .gamma = (float *)(base + s->gamma), .beta = (float *)(base + s->beta), .out = base + s->out,
                       .tokens = s->work.in.T, .hidden = s->shape.hidden, .eps = 1e-12f, .element = s->element};
}

cuda_attention scene_attention(const scene *s, unsigned char *base)
{
    return (cuda_attention){.input = input_at(s, base), .qkv = base + s->qkv, .out = base + s->out,
                            .heads = s->shape.heads, .width = s->shape.hidden / s->shape.heads,
                            .work_items = s->layout.work_items, .element = s->element};
}

cuda_gelu scene_gelu(const scene *s, unsigned char *base)
{
    return (cuda_gelu){.input = input_at(s, base), .x = base + s->wide, .bias = base + s->bias, .tokens = s->work.in.T,
                       .inner = s->shape.inner, .element = s->element};
}

cuda_pool scene_pool(const scene *s, unsigned char *base)
{
    return (cuda_pool){.input = input_at(s, base), .x = base + s->x, .out = (float *)(base + s->rows),
                       .finite = base + s->finite, .sequences = s->work.in.S, .hidden = s->shape.hidden,
                       .poolings = POOLING_MEAN, .element = s->element};
}

cuda_head scene_head(const scene *s, unsigned char *base)
{
    return (cuda_head){.input = input_at(s, base), .x = base + s->x, .pooler = base + s->pooler,
                       .pooler_bias = base + s->pooler_bias, .classifier = base + s->classifier,
                       .classifier_bias = base + s->classifier_bias, .out = (float *)(base + s->rows),
                       .finite = base + s->finite, .sequences = s->work.in.S, .hidden = s->shape.hidden,
                       .labels = SCENE_LABELS, .element = s->element};
}

int scene_shorten(scene *s, int tokens, int *sequences)
{
    cuda_input_header *header = (cuda_input_header *)(device_mirror(s->device) + s->input);
    int                n = 1;
    while (n < s->work.in.S && s->work.starts[n + 1] <= tokens) n++;
    *sequences = header->S = n;
    return header->T = s->work.starts[n];
}
