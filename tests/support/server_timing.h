/* server_timing.h - the field server-timing, taken apart: "read;dur=0.012, ..., total;dur=3.456". */
#ifndef TESTS_SUPPORT_SERVER_TIMING_H
#define TESTS_SUPPORT_SERVER_TIMING_H
#include <stdbool.h>
#include "client.h"

typedef struct {
    int n;         /* stages, in their order, each once */
    int stage[16]; /* of runtime/base/stage.h */
    double ms[16], total_ms;
} server_timing;

/* false: it is anything else than stages in their order with three digits each, and "total" as the last. */
bool server_timing_parse(server_timing *t, const char *value);
bool server_timing_of(server_timing *t, const client_reply *r);
double server_timing_sum(const server_timing *t);
/* The stages add up to the total, but for the rounding of each. */
bool server_timing_adds_up(const server_timing *t);
#endif
