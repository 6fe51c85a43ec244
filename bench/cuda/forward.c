#include "forward.h"
#include <math.h>
#include <stdlib.h>
#include "runtime/backend/cuda_forward.h"

static const int64_t TUNE_NS = 20000000000; /* for all batches together: nobody waits for a server here */

struct forward {
    device       *device; /* times */
    cuda_device  *library; /* owns memory */
    cuda_weights *weights;
    cuda_choices *choices;
    cuda_tune    *tune;
    cuda_forward  list;
    int           max_tokens, max_sequences;
    void         *host_input, *input, *rows, *finite; /* host_input is pinned */
    /* of the batch being measured */
    cuda_input_layout layout;
    cuda_products     products;
};

static status take(forward *f, const model *m, error *err)
{
    const cuda_input_layout most = cuda_input_layout_of(f->max_tokens, f->max_sequences);
    const size_t            S = (size_t)f->max_sequences;
    status rc = cuda_device_memory(f->library, &f->input, most.bytes, "input", err);
    if (rc == OK) rc = cuda_device_pinned(f->library, &f->host_input, most.bytes, "input", err);
    if (rc == OK)
        rc = cuda_device_memory(f->library, &f->rows, S * (size_t)m->description.dimensions * sizeof(float), "rows",
                                err);
    return rc == OK ? cuda_device_memory(f->library, &f->finite, S, "finite", err) : rc;
}

status forward_open(forward **out, device *d, const model *m, int max_tokens, int max_sequences, error *err)
{
    const element_type element = m->description.precision == PRECISION_F16 ? ELEMENT_F16 : ELEMENT_BF16;
    forward           *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return fail(err, NO_MEMORY, "no memory for a forward pass");
    *f = (forward){.device = d, .max_tokens = max_tokens, .max_sequences = max_sequences};
    status rc = cuda_device_open(&f->library, err);
    if (rc == OK) rc = take(f, m, err);
    if (rc == OK) rc = cuda_weights_open(&f->weights, f->library, m, element, err);
    if (rc == OK)
        rc = cuda_forward_open(&f->list, f->library, device_stream(d), f->weights, &m->description, max_tokens, err);
    if (rc == OK) rc = cuda_choices_open(&f->choices, NULL, "bench", NULL, err);
    if (rc == OK)
        rc = cuda_tune_open(&f->tune,
                            (cuda_tune_setup){f->library, &f->list.gemm, device_stream(d), f->choices, TUNE_NS}, err);
    if (rc == OK) *out = f;
    else forward_close(f);
    return rc;
}

void forward_close(forward *f)
{
    if (!f) return;
    cuda_tune_close(f->tune);
    cuda_choices_close(f->choices);
    cuda_forward_close(&f->list);
    cuda_weights_close(f->weights);
    cuda_device_close(f->library);
    free(f);
}

/* In the smallest bucket that holds it, as the backend does. */
static status send(forward *f, const batch *in, error *err)
{
    int       tokens[64];
    const int n = cuda_input_buckets(f->max_tokens, tokens, 64);
    int       which = 0;
    while (which < n - 1 && tokens[which] < in->T) which++;
    f->layout = cuda_input_layout_of(tokens[which], tokens[which] < f->max_sequences ? tokens[which] : f->max_sequences);
    cuda_input_fill(&f->layout, f->host_input, in);
    status rc = cuda_device_copy_in(f->library, f->input, f->host_input, f->layout.bytes, device_stream(f->device), err);
    return rc == OK ? cuda_device_synchronize(f->library, device_stream(f->device), err) : rc;
}

static int run_list(void *context, kernel_stream stream)
{
    forward *f = context;
    error    why;
    (void)stream; /* the list's own is the same */
    return cuda_forward_queue(&f->list, &f->layout, &f->products, (cuda_forward_ends){f->input, f->rows, f->finite},
                              &why);
}

typedef enum { QKV, ATTENTION_OUT, INNER, OUTER, PRODUCTS } which_product;
typedef struct { forward *f; which_product which; int layer; } alone;

static int run_product(void *context, kernel_stream stream)
{
    alone               *a = context;
    cuda_forward        *l = &a->f->list;
    const cuda_layer    *w = &l->weights->layers[a->layer++ % l->shape.layers];
    const cuda_products *p = &a->f->products;
    const struct { const cuda_product *product; cuda_gemm_operands operands; } each[PRODUCTS] = {
        [QKV] = {&p->qkv, {l->x, w->qkv, w->qkv_b, NULL, l->qkv}},
        [ATTENTION_OUT] = {&p->attention_out, {l->context, w->attention_out, w->attention_out_b, l->x, l->sum}},
        [INNER] = {&p->inner, {l->x, w->inner, w->inner_b, NULL, l->inner}},
        [OUTER] = {&p->outer, {l->inner, w->outer, w->outer_b, l->x, l->sum}},
    };
    const cuda_gemm_then then = each[a->which].product->shape.then;
    cuda_gemm_operands   o = each[a->which].operands;
    if (then == CUDA_GEMM_PLAIN) o.bias = NULL;
    if (then != CUDA_GEMM_BIAS_RESIDUAL) o.residual = NULL;
    return cuda_gemm_run(&l->gemm, each[a->which].product->shape, &each[a->which].product->algorithm, o, stream);
}

static status measure_products(forward *f, double *us, error *err)
{
    status rc = OK;
    *us = 0;
    for (int i = 0; i < PRODUCTS && rc == OK; i++) {
        device_time time;
        alone       one = {f, (which_product)i, 0};
        rc = device_measure(f->device, run_product, &one, DEVICE_WARM, &time, err);
        *us += time.us * f->list.shape.layers;
    }
    return rc;
}

static status measure_list(forward *f, double *us, error *err)
{
    device_time time = {.us = NAN};
    status      rc = device_measure(f->device, run_list, f, DEVICE_ONCE, &time, err);
    *us = time.us;
    return rc;
}

static status measure_layer(forward *f, double whole_us, double *layer_us, error *err)
{
    const int layers = f->list.shape.layers;
    double    one_us = NAN;
    if (layers < 2) return OK;
    f->list.shape.layers = 1;
    status rc = measure_list(f, &one_us, err);
    f->list.shape.layers = layers;
    *layer_us = (whole_us - one_us) / (layers - 1);
    return rc;
}

status forward_measure(forward *f, const batch *in, forward_times *out, error *err)
{
    const cuda_gemm_then erf = f->list.activation;
    *out = (forward_times){NAN, NAN, NAN, NAN};
    status rc = send(f, in, err);
    if (rc == OK) rc = cuda_forward_tune(&f->list, f->tune, f->layout.tokens, f->input, &f->products, err);
    if (rc == OK) rc = measure_list(f, &out->whole_us, err);
    if (rc == OK) rc = measure_layer(f, out->whole_us, &out->layer_us, err);
    if (rc == OK) rc = measure_products(f, &out->products_us, err);
    if (rc != OK || erf != CUDA_GEMM_PLAIN) return rc;
    f->list.activation = CUDA_GEMM_BIAS_GELU;
    rc = cuda_forward_tune(&f->list, f->tune, f->layout.tokens, f->input, &f->products, err);
    if (rc == OK) rc = measure_list(f, &out->tanh_us, err);
    f->list.activation = erf;
    return rc;
}
