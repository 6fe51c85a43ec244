#include "peaks.h"
#include <math.h>
#include "products.h"

enum { SIDE = 8192, SIDE_QUICK = 64, COPY_BYTES = 512 << 20, COPY_QUICK_BYTES = 1 << 20 };

typedef struct { void *to; const void *from; size_t bytes; } copying;

static int copy_run(void *context, kernel_stream stream)
{
    const copying *c = context;
    return device_copy(c->to, c->from, c->bytes, stream);
}

static status measure_copy(device *d, double *gb_s, error *err)
{
    const size_t bytes = device_quick(d) ? COPY_QUICK_BYTES : COPY_BYTES;
    size_t       from = 0, to = 0;
    device_time  time = {0};
    device_clear(d);
    status rc = device_random(d, ELEMENT_F16, bytes / sizeof(uint16_t), 1, &from, err);
    if (rc == OK) rc = device_place(d, bytes, &to, err);
    copying c = {device_base(d) + to, device_base(d) + from, bytes};
    if (rc == OK) rc = device_measure(d, copy_run, &c, DEVICE_WARM, &time, err);
    if (rc == OK) *gb_s = 2 * (double)bytes / time.us / 1e3;
    return rc;
}

static status measure_product(device *d, element_type element, double *tflops, error *err)
{
    const int    side = device_quick(d) ? SIDE_QUICK : SIDE;
    const size_t n = (size_t)side * (size_t)side;
    size_t       x = 0, w = 0, out = 0;
    device_time  time = {0};
    cuda_gemm    library = {0};
    product      p = {.library = &library, .shape = {side, side, side, CUDA_GEMM_PLAIN}};
    device_clear(d);
    status rc = products_open(&library, d, element, err);
    if (rc == OK) rc = device_random(d, element, n, 1, &x, err);
    if (rc == OK) rc = device_random(d, element, n, 1, &w, err);
    if (rc == OK) rc = device_place(d, n * sizeof(uint16_t), &out, err);
    p.operands = (cuda_gemm_operands){.x = device_base(d) + x, .w = device_base(d) + w, .out = device_base(d) + out};
    if (rc == OK) rc = product_choose(d, &p, &time, err);
    if (rc == OK) *tflops = 2.0 * side * side * side / time.us / 1e6;
    cuda_gemm_close(&library);
    return rc;
}

status peaks_measure(device *d, element_type element, peaks *out, report *r, error *err)
{
    *out = (peaks){NAN, NAN};
    status rc = measure_copy(d, &out->gb_s, err);
    if (rc == OK) rc = measure_product(d, element, &out->tflops, err);
    if (rc == OK)
        report_fact(r, "peaks", "copy %.0f GB/s, %s product %.1f TFLOP/s", out->gb_s,
                    element == ELEMENT_F16 ? "float16" : "bfloat16", out->tflops);
    device_clear(d);
    return rc;
}

double peaks_roof_us(const peaks *p, double flops, double bytes)
{
    return fmax(flops / p->tflops / 1e6, bytes / p->gb_s / 1e3);
}
