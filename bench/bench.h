/* bench.h - what beeline-bench can measure.  Each checks first, then times; each returns the process's exit status. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H
#include "report.h"

enum { BENCH_ARGUMENTS_MAX = 16 };
typedef struct {
    const char *arguments[BENCH_ARGUMENTS_MAX]; /* all that followed the command and is no option; the first two are: */
    int         n_arguments;
    const char *target; /* what followed the command: a model directory, a shape, a backend; or NULL */
    const char *text;   /* tokenizer: a FILE; or NULL */
    const char *backend; /* "auto", "cpu", "cuda" */
    const char *precision; /* model: "float32", "bfloat16", "int8"; NULL: each */
    const char *kernel, *threads; /* model: of the CPU; NULL: the best, all cores */
    const char *filter; /* only rows whose name has this in it; NULL: all */
    const char *json;   /* where the report goes; NULL: nowhere */
    const char *html;   /* where it goes as a page; NULL: nowhere */
    const char *csv;    /* likewise */
    /* load: as they stand in the command, NULL: not given */
    const char *rate, *arrivals, *duration, *connections, *tokens, *lengths, *inputs, *seed, *deadline_ms, *priority,
        *leave, *concurrency, *warmup, *ops, *hist;
    /* simulate: likewise */
    const char *capacity, *workload, *slo, *replicas, *plan, *failures, *zones, *price, *autoscale, *balancer, *loops,
        *max_wait, *batch_tokens, *dimensions;
    /* sweep, knee and compare: likewise, and slo and capacity */
    const char *rates, *max_error, *confirm, *a, *b, *pairs, *margin;
    int         quick;  /* 1: small shapes and few rounds, to see that it works and not how fast */
    report     *report;
} bench_options;

typedef int bench_run(const bench_options *o);
bench_run bench_tokenizer; /* target DIR */
bench_run bench_kernels;   /* target "cpu", "cuda" or NULL: the CPU's, and a GPU's where there is one */
bench_run bench_load;      /* target URL; 3: the run is invalid */
bench_run bench_sweep;     /* target URL; 3: the client could not send a step */
bench_run bench_knee;      /* target URL, slo; 1: it does not hold at the lowest rate, 3: the client is the limit */
bench_run bench_compare;   /* a and b, or two result files as arguments; 1: b is SLOWER, 3: a run is invalid */
bench_run bench_model;     /* target DIR or the name of a shape (random_model.h) */
bench_run bench_host;      /* no target */
bench_run bench_simulate;  /* no target; 1: the objective does not hold */
bench_run bench_report;    /* arguments: result files; html */
#endif
