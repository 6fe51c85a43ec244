#include "check.h"
#include <math.h>
#include <stdlib.h>

static double tolerance_of(element_type element) { return element == ELEMENT_F16 ? 2e-3 : 1.6e-2; }

static float number_at(const check_output *o, const void *numbers, size_t i)
{
    return o->fp32 ? ((const float *)numbers)[i] : element_to_f32(o->element, ((const uint16_t *)numbers)[i]);
}

size_t check_bytes(const check_output *o)
{
    return (size_t)o->rows * o->columns * (o->fp32 ? sizeof(float) : sizeof(uint16_t));
}

status check_compare(device *d, const check_output *o, const double *want, double *worst, error *err)
{
    const size_t n = (size_t)o->rows * o->columns, compared = (size_t)o->compared * o->columns;
    void        *seen = malloc(check_bytes(o));
    status       rc = seen ? OK : fail(err, NO_MEMORY, "no memory for %zu numbers", n);
    *worst = 0;
    if (rc == OK) rc = device_download(d, o->offset, check_bytes(o), seen, err);
    for (size_t i = 0; i < n && rc == OK; i++) {
        const double got = (double)number_at(o, seen, i);
        if (!isfinite(got))
            rc = fail(err, NOT_FINITE, "row %zu, number %zu is %g", i / o->columns, i % o->columns, got);
        else if (i < compared)
            *worst = fmax(*worst, fabs(got - want[i]) / fmax(1, fabs(want[i])));
    }
    free(seen);
    if (rc == OK && !(*worst <= tolerance_of(o->element)))
        rc = fail(err, NOT_FINITE, "error %.2e, wanted at most %.1e", *worst, tolerance_of(o->element));
    return rc;
}
