/* bake.h - is a version that has just begun to answer worse than the one before?  Pure rules over two sets of numbers.
 *
 * The rules are one table: name, threshold in words, and the check; the words are printed when a bake begins, the name,
 * the numbers and the words when one fires.  A rule about shares or quantiles wants a look at BAKE_REQUESTS requests or
 * more that no look before has seen, and must be broken at BAKE_LOOKS of them in a row: a machine that is held up for a
 * moment breaks one.  A rule about wrong numbers fires at once. */
#ifndef RUNTIME_SERVE_BAKE_H
#define RUNTIME_SERVE_BAKE_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/base/status.h"

enum {
    BAKE_REQUESTS = 200, /* below it a p99 is the slowest request or the one after it */
    BAKE_LOOKS = 3,
    BAKE_LINE = 160
};
/* The share that may fail is ten times what the version allows itself: an error budget that is spent ten times too fast
 * is a page, twice too fast is a day's business.  Below one in a hundred a few unlucky requests decide. */
static const double BAKE_ERRORS_TIMES = 10, BAKE_ERRORS_LEAST = 0.01;
/* Half as slow again is more than two minutes of the same version differ by; the constant is for versions of a
 * millisecond, where the loops and the kernel are most of it. */
static const double BAKE_SLOWER_TIMES = 1.5;
enum { BAKE_SLOWER_NS = 1000000 };

typedef enum { BAKE_NOT_FINITE, BAKE_GOLDEN, BAKE_ERRORS, BAKE_OBJECTIVE, BAKE_SLOWER, BAKE_RULES } bake_rule;
/* "not_finite", "golden_drift", "errors", "p99_objective", "p99_previous" */
extern const char *const bake_names[BAKE_RULES];

typedef struct {
    int64_t requests, failed; /* that compute; failed: 500, 503 for the device's sake */
    int64_t p99_ns;           /* of requests; 0: none */
} bake_numbers;
typedef struct {
    bake_numbers before;  /* of the version before, in the minute before the switch */
    int64_t objective_ns; /* the new version's own p99 */
    double availability, golden_limit;
} bake_terms;
typedef struct {
    bake_numbers now;    /* since the last look that had enough of them; else {0} */
    int64_t not_finite;  /* rows since the switch */
    double golden_least; /* of the last golden run; 1: none yet */
} bake_look;
typedef struct {
    int broken[BAKE_RULES]; /* looks in a row */
} bake_state;               /* {0} at the start */

/* The threshold, as in "p99 above 19.0 ms: 1.5 x the 12.0 ms before + 1 ms"; where there is nothing to hold it against,
 * "not judged" and why. */
void bake_words(const bake_terms *t, bake_rule rule, char out[BAKE_LINE]);
/* true: *rule has fired, the first in the table of those that have, and why says it with its numbers and its words. */
bool bake_fires(const bake_terms *t, bake_state *s, const bake_look *look, bake_rule *rule, error *why);
#endif
