/* service.h - t(tokens, sequences): how long the device takes for a batch, calibrated or guessed at start, then
 * learned.
 *
 * The calibrated table has for each of some counts of tokens the time with few long and with many short sequences;
 * between its points t is linear in both, beyond the last linear in tokens.  What is measured while serving moves a
 * factor for each power of two of tokens, so that a machine that slows down is known within some ten batches; one odd
 * batch changes little. Values, no lock: the holder's. */
#ifndef RUNTIME_SERVE_SERVICE_H
#define RUNTIME_SERVE_SERVICE_H
#include <stdint.h>
#include "runtime/base/status.h"

enum { SERVICE_ROWS_MAX = 64, SERVICE_OCTAVES = 24 };

typedef struct {
    int tokens, sequences;
    int64_t median_ns, spread_ns;
} service_row; /* spread: interquartile range */
typedef struct {
    service_row row[SERVICE_ROWS_MAX];
    int n;
} service_table; /* by tokens, then by sequences */
typedef struct {
    service_table table;
    double factor[SERVICE_OCTAVES]; /* measured over calibrated, by the power of two of tokens */
    uint32_t learned;               /* a bit for each that had a batch; the others go with the nearest that had one */
    int64_t batches;
} service_model;

/* BAD_INPUT says which row: 1 to SERVICE_ROWS_MAX of them, strictly ascending by (tokens, sequences), at most two for
 * one count of tokens, 1 <= sequences <= tokens, median_ns > 0, spread_ns >= 0, a time never falling as tokens rise. */
status service_check(const service_table *t, error *err);
/* The table must have passed service_check().  Factors are 1. */
void service_seed(service_model *m, const service_table *t);
int64_t service_calibrated_ns(const service_model *m, int tokens, int sequences); /* by the table alone; >= 1 */
int64_t service_predict_ns(const service_model *m, int tokens, int sequences);    /* with what was learned; >= 1 */
void service_learn(service_model *m, int tokens, int sequences, int64_t took_ns);
/* The largest T in [least, most] with predict(T, sequences in proportion: one per `length` tokens) <= limit_ns; `least`
 * when there is none.  Where what was learned makes a larger T the faster one, it is some T within the limit. */
int service_tokens_within(const service_model *m, int64_t limit_ns, int length, int least, int most);
#endif
