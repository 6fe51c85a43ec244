#include "products.h"
#include <math.h>

enum { CANDIDATES = 16, WORKSPACE_BYTES = 32 << 20, WORKSPACE_QUICK_BYTES = 1 << 20 };

status products_open(cuda_gemm *out, device *d, element_type element, error *err)
{
    const size_t bytes = device_quick(d) ? WORKSPACE_QUICK_BYTES : WORKSPACE_BYTES;
    size_t       at = 0;
    *out = (cuda_gemm){0};
    status rc = device_place(d, bytes, &at, err);
    if (rc != OK) return rc;
    const int code = cuda_gemm_open(out, element, device_base(d) + at, bytes);
    return code ? fail(err, UNAVAILABLE, "the matrix library does not open: status %d", code) : OK;
}

int product_run(void *context, kernel_stream stream)
{
    const product *p = context;
    return cuda_gemm_run(p->library, p->shape, &p->algorithm, p->operands, stream);
}

status product_choose(device *d, product *p, device_time *out, error *err)
{
    cuda_gemm_algorithm found[CANDIDATES];
    int                 n = 0, best = -1;
    *out = (device_time){.us = NAN, .spread = NAN};
    const int code = cuda_gemm_candidates(p->library, p->shape, found, device_quick(d) ? 2 : CANDIDATES, &n);
    if (code || n < 1)
        return fail(err, UNAVAILABLE, "product %d x %d x %d: status %d, %d algorithms", p->shape.M, p->shape.N,
                    p->shape.K, code, n);
    for (int i = 0; i < n; i++) {
        device_time time;
        p->algorithm = found[i];
        status rc = device_measure(d, product_run, p, DEVICE_WARM, &time, err);
        if (rc != OK) return rc;
        if (best >= 0 && time.us >= out->us) continue;
        best = i;
        *out = time;
    }
    p->algorithm = found[best];
    return OK;
}
