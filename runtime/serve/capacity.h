/* capacity.h - what one machine does with one version: measured by `beeline calibrate`, kept as capacity.json, read by
 * `beeline serve`, and later by the simulator and whoever scales a fleet.
 *
 * A capacity belongs to a digest, a device, a precision and a number of threads; of anything else it is no capacity. */
#ifndef RUNTIME_SERVE_CAPACITY_H
#define RUNTIME_SERVE_CAPACITY_H
#include <stddef.h>
#include "service.h"

typedef struct {
    int64_t median_ns, spread_ns;
} capacity_cost;
typedef struct capacity {
    char build[64], made_at[32]; /* "0.1.0 0123456789ab"; "2026-11-25T03:00:00Z" */
    char model[128], digest[65], backend[16], device[160], precision[16]; /* as in /info */
    service_table service;
    capacity_cost parse_per_kib; /* of a body, checked and understood */
    capacity_cost tokenize_per_token, row_json, row_base64,
        row_binary;                                /* a row: of the model's dimensions, serialized */
    int64_t load_ns, warm_ns;                      /* start-up phases */
    double objective_ms, objective_ratio;          /* of the SLO that the knee is for */
    double knee_tokens_per_s, knee_requests_per_s; /* Poisson arrivals; 0: the objective cannot be met */
    double knee_p50_ms, knee_p99_ms;               /* as measured there */
    double saturated_tokens_per_s;
} capacity;

/* A JSON document of at most CAPACITY_BYTES_MAX; returns its length. */
enum { CAPACITY_BYTES_MAX = 16384 };
int capacity_write(const capacity *c, char text[CAPACITY_BYTES_MAX]);
/* MALFORMED, BAD_INPUT: with the member and the value seen. */
status capacity_parse(capacity *out, const char *text, size_t n, error *err);
/* NOT_FOUND, IO_FAILED, or as capacity_parse(). */
status capacity_read(capacity *out, const char *file, error *err);
/* Written beside it, synced, renamed over it: whoever reads sees the old or the new. */
status capacity_save(const capacity *c, const char *file, error *err);
/* BAD_INPUT says in which of digest, backend, device, precision it differs. */
status capacity_matches(const capacity *c, const char *digest, const char *backend, const char *device,
                        const char *precision, error *err);
#endif
