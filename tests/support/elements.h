/* elements.h - arrays of 16-bit elements for tests: made by a seed, and held to a truth in float64. */
#ifndef TESTS_SUPPORT_ELEMENTS_H
#define TESTS_SUPPORT_ELEMENTS_H
#include <stddef.h>
#include "kernels/half.h"

/* n elements in [-size, size), the same for the same seed; free() it. */
uint16_t *elements_random(element_type element, size_t n, unsigned seed, float size);
/* The largest relative error of one rounding: 2^-11 (f16), 2^-8 (bf16). */
double elements_unit(element_type element);
/* How many of n differ from the truth by more than roundings * unit * |want| + slack; prints the first with `what`. */
size_t elements_wrong(element_type element, const uint16_t *got, const double *want, size_t n, double roundings,
                      double slack, const char *what);
/* The same for fp32: relative * |want| + slack. */
size_t floats_wrong(const float *got, const double *want, size_t n, double relative, double slack, const char *what);
#endif
