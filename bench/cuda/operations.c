#include "operations.h"
#include <stdlib.h>
#include "kernels/cuda/plain.h"

enum { CHECKED_TOKENS = 160, HALF = 2 };

static int run_embed(void *context, kernel_stream stream)
{
    const scene     *s = context;
    const cuda_embed e = scene_embed(s, device_base(s->device));
    return cuda_embed_run(&e, stream);
}

static void plain_embed(const scene *s, double *out)
{
    const cuda_embed e = scene_embed(s, device_mirror(s->device));
    cuda_embed_plain(&e, out);
}

static int run_norm(void *context, kernel_stream stream)
{
    const scene    *s = context;
    const cuda_norm n = scene_norm(s, device_base(s->device));
    return cuda_norm_run(&n, stream);
}

static void plain_norm(const scene *s, double *out)
{
    const cuda_norm n = scene_norm(s, device_mirror(s->device));
    cuda_norm_plain(&n, out);
}

static int run_attention(void *context, kernel_stream stream)
{
    const scene         *s = context;
    const cuda_attention a = scene_attention(s, device_base(s->device));
    return cuda_attention_run(&a, stream);
}

static void plain_attention(const scene *s, double *out)
{
    const cuda_attention a = scene_attention(s, device_mirror(s->device));
    cuda_attention_plain(&a, out);
}

static int run_gelu(void *context, kernel_stream stream)
{
    const scene    *s = context;
    const cuda_gelu g = scene_gelu(s, device_base(s->device));
    return cuda_gelu_run(&g, stream);
}

static void plain_gelu(const scene *s, double *out)
{
    const cuda_gelu g = scene_gelu(s, device_mirror(s->device));
    cuda_gelu_plain(&g, out);
}

static int run_pool(void *context, kernel_stream stream)
{
    const scene    *s = context;
    const cuda_pool p = scene_pool(s, device_base(s->device));
    return cuda_pool_run(&p, stream);
}

static void plain_pool(const scene *s, double *out)
{
    const cuda_pool p = scene_pool(s, device_mirror(s->device));
    cuda_pool_plain(&p, out, device_mirror(s->device) + s->finite);
}

static int run_head(void *context, kernel_stream stream)
{
    const scene    *s = context;
    const cuda_head h = scene_head(s, device_base(s->device));
    return cuda_head_run(&h, stream);
}

static void plain_head(const scene *s, double *out)
{
    const cuda_head h = scene_head(s, device_mirror(s->device));
    cuda_head_plain(&h, out, device_mirror(s->device) + s->finite);
}

static cost cost_of_attention(const scene *s)
{
    cost total = {0};
    for (int i = 0; i < s->work.in.S; i++) {
        const cost one = cost_attention(s->work.lengths[i], s->shape.hidden, HALF);
        total.flops += one.flops;
        total.bytes += one.bytes;
    }
    return total;
}

static cost cost_of_embed(const scene *s) { return cost_embed(s->work.in.T, s->shape.hidden, HALF); }
static cost cost_of_norm(const scene *s) { return cost_residual_norm(s->work.in.T, s->shape.hidden, HALF); }
static cost cost_of_gelu(const scene *s) { return cost_gelu(s->work.in.T, s->shape.inner, HALF); }
static cost cost_of_pool(const scene *s) { return cost_pool(s->work.in.T, s->shape.hidden, HALF); }
static cost cost_of_head(const scene *s) { return cost_head(s->work.in.S, s->shape.hidden, SCENE_LABELS, HALF); }

const operation operations[] = {
    {"embed", run_embed, plain_embed, cost_of_embed, OPERATION_BY_TOKEN},
    {"attention", run_attention, plain_attention, cost_of_attention, OPERATION_BY_TOKEN},
    {"residual norm", run_norm, plain_norm, cost_of_norm, OPERATION_BY_TOKEN},
    {"gelu", run_gelu, plain_gelu, cost_of_gelu, OPERATION_WIDE},
    {"pool", run_pool, plain_pool, cost_of_pool, OPERATION_BY_SEQUENCE},
    {"head", run_head, plain_head, cost_of_head, OPERATION_LOGITS},
};
const int operations_count = sizeof operations / sizeof *operations, operation_attention = 1;

/* The plain loops saw `tokens` of `sequences`. */
static check_output output_of(const scene *s, operation_result r, int tokens, int sequences)
{
    check_output o = {.element = s->element, .rows = s->work.in.T, .compared = tokens,
                      .columns = (size_t)s->shape.hidden};
    switch (r) {
    case OPERATION_BY_TOKEN: o.offset = s->out; return o;
    case OPERATION_WIDE: o.offset = s->wide, o.columns = (size_t)s->shape.inner; return o;
    case OPERATION_LOGITS: o.columns = SCENE_LABELS; break;
    case OPERATION_BY_SEQUENCE: break;
    }
    o.offset = s->rows, o.rows = s->work.in.S, o.compared = sequences, o.fp32 = true;
    return o;
}

status operation_check(scene *s, const operation *o, device_work *run, void *context, double *worst, error *err)
{
    int                sequences = 0;
    const int          tokens = scene_shorten(s, CHECKED_TOKENS, &sequences);
    const check_output out = output_of(s, o->result, tokens, sequences);
    double            *want = malloc((size_t)out.compared * out.columns * sizeof *want);
    status             rc = want ? OK : fail(err, NO_MEMORY, "no memory for the plain loop");
    if (rc == OK && o->result == OPERATION_WIDE) rc = device_upload(s->device, out.offset, check_bytes(&out), err);
    else if (rc == OK) rc = device_poison(s->device, out.offset, check_bytes(&out), err);
    if (rc == OK) rc = device_run(s->device, run, context, err);
    if (rc == OK) o->plain(s, want);
    if (rc == OK) rc = check_compare(s->device, &out, want, worst, err);
    free(want);
    return rc;
}
