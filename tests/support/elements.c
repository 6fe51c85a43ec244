#include "elements.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "kernel_sets.h"

uint16_t *elements_random(element_type element, size_t n, unsigned seed, float size)
{
    float    *floats = random_floats(n, seed);
    uint16_t *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = element_from_f32(element, floats[i] * size);
    free(floats);
    return p;
}

double elements_unit(element_type element) { return element == ELEMENT_F16 ? 0x1p-11 : 0x1p-8; }

/* True, and printed when it is the first, where got is too far from want; NaN is near NaN alone. */
static int wrong(double got, double want, double bar, size_t i, size_t wrong_before, const char *what)
{
    if (isnan(want) ? isnan(got) : fabs(got - want) <= bar || got == want) return 0;
    if (!wrong_before) printf(" (%s: [%zu] is %g, wanted %g within %g)", what, i, got, want, bar);
    return 1;
}

size_t elements_wrong(element_type element, const uint16_t *got, const double *want, size_t n, double roundings,
                      double slack, const char *what)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (size_t)wrong((double)element_to_f32(element, got[i]), want[i],
                               roundings * elements_unit(element) * fabs(want[i]) + slack, i, count, what);
    return count;
}

size_t floats_wrong(const float *got, const double *want, size_t n, double relative, double slack, const char *what)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (size_t)wrong((double)got[i], want[i], relative * fabs(want[i]) + slack, i, count, what);
    return count;
}
