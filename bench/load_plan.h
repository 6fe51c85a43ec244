/* load_plan.h - what a load run shall do: the command's words, understood and checked. */
#ifndef BENCH_LOAD_PLAN_H
#define BENCH_LOAD_PLAN_H
#include "bench.h"
#include "load_schedule.h"

enum { LOAD_CONNECTIONS_MAX = 8192, LOAD_LENGTHS_MAX = 4096, LOAD_TOKENS_MAX = 65536, LOAD_INPUTS_MAX = 4096 };

typedef struct {
    char host[256], port[6], path[512]; /* of http://HOST[:PORT]/PATH; an IPv6 HOST stands here without its brackets */
    double rate, leave;                 /* requests/s; the share that leaves early */
    load_arrivals arrivals;             /* LOAD_CLOSED: each connection sends when it is answered, and rate is 0 */
    load_burst burst;                   /* LOAD_BURST: its form */
    const char *replay;                 /* LOAD_REPLAY: the file */
    int64_t duration_ns;                /* 0: as long as the file is */
    int64_t warmup_ns;                  /* at most; 0: none */
    int64_t timeout_ns;                 /* of a request, since it was sent */
    int64_t grace_ns;                   /* after the last is due: what is then still open is censored */
    uint64_t seed;
    int connections, inputs, deadline_ms;     /* deadline_ms 0: none is asked for */
    const char *priority;                     /* NULL: no word of it */
    char ops_host[256], ops_port[6];          /* "": nobody asks the ops port */
    int lengths[LOAD_LENGTHS_MAX], n_lengths; /* tokens of a text, in turn */
} load_plan;

/* The plan holds on to the words of `o`.  BAD_INPUT, EMPTY, IO_FAILED. */
status load_plan_read(load_plan *out, const bench_options *o, error *err);
#endif
