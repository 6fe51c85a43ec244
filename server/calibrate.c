/* calibrate.c - `beeline calibrate DIR`: what this machine does with this model, measured and written to capacity.json.
 *
 *     load -> service times, device alone -> the host's costs -> kept full -> rates until the knee -> file
 *
 * What is still being measured goes to stderr, what was measured to stdout.  Nothing is written before all is there. */
#include "calibrate.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "build.h"
#include "capacity_find.h"
#include "commands.h"
#include "host_costs.h"
#include "runtime/serve/stopwatch.h"

/* On a CPU some 10 s of tables and a minute of rates; a quarter more where the best rate must be lowered to hold. */
const calibrate_plan calibrate_standard = {.runs = 15,
                                           .point_ns = 1500000000,
                                           .pace = {.full_ns = 4000000000,
                                                    .alone_ns = 2000000000,
                                                    .least_ns = 2000000000,
                                                    .most_ns = 12000000000,
                                                    .tail = 10,
                                                    .search_ns = 35000000000}};

enum { LEAST_TOKENS = 16, SHORT_TOKENS = 16, ATTEMPTS = 3 };

/* ---- what is going on ---- */

static void __attribute__((format(printf, 1, 2))) progress(const char *format, ...)
{
    va_list arguments;
    const bool terminal = isatty(STDERR_FILENO);
    if (terminal) fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (!terminal) fputc('\n', stderr);
    fflush(stderr);
}

static void progress_line(const char *line) { progress("%s", line); }

static void end_progress(void)
{
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}

/* ---- the service table ---- */

/* The rows of one count of tokens, few and many sequences: how many there are. */
static int rows_of(service_row row[2], const engine *e, int tokens)
{
    const int longest = e->description.max_tokens, room = e->options.batch_sequences;
    const int few = (tokens + longest - 1) / longest, most = tokens / SHORT_TOKENS, many = most < room ? most : room;
    row[0] = (service_row){.tokens = tokens, .sequences = few};
    row[1] = (service_row){.tokens = tokens, .sequences = many};
    return few > room ? 0 : many > few ? 2 : 1;
}

static status time_rows(const calibrate_plan *plan, stopwatch *w, service_row *row, int n, error *err)
{
    status rc = OK;
    for (int i = 0; rc == OK && i < n; i++) {
        progress("service times: %d tokens in %d sequences", row[i].tokens, row[i].sequences);
        rc = stopwatch_row(w, &row[i], plan->runs, plan->point_ns, err);
    }
    return rc;
}

/* One more count of tokens.  Where it took less time than the one before, one of both was disturbed: they are measured
 * again, and what is so after all leaves the smaller one out. */
static status add_rows(const calibrate_plan *plan, stopwatch *w, service_table *t, int tokens, error *err)
{
    error unused;
    const int n = rows_of(&t->row[t->n], w->e, tokens), first = t->n;
    int again = first;
    while (again > 0 && t->row[again - 1].tokens == t->row[first - 1].tokens) again--;
    t->n += n;
    status rc = time_rows(plan, w, &t->row[first], n, err);
    for (int i = 1; rc == OK && i < ATTEMPTS && service_check(t, &unused) != OK; i++)
        rc = time_rows(plan, w, &t->row[again], t->n - again, err);
    if (rc == OK) stopwatch_keep_rising(t);
    return rc;
}

static status time_service(const calibrate_plan *plan, stopwatch *w, service_table *t, error *err)
{
    const int most = w->e->options.batch_tokens;
    status rc = OK;
    for (int tokens = LEAST_TOKENS; rc == OK && tokens < most; tokens *= 2) rc = add_rows(plan, w, t, tokens, err);
    return rc == OK ? add_rows(plan, w, t, most, err) : rc;
}

/* ---- all of it ---- */

static void describe(capacity *c, const options *o, const engine *e)
{
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(c->made_at, sizeof c->made_at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(c->build, sizeof c->build, "%s %s", build_version(), build_commit());
    snprintf(c->model, sizeof c->model, "%s", e->description.name);
    snprintf(c->digest, sizeof c->digest, "%s", e->digest);
    snprintf(c->backend, sizeof c->backend, "%s", e->ops->name);
    snprintf(c->device, sizeof c->device, "%s", e->ops->describe(e->device));
    snprintf(c->precision, sizeof c->precision, "%s", e->ops->precision(e->device));
    c->load_ns = e->load_ns;
    c->warm_ns = e->warm_ns;
    c->objective_ms = o->objective_ms;
    c->objective_ratio = o->objective_ratio;
}

static status find_knee(capacity *c, const calibrate_plan *plan, const options *o, versions *vs, const engine *e,
                        error *err)
{
    knee k;
    const knee_plan p = {.limits = {.objective_ns = (int64_t)o->objective_ms * 1000000,
                                    .max_wait_ns = (int64_t)o->max_wait_ms * 1000000,
                                    .batch_tokens = e->options.batch_tokens,
                                    .batch_sequences = e->options.batch_sequences,
                                    .longest = e->description.max_tokens,
                                    .executors = 1,
                                    .max_requests = o->max_connections},
                         .ratio = o->objective_ratio,
                         .service = &c->service,
                         .executor = {.batch_deadline_ms = o->batch_deadline_ms, .golden_every_ms = EXECUTOR_GOLDEN_MS},
                         .pace = plan->pace,
                         .note = progress_line};
    progress("the load at which %s holds", o->slo);
    status rc = knee_find(&k, vs, &p, err);
    c->saturated_tokens_per_s = k.saturated_tokens_per_s;
    c->knee_requests_per_s = k.requests_per_s;
    c->knee_tokens_per_s = k.tokens_per_s;
    c->knee_p50_ms = k.p50_ms;
    c->knee_p99_ms = k.p99_ms;
    return rc;
}

static status measure(capacity *c, const calibrate_plan *plan, const options *o, versions *vs, engine *e, error *err)
{
    stopwatch w;
    describe(c, o, e);
    status rc = stopwatch_open(&w, e, err);
    if (rc == OK) rc = time_service(plan, &w, &c->service, err);
    if (rc == OK) progress("the host's costs");
    if (rc == OK) rc = host_costs_measure(c, o, e, w.rows, plan->runs, err);
    stopwatch_close(&w);
    return rc == OK ? find_knee(c, plan, o, vs, e, err) : rc;
}

/* ---- what comes of it ---- */

static void print_service(const service_table *t)
{
    printf("\n   tokens  sequences    time, ms  spread, ms    tokens/s\n");
    for (int i = 0; i < t->n; i++) {
        const service_row *r = &t->row[i];
        printf("%9d %10d %11.3f %11.3f %11.0f\n", r->tokens, r->sequences, (double)r->median_ns * 1e-6,
               (double)r->spread_ns * 1e-6, r->tokens / ((double)r->median_ns * 1e-9));
    }
    printf("\n");
}

/* Half of the runs of an idle machine lie much closer together. */
static int disturbed_rows(const service_table *t)
{
    int n = 0;
    for (int i = 0; i < t->n; i++) n += t->row[i].spread_ns > t->row[i].median_ns / 10;
    return n;
}

static double us(capacity_cost c) { return (double)c.median_ns * 1e-3; }

static void print(const capacity *c, const options *o, const char *dir, const char *path)
{
    printf("model        %s, digest %.12s\n", c->model, c->digest);
    printf("runs on      %s, %s, %s\n", c->backend, c->device, c->precision);
    printf("start        loaded in %.0f ms, warm in %.0f ms\n", (double)c->load_ns * 1e-6, (double)c->warm_ns * 1e-6);
    print_service(&c->service);
    printf("host         a body parsed in %.2f us/KiB, %.3f us for a token from its text\n", us(c->parse_per_kib),
           us(c->tokenize_per_token));
    printf("             a vector written in %.2f us as JSON, %.2f us as base64, %.2f us as bytes\n", us(c->row_json),
           us(c->row_base64), us(c->row_binary));
    printf("kept full    %.0f tokens/s\n", c->saturated_tokens_per_s);
    if (c->knee_requests_per_s > 0)
        printf("%-12s holds up to %.1f requests/s, %.0f tokens/s (Poisson, single texts): p50 %.1f ms, p99 %.1f ms\n",
               o->slo, c->knee_requests_per_s, c->knee_tokens_per_s, c->knee_p50_ms, c->knee_p99_ms);
    else
        printf("%-12s holds at no rate that was tried: a request alone has p50 %.1f ms, p99 %.1f ms\n", o->slo,
               c->knee_p50_ms, c->knee_p99_ms);
    if (disturbed_rows(&c->service))
        printf("disturbed    %d of %d service times spread over more than a tenth: again, with the machine idle?\n",
               disturbed_rows(&c->service), c->service.n);
    printf("saved        %s\n", path);
    printf("used by      beeline serve %s%s%s, for its batches, waits and refusals from the first request on\n", dir,
           *o->capacity ? " --capacity " : "", o->capacity);
}

/* With all above it, as `mkdir -p` does; a user's cache is his own. */
static status make_folder(const char *path, error *err)
{
    char copy[CAPACITY_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = copy;;) {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = 0;
        if (mkdir(copy, 0700) && errno != EEXIST) return fail(err, IO_FAILED, "%.150s: %s", copy, strerror(errno));
        if (!slash) return OK;
        *slash = '/';
    }
}

/* Found out before a minute is spent. */
static status prepare(char path[CAPACITY_PATH_MAX], const options *o, const engine *e, error *err)
{
    char folder[CAPACITY_PATH_MAX];
    status rc = capacity_path(path, o, e, err);
    if (rc == OK && !*o->capacity) rc = make_folder(o->cache_dir, err);
    if (rc != OK) return rc;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (access(folder, W_OK | X_OK)) return fail(err, IO_FAILED, "%.150s: %s", folder, strerror(errno));
    return OK;
}

static status calibrate(capacity *c, char path[CAPACITY_PATH_MAX], const calibrate_plan *plan, const options *o,
                        versions *vs, error *err)
{
    version *v = versions_acquire(vs);
    status rc = prepare(path, o, v->engine, err);
    if (rc == OK) rc = measure(c, plan, o, vs, v->engine, err);
    versions_release(vs, v);
    return rc == OK ? capacity_save(c, path, err) : rc;
}

int calibrate_with(const calibrate_plan *plan, const options *o, const char *dir)
{
    engine *e;
    versions *vs = NULL;
    version *v = NULL;
    capacity c = {0};
    char path[CAPACITY_PATH_MAX];
    error err;
    status rc = engine_from_options(&e, o, dir, &err);
    const int refusal = engine_refused(rc);
    if (rc == OK) rc = version_new(&v, e, dir, "", NULL, &err);
    if (rc == OK) rc = versions_open(&vs, &err);
    if (rc == OK) versions_activate(vs, v);
    if (rc == OK) rc = calibrate(&c, path, plan, o, vs, &err);
    end_progress();
    if (rc == OK) print(&c, o, dir, path);
    else fprintf(stderr, "beeline: %s\n", err.text);
    if (!vs) {
        version_free(v);
        return refusal;
    }
    if (rc == GPU_LOST) return EXIT_GPU_FAILED; /* a lost device may not let itself be closed */
    versions_close(vs);
    return rc == OK ? EXIT_OK : rc == NOT_FOUND ? EXIT_USAGE : EXIT_REFUSED;
}

int calibrate_command(const options *o, const char *dir) { return calibrate_with(&calibrate_standard, o, dir); }
