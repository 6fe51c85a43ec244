/* bake.h - is a version that has just begun to answer worse than the one before?  Pure rules over two sets of numbers.
 *
 * The rules are one table: name, threshold in words, and the check; the words are printed when a bake begins, the name
 * and the numbers when one fires.  A rule about shares or quantiles wants BAKE_REQUESTS requests first, and must be
 * broken at BAKE_LOOKS looks in a row, a second apart: noise is not a regression.  One about wrong numbers fires at
 * once. */
#ifndef RUNTIME_SERVE_BAKE_H
#define RUNTIME_SERVE_BAKE_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/base/status.h"

enum { BAKE_REQUESTS = 100, BAKE_LOOKS = 3 };

typedef enum { BAKE_NOT_FINITE, BAKE_GOLDEN, BAKE_ERRORS, BAKE_OBJECTIVE, BAKE_SLOWER, BAKE_RULES } bake_rule;
typedef struct {
    const char *name;  /* "not_finite", "golden_drift", "errors", "p99_objective", "p99_previous" */
    const char *words; /* "any output that is not finite" */
} bake_row;
extern const bake_row bake_rows[BAKE_RULES];

typedef struct {
    int64_t requests, failed;  /* that compute; failed: 500, 503 for the device's sake */
    int64_t p99_ns;            /* 0: none */
} bake_numbers;
typedef struct {
    bake_numbers before;      /* of the version before, in the minute before the switch */
    int64_t objective_ns;     /* the new version's own p99 */
    double  availability, golden_limit;
} bake_terms;
typedef struct {
    bake_numbers now;         /* since the switch */
    int64_t not_finite;       /* rows since the switch */
    double  golden_least;     /* of the last golden run; 1: none yet */
} bake_look;
typedef struct { int broken[BAKE_RULES]; } bake_state; /* looks in a row; {0} at the start */

/* true: *rule has fired, and why says it with its numbers and its threshold. */
bool bake_fires(const bake_terms *t, bake_state *s, const bake_look *look, bake_rule *rule, error *why);
#endif
