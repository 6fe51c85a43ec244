#include "load_report.h"
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "load_get.h"
#include "runtime/base/json.h"

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
static const double curve[] = {50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles, CURVE_POINTS = sizeof curve / sizeof *curve };
static const char *const arrivals_names[] = {[LOAD_FIXED] = "fixed",
                                             [LOAD_POISSON] = "poisson",
                                             [LOAD_BURST] = "burst",
                                             [LOAD_REPLAY] = "replay",
                                             [LOAD_CLOSED] = "closed"};

static const report_column run_columns[] = {
    {"offered_per_s", "offered/s", "%9.1f", 9},
    {"sent_per_s", "sent/s", "%9.1f", 9},
    {"goodput_per_s", "goodput/s", "%9.1f", 9},
    {"tokens_per_s", "tokens/s", "%9.0f", 9},
    {"refused", "refused", "%8.0f", 8},
    {"errors", "errors", "%7.0f", 7},
    {"left", "left", "%6.0f", 6},
    {"censored", "censored", "%8.0f", 8},
    {"retry_after_least_s", "retry>=s", "%8.0f", 8},
    {"retry_after_most_s", "retry<=s", "%8.0f", 8},
    {"valid", "valid", "%5.0f", 5},
};
static const report_column fault_columns[] = {
    {"connects_failed", "connects", "%9.0f", 9},
    {"resets", "resets", "%9.0f", 9},
    {"malformed", "malformed", "%9.0f", 9},
    {"timeouts", "timeouts", "%9.0f", 9},
    {"status", "status", "%9.0f", 9},
};
static const report_column client_columns[] = {
    {"late_p50_us", "late p50us", "%10.1f", 10}, {"late_p99_us", "late p99us", "%10.1f", 10},
    {"cpu_percent", "cpu %", "%8.1f", 8},        {"connections", "connections", "%11.0f", 11},
    {"reopened", "reopened", "%8.0f", 8},        {"waited", "waited", "%8.0f", 8},
};
static const report_column latency_columns[] = {
    {"n", "n", "%9.0f", 9},        {"p50_ms", "p50", "%9.3f", 9},    {"p90_ms", "p90", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9}, {"p999_ms", "p99.9", "%9.3f", 9}, {"p9999_ms", "p99.99", "%9.3f", 9},
    {"max_ms", "max", "%9.3f", 9},
};
static const report_column stage_columns[] = {
    {"n", "n", "%9.0f", 9},
    {"mean_ms", "mean", "%9.3f", 9},
    {"p50_ms", "p50", "%9.3f", 9},
    {"p99_ms", "p99", "%9.3f", 9},
};
static const report_column curve_columns[] = {
    {"percentile", "percentile", "%10.6g", 10},
    {"intended_ms", "intended", "%9.3f", 9},
    {"service_ms", "service", "%9.3f", 9},
};
static const report_column window_columns[] = {
    {"start_s", "start", "%8.1f", 8},   {"n", "200s", "%9.0f", 9},
    {"per_s", "200s/s", "%9.1f", 9},    {"tokens_per_s", "tokens/s", "%9.0f", 9},
    {"refused", "refused", "%8.0f", 8}, {"errors", "errors", "%7.0f", 7},
    {"p50_ms", "p50", "%9.3f", 9},      {"p99_ms", "p99", "%9.3f", 9},
};
static const report_column device_columns[] = {
    {"batches", "batches", "%9.0f", 9},
    {"mean_sequences", "sequences", "%9.1f", 9},
    {"mean_tokens", "tokens", "%9.1f", 9},
    {"busy_percent", "busy %", "%8.1f", 8},
};
static const report_column share_columns[] = {{"batches", "batches", "%9.0f", 9}, {"percent", "%", "%7.1f", 7}};
static const report_column bucket_columns[] = {{"tokens_most", "tokens", "%9.0f", 9},
                                               {"batches", "batches", "%9.0f", 9}};
enum {
    RUN = sizeof run_columns / sizeof *run_columns,
    FAULTS = sizeof fault_columns / sizeof *fault_columns,
    CLIENT = sizeof client_columns / sizeof *client_columns,
    LATENCY = sizeof latency_columns / sizeof *latency_columns,
    STAGE = sizeof stage_columns / sizeof *stage_columns,
    CURVE = sizeof curve_columns / sizeof *curve_columns,
    WINDOW = sizeof window_columns / sizeof *window_columns,
    DEVICE = sizeof device_columns / sizeof *device_columns,
    SHARE = sizeof share_columns / sizeof *share_columns,
    BUCKET = sizeof bucket_columns / sizeof *bucket_columns
};

/* ---- after the run ------------------------------------------------------------------------------------------------
 */

static void say_warmup(report *r, const load_outcome *o)
{
    if (o->warmth == LOAD_STEADY) report_note(r, "warm-up: stationary after %.1f s", o->warmup_s);
    if (o->warmth == LOAD_UNSTEADY) report_note(r, "warm-up: not stationary after %.1f s", o->warmup_s);
    if (o->warmth == LOAD_TOO_FEW) report_note(r, "warm-up: %.1f s, too few replies to tell", o->warmup_s);
}

static void say_run(report *r, const load_plan *p, const load_outcome *o)
{
    const load_tally *t = o->tally;
    const bool closed = p->arrivals == LOAD_CLOSED, seen = t->retry_after_least_s >= 0;
    double refused = 0, other = 0;
    for (int i = 1; i < t->n_rows; i++) {
        if (load_is_refusal(t->rows[i].code)) refused += (double)t->rows[i].n;
        else if (t->rows[i].code != 200) other += (double)t->rows[i].n;
    }
    report_table(r, "load", run_columns, RUN);
    report_row(r, arrivals_names[p->arrivals],
               (double[RUN]){closed ? NAN : o->due / o->seconds, (double)(t->sent - t->sent_late) / o->seconds,
                             (double)t->served_in_time / o->seconds, (double)t->tokens_in_time / o->seconds, refused,
                             (double)load_errors(t), (double)t->left, (double)t->censored,
                             seen ? (double)t->retry_after_least_s : NAN, seen ? (double)t->retry_after_most_s : NAN,
                             o->verdict.n == 0});
    report_table(r, "load errors", fault_columns, FAULTS);
    report_row(r, "of the requests",
               (double[FAULTS]){(double)t->connects_failed, (double)t->resets, (double)t->malformed,
                                (double)t->timeouts, other});
    report_table(r, "load client", client_columns, CLIENT);
    report_row(r, "one thread",
               (double[CLIENT]){load_quantile_ms(&t->lateness, 0.5) * 1e3, load_quantile_ms(&t->lateness, 0.99) * 1e3,
                                t->cpu * 100, p->connections, (double)t->reopened, (double)t->waited});
    if (closed) report_note(r, "closed loop: latencies hide what a queue would show; they count from the sending");
}

static void say_latency(report *r, const char *what, const char *from, const load_latency *l)
{
    double values[LATENCY] = {(double)l->sum.total};
    char name[80];
    for (int i = 0; i < QUANTILES; i++) values[1 + i] = load_quantile_ms(l, quantiles[i]);
    snprintf(name, sizeof name, "%s, %s", what, from);
    report_row(r, name, values);
}

/* Says once what a "-" among the percentiles means. */
static void say_guard(report *r)
{
    char line[160] = "-: n/a, ten samples must lie beyond a percentile:";
    for (int i = 0; i < QUANTILES - 1; i++) {
        const size_t n = strlen(line);
        snprintf(line + n, sizeof line - n, "%s p%g needs %lld", i ? "," : "", quantiles[i] * 100,
                 (long long)load_quantile_needs(quantiles[i]));
    }
    report_note(r, "%s", line);
}

static void say_latencies(report *r, const load_tally *t, const load_latency *intended, const load_latency *service)
{
    report_table(r, "load latency, ms", latency_columns, LATENCY);
    say_latency(r, "200 or no reply", "intended", intended);
    say_latency(r, "200 or no reply", "service", service);
    for (int i = 0; i < t->n_rows; i++) {
        char what[16] = "no reply";
        if (i) snprintf(what, sizeof what, "%d", t->rows[i].code);
        if (!t->rows[i].n || (t->rows[i].code == 200 && !t->rows[0].n)) continue; /* the same as above */
        say_latency(r, what, "intended", &t->rows[i].intended);
        say_latency(r, what, "service", &t->rows[i].service);
    }
    say_guard(r);
    report_table(r, "load curve, ms", curve_columns, CURVE);
    for (int i = 0; i < CURVE_POINTS; i++) {
        char name[16];
        const double ms = load_quantile_ms(intended, curve[i] / 100);
        snprintf(name, sizeof name, "%g", curve[i]);
        if (!isnan(ms)) report_row(r, name, (double[CURVE]){curve[i], ms, load_quantile_ms(service, curve[i] / 100)});
    }
}

static void say_windows(report *r, const load_windows *w)
{
    const double seconds = (double)w->each_ns * 1e-9;
    report_table(r, "load windows", window_columns, WINDOW);
    for (int i = 0; i < w->n; i++) {
        char name[32];
        const load_window *at = &w->at[i];
        const double n = (double)at->intended.sum.total;
        snprintf(name, sizeof name, seconds < 1 ? "%.2f s" : "%.1f s", i * seconds);
        report_row(r, name,
                   (double[WINDOW]){i * seconds, n, n / seconds, (double)at->tokens / seconds, (double)at->refused,
                                    (double)at->errors, load_quantile_ms(&at->intended, 0.5),
                                    load_quantile_ms(&at->intended, 0.99)});
    }
}

static void say_stages(report *r, const load_tally *t)
{
    if (!t->n_stages) return;
    report_table(r, "load server stages of the 200s, ms", stage_columns, STAGE);
    for (int i = 0; i < t->n_stages; i++) {
        const load_latency l = {t->stages[i].sum, 0};
        const double n = (double)l.sum.total;
        report_row(r, t->stages[i].name,
                   (double[STAGE]){n, (double)t->stages[i].total_ns * 1e-6 / n, load_quantile_ms(&l, 0.5),
                                   load_quantile_ms(&l, 0.99)});
    }
}

static void say_batches(report *r, const load_outcome *o)
{
    const load_batches *b = &o->batches;
    if (!o->has_batches) {
        if (*o->why_no_batches.text) report_note(r, "no batches: %s", o->why_no_batches.text);
        else report_note(r, "--ops http://HOST:PORT of the ops port would tell of the server's batches");
        return;
    }
    const double n = b->batches > 0 ? b->batches : NAN;
    report_table(r, "load device", device_columns, DEVICE);
    report_row(r, "of the run",
               (double[DEVICE]){b->batches, b->sequences / n, b->tokens / n, b->busy_s / o->seconds * 100});
    report_table(r, "load batches by what made them leave", share_columns, SHARE);
    for (int i = 0; i < b->n_triggers; i++)
        report_row(r, b->triggers[i].name, (double[SHARE]){b->triggers[i].batches, b->triggers[i].batches / n * 100});
    int first = 0, last = b->n_buckets - 1;
    while (first < b->n_buckets && !b->buckets[first].batches) first++;
    while (last > first && !b->buckets[last].batches) last--;
    report_table(r, "load batches", bucket_columns, BUCKET);
    for (int i = first; i <= last; i++) {
        const double most = b->buckets[i].most;
        char name[32] = "more";
        if (!isinf(most)) snprintf(name, sizeof name, "%.0f", most);
        report_row(r, name, (double[BUCKET]){isinf(most) ? NAN : most, b->buckets[i].batches});
    }
}

void load_report_outcome(report *r, const load_plan *p, const load_outcome *o)
{
    static load_latency intended, service; /* 13 KiB each */
    load_served(&intended, &service, o->tally);
    say_warmup(r, o);
    say_run(r, p, o);
    say_latencies(r, o->tally, &intended, &service);
    say_windows(r, &o->tally->windows);
    say_stages(r, o->tally);
    say_batches(r, o);
    for (int i = 0; i < o->verdict.n; i++) report_note(r, "INVALID: %s", o->verdict.reasons[i].text);
    if (!o->verdict.n) report_note(r, "VALID");
}

/* ---- before it ----------------------------------------------------------------------------------------------------
 */

/* Of the lengths, a number a line; of a replay: of its file. */
static void say_dataset(report *r, const load_plan *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char block[4096], hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned n = 0;
    size_t bytes;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    FILE *f = p->replay ? fopen(p->replay, "r") : NULL;
    if (!c || !EVP_DigestInit_ex(c, EVP_sha256(), NULL)) goto done;
    while (f && (bytes = fread(block, 1, sizeof block, f)) > 0) EVP_DigestUpdate(c, block, bytes);
    for (int i = 0; !p->replay && i < p->n_lengths; i++)
        EVP_DigestUpdate(c, block, (size_t)snprintf(block, sizeof block, "%d\n", p->lengths[i]));
    EVP_DigestFinal_ex(c, digest, &n);
    for (unsigned i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    report_fact(r, "dataset", "%s, sha256 %s", p->replay ? p->replay : "lengths in tokens", hex);
done:
    EVP_MD_CTX_free(c);
    if (f) fclose(f);
}

static const char *network_path(const load_plan *p)
{
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *a = NULL;
    const char *path = "a network";
    if (getaddrinfo(p->host, p->port, &wanted, &a)) return "unknown";
    if (a->ai_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)a->ai_addr;
        if (ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) path = "loopback";
    } else if (IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr)) {
        path = "loopback";
    }
    freeaddrinfo(a);
    return path;
}

/* What the server says of itself; another's server may have no /info. */
static void say_server(report *r, const load_plan *p)
{
    static const char *const names[] = {"version", "sha",     "model_id", "model_version",
                                        "digest",  "backend", "device",   "precision"};
    char line[1024] = "", *text;
    size_t used = 0;
    cJSON *info = NULL;
    error err;
    if (load_get(&text, p->host, p->port, "/info", &err) != OK) {
        report_fact(r, "server", "unknown: %s", err.text);
        return;
    }
    if (json_parse(&info, text, strlen(text), (json_limits){8, 1000}, &err) == OK) {
        for (size_t i = 0; i < sizeof names / sizeof *names && used < sizeof line; i++) {
            const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(info, names[i]));
            if (value)
                used += (size_t)snprintf(line + used, sizeof line - used, "%s%s %s", used ? ", " : "", names[i], value);
        }
    }
    report_fact(r, "server", "%s", used ? line : "unknown: /info says nothing known");
    cJSON_Delete(info);
    free(text);
}

static void say_requests(report *r, const load_plan *p)
{
    char how[128];
    int64_t total = 0;
    for (int i = 0; i < p->n_lengths; i++) total += p->lengths[i];
    const double seconds = (double)p->duration_ns * 1e-9;
    if (p->arrivals == LOAD_CLOSED) snprintf(how, sizeof how, "closed loop for %g s", seconds);
    else if (p->arrivals == LOAD_REPLAY) snprintf(how, sizeof how, "replay, with its own tokens if any");
    else if (p->arrivals == LOAD_BURST)
        snprintf(how, sizeof how,
                 "Poisson at %g/s in the mean for %g s, bursts of %g times the calm's rate, each %g ms", p->rate,
                 seconds, p->burst.ratio, (double)p->burst.each_ns * 1e-6);
    else snprintf(how, sizeof how, "%s at %g/s for %g s", arrivals_names[p->arrivals], p->rate, seconds);
    report_fact(r, "requests", "%s, %d connections, seed %llu; inputs %d, of %.1f tokens in the mean", how,
                p->connections, (unsigned long long)p->seed, p->inputs, (double)total / p->n_lengths);
}

void load_report_plan(report *r, const load_plan *p)
{
    report_fact(r, "target", "http://%s port %s %s, %s", p->host, p->port, p->path, network_path(p));
    say_server(r, p);
    say_dataset(r, p);
    say_requests(r, p);
}
