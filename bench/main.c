/* main.c - beeline-bench: one table of benchmarks, one of options. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "environment.h"
#include "page.h"

static const struct { const char *name, *arguments, *what; bench_run *run; bool takes_directory; } benches[] = {
    {"tokenizer", "DIR [FILE]", "tokens/s and MB/s on one core, English lines and 10 kB texts", bench_tokenizer, true},
    {"kernels", "[cpu|cuda]", "each kernel against its plain loop, then its time and share of the peak", bench_kernels,
     false},
    {"model", "DIR|SHAPE", "a whole forward: checked, then median ms, tokens/s and share of the peak", bench_model,
     true},
    {"host", "", "what a request pays for the queue, the histograms and the flight recorder, ns a call", bench_host,
     false},
    {"load", "URL", "a server under load: latency from the time a request was due; exit 3: the run is INVALID", bench_load,
     false},
    {"simulate", "", "a fleet on a virtual clock, with the server's own policy: latencies, replicas, cost", bench_simulate,
     false},
    {"sweep", "URL", "a load run for each of --rates or --concurrency", bench_sweep, false},
    {"knee", "URL", "the highest rate at which --slo holds; exit 1: at none, 3: this client is the limit", bench_knee,
     false},
    {"compare", "[A B]", "--b against --a in pairs of runs, or two results of load; exit 1: B is SLOWER", bench_compare,
     false},
    {"report", "FILE...", "a page of results that --json wrote, beside each other: -o FILE", bench_report, false},
};
enum { BENCHES = sizeof benches / sizeof *benches, USAGE = 2 };

/* value NULL: a flag. */
static const struct { const char *name, *value, *what; size_t field; } options[] = {
    {"--backend", "NAME", "model: auto, cpu or cuda (auto: cuda where there is a device)",
     offsetof(bench_options, backend)},
    {"--precision", "NAME", "model: float32, bfloat16 or int8 (each, on a CPU)", offsetof(bench_options, precision)},
    {"--kernel", "NAME", "model: of the CPU (the best)", offsetof(bench_options, kernel)},
    {"--threads", "N", "model: of the CPU (one for each core)", offsetof(bench_options, threads)},
    {"--filter", "TEXT", "kernels, host: only rows with TEXT in their name", offsetof(bench_options, filter)},
    {"--json", "FILE", "the same numbers with machine and command as JSON", offsetof(bench_options, json)},
    {"--html", "FILE", "the same as one page, with drawings", offsetof(bench_options, html)},
    {"-o", "FILE", "report: the page", offsetof(bench_options, html)},
    {"--csv", "FILE", "the same numbers as table,name,column,value", offsetof(bench_options, csv)},
    {"--rate", "N", "load: requests/s, as 500 or 5k (100); knee: the first (a fifteenth of a closed loop)",
     offsetof(bench_options, rate)},
    {"--arrivals", "HOW",
     "load: poisson or fixed (poisson); burst:3x50ms: Poisson, 50 ms at 3 times the rate of the 50 ms of calm\n"
     "                         that follow, --rate is the mean; file:F: a line a request, seconds [tokens]",
     offsetof(bench_options, arrivals)},
    {"--concurrency", "N", "load: no schedule, N connections send as soon as they are answered (closed loop)",
     offsetof(bench_options, concurrency)},
    {"--warmup", "TIME", "load: at most, until three windows agree; not counted; 0: none (10s; sweep, knee: 2s)",
     offsetof(bench_options, warmup)},
    {"--ops", "URL", "load: http://HOST:PORT of the ops port, for the server's batches", offsetof(bench_options, ops)},
    {"--hist", "FILE", "load: the intended latencies as .hgrm, in ms", offsetof(bench_options, hist)},
    {"--duration", "TIME", "load: 500ms, 60s, 5m (10s); of each run of sweep and knee (5s), of compare (2s)",
     offsetof(bench_options, duration)},
    {"--connections", "N", "load: kept open; a request waits where all are busy (64)",
     offsetof(bench_options, connections)},
    {"--tokens", "N", "load: of each text (mixed lengths of mean 100)", offsetof(bench_options, tokens)},
    {"--lengths", "FILE", "load: tokens of the texts in turn, a number a line", offsetof(bench_options, lengths)},
    {"--inputs", "N", "load: texts of a request (1)", offsetof(bench_options, inputs)},
    {"--seed", "N", "load: of all that chance decides (1)", offsetof(bench_options, seed)},
    {"--deadline-ms", "N", "load: sent as x-deadline-ms", offsetof(bench_options, deadline_ms)},
    {"--priority", "WHICH", "load: sent as x-priority: interactive or bulk", offsetof(bench_options, priority)},
    {"--leave", "SHARE", "load: of the requests, close 1 to 50 ms after sending", offsetof(bench_options, leave)},
    {"--capacity", "FILE",
     "simulate: capacity.json of `beeline calibrate`; knee: the same version's, of which it replaces the knee",
     offsetof(bench_options, capacity)},
    {"--workload", "FILE", "simulate: a request a line: when it is due, s, and tokens of its texts",
     offsetof(bench_options, workload)},
    {"--slo", "pNN<=TIME", "simulate: the objective (the capacity's); knee: p50, p90, p99 or p99.9, as p99<=10ms",
     offsetof(bench_options, slo)},
    {"--replicas", "N..M", "simulate: so many, or the least of a range that holds the objective (1)",
     offsetof(bench_options, replicas)},
    {"--plan", "N/s", "simulate: the fleet for so many requests/s, its wires and cost", offsetof(bench_options, plan)},
    {"--failures", "MTBF/MTTR", "simulate: a replica fails after 30d, is repaired in 10m (never)",
     offsetof(bench_options, failures)},
    {"--zones", "N", "simulate: the largest of so many may be lost (1: none)", offsetof(bench_options, zones)},
    {"--price", "X", "simulate: of a replica for an hour", offsetof(bench_options, price)},
    {"--autoscale", "HOW", "simulate: to a load of 0.7, or 0.7/0s/5m with the windows up and down (no)",
     offsetof(bench_options, autoscale)},
    {"--balancer", "HOW", "simulate: turns or least, the fewest outstanding (turns)", offsetof(bench_options, balancer)},
    {"--loops", "N", "simulate: a replica's threads for connections (1)", offsetof(bench_options, loops)},
    {"--max-wait", "TIME", "simulate: as the server's (1s)", offsetof(bench_options, max_wait)},
    {"--batch-tokens", "N", "simulate: as the server's (the largest batch calibrated)",
     offsetof(bench_options, batch_tokens)},
    {"--dimensions", "N", "simulate: floats of a reply's row, for the wires (384)", offsetof(bench_options, dimensions)},
    {"--rates", "LIST", "sweep: requests/s, as 100,200,400 or 1k:20k:x1.5; or --concurrency 1,2,4..256",
     offsetof(bench_options, rates)},
    {"--max-error", "SHARE", "knee: of the requests, errors and refusals (0.1%)", offsetof(bench_options, max_error)},
    {"--confirm", "TIME", "knee: of each of three runs at the rate found (30s)", offsetof(bench_options, confirm)},
    {"--a", "URL", "compare: the yardstick", offsetof(bench_options, a)},
    {"--b", "URL", "compare: what is judged", offsetof(bench_options, b)},
    {"--pairs", "N", "compare: of runs, A and B in turns, 10 to 1000 (20)", offsetof(bench_options, pairs)},
    {"--margin", "SHARE", "compare: differences below are none (2%)", offsetof(bench_options, margin)},
    {"--quick", NULL, "small shapes, few rounds: that it works, not how fast", offsetof(bench_options, quick)},
};
enum { OPTIONS = sizeof options / sizeof *options };

static int help(FILE *f)
{
    fprintf(f, "usage: beeline-bench BENCH [arguments] [options]\n\n");
    for (int i = 0; i < BENCHES; i++)
        fprintf(f, "  %-10s %-11s %s\n", benches[i].name, benches[i].arguments, benches[i].what);
    fprintf(f, "  %-10s %-11s all of these but those that need a URL or files\n\n", "all", "DIR");
    for (int i = 0; i < OPTIONS; i++)
        fprintf(f, "  %-13s %-8s %s\n", options[i].name, options[i].value ? options[i].value : "", options[i].what);
    fprintf(f, "\nDIR is a model directory; SHAPE is tiny, minilm, base or large, with random weights.\n");
    return f == stdout ? 0 : USAGE;
}

/* 0, or USAGE with its line said.  most: arguments beside the options. */
static int parse(bench_options *o, int most, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        int at = 0;
        while (at < OPTIONS && strcmp(argv[i], options[at].name)) at++;
        if (at < OPTIONS && !options[at].value) {
            *(int *)((char *)o + options[at].field) = 1;
        } else if (at < OPTIONS && i + 1 < argc) {
            *(const char **)((char *)o + options[at].field) = argv[++i];
        } else if (at < OPTIONS || argv[i][0] == '-') {
            fprintf(stderr, "%s: %s\n", argv[i], at < OPTIONS ? "wanted a value after it" : "no such option");
            return USAGE;
        } else if (o->n_arguments < most) {
            o->arguments[o->n_arguments++] = argv[i];
        } else {
            fprintf(stderr, "%s: one argument too many\n", argv[i]);
            return USAGE;
        }
    }
    o->target = o->arguments[0];
    o->text = o->arguments[1];
    if (!strcmp(o->backend, "auto") || !strcmp(o->backend, "cpu") || !strcmp(o->backend, "cuda")) return 0;
    fprintf(stderr, "--backend %s: wanted auto, cpu or cuda\n", o->backend);
    return USAGE;
}

/* Neither a server that somebody has started nor files are needed. */
static bool measures_alone(bench_run *run)
{
    return run != bench_load && run != bench_sweep && run != bench_knee && run != bench_compare && run != bench_simulate &&
           run != bench_report;
}

static status write_page(const bench_options *o, const char *bench)
{
    char   name[64];
    result mine;
    error  err = {""};
    snprintf(name, sizeof name, "beeline-bench %s", bench);
    status rc = result_view(&mine, name, report_document(o->report), &err);
    if (rc == OK) rc = page_write(o->html, &mine, 1, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) return help(stderr);
    if (!strcmp(argv[1], "--help")) return help(stdout);
    bench_options o = {.backend = "auto"};
    bool          all = !strcmp(argv[1], "all"), found = all, pages = !strcmp(argv[1], "report");
    error         err = {""};
    int           rc = parse(&o, pages ? BENCH_ARGUMENTS_MAX : 2, argc - 2, argv + 2);
    for (int i = 0; i < BENCHES; i++) found = found || !strcmp(argv[1], benches[i].name);
    if (!found) return help(stderr);
    if (rc) return rc;
    if (report_open(&o.report, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (!pages) environment_say(o.report, argc, argv);
    for (int i = 0; i < BENCHES; i++) {
        bench_options mine = o;
        if (!all && strcmp(argv[1], benches[i].name)) continue;
        if (all && !measures_alone(benches[i].run)) continue;
        if (all && !benches[i].takes_directory) mine.target = NULL;
        int one = benches[i].run(&mine);
        if (one) rc = one;
    }
    if (o.json && !pages && report_write(o.report, o.json, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        rc = 1;
    }
    if (o.html && !pages && write_page(&o, argv[1]) != OK) rc = 1;
    if (o.csv && report_write_csv(o.report, o.csv, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        rc = 1;
    }
    report_close(o.report);
    return rc;
}
