/* scene.h - one batch in the room, and operands of every operation around it: what each kernel is checked and timed on.
 *
 * Each operation is described at a base: device_base() for the kernel, device_mirror() for the plain loop. */
#ifndef BENCH_CUDA_SCENE_H
#define BENCH_CUDA_SCENE_H
#include "bench/workload.h"
#include "device.h"
#include "runtime/backend/cuda_input.h"

enum { SCENE_LABELS = 8 };

typedef struct {
    device           *device;
    model_shape       shape;
    element_type      element;
    packed            work;
    cuda_input_layout layout; /* of exactly this batch */
    size_t            input;  /* offsets from here on */
    size_t            word, position, type, gamma, beta;        /* [V,H], [P,H], [types,H]; [H] fp32 */
    size_t            x, residual, qkv, wide, bias;             /* [T,H], [T,H], [T,3H], [T,I]; [I] */
    size_t            pooler, pooler_bias, classifier, classifier_bias; /* [H,H], [H], [labels,H], [labels] */
    size_t            out, rows, finite;                        /* [T,H]; [S, max(H, labels)] fp32; [S] */
} scene;

/* Clears the room and places everything. */
status scene_make(scene *s, device *d, const model_shape *m, element_type element, int sequences, int tokens,
                  error *err);

cuda_embed     scene_embed(const scene *s, unsigned char *base);
cuda_norm      scene_norm(const scene *s, unsigned char *base);
cuda_attention scene_attention(const scene *s, unsigned char *base);
cuda_gelu      scene_gelu(const scene *s, unsigned char *base);
cuda_pool      scene_pool(const scene *s, unsigned char *base);
cuda_head      scene_head(const scene *s, unsigned char *base);

/* From now on the plain loops see the first sequences only, of together at most `tokens`, at least one: all of a large
 * batch would take them minutes.  Returns how many tokens those are; *sequences how many of them. */
int scene_shorten(scene *s, int tokens, int *sequences);
#endif
