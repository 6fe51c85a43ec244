#include "simulation_order.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

/* A number at the beginning of text; *end behind it, or text where there is none. */
static double number_at(const char *text, const char **end)
{
    char *behind = (char *)text;
    const double v = isdigit((unsigned char)*text) ? strtod(text, &behind) : NAN;
    *end = behind;
    return v;
}

/* A time as 500ms, 60s, 10m, 6h, 30d; *end behind it.  -1: none is there. */
static int64_t time_at(const char *text, const char **end)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    const double v = number_at(text, end);
    size_t n = 0;
    while (islower((unsigned char)(*end)[n])) n++;
    for (size_t i = 0; i < sizeof units / sizeof *units && *end != text; i++) {
        if (strlen(units[i].name) != n || strncmp(units[i].name, *end, n) || !(v * units[i].ns < 1e18)) continue;
        *end += n;
        return (int64_t)(v * units[i].ns);
    }
    return -1;
}

static status wrong(const char *option, const char *text, const char *wanted, error *err)
{
    return fail(err, BAD_INPUT, "%s %.60s: wanted %s", option, text, wanted);
}

static status read_count(int *out, const char *option, const char *text, int most, error *err)
{
    const char *end;
    if (!text) return OK;
    const double v = number_at(text, &end);
    if (end == text || *end || v != floor(v) || v < 1 || v > most)
        return fail(err, BAD_INPUT, "%s %.60s: wanted 1 to %d", option, text, most);
    *out = (int)v;
    return OK;
}

static status read_time(int64_t *out, const char *option, const char *text, error *err)
{
    const char *end;
    if (!text) return OK;
    *out = time_at(text, &end);
    return *out > 0 && !*end ? OK : wrong(option, text, "a time, as 500ms, 60s or 5m", err);
}

/* p99<=10ms */
static status read_slo(simulation_order *o, const char *text, error *err)
{
    const char *end = text ? text : "";
    simulation_input *in = &o->question.input;
    in->objective_ns = (int64_t)(o->machine.objective_ms * 1e6);
    o->question.ratio = o->machine.objective_ratio;
    if (text) {
        o->question.ratio = *text == 'p' ? number_at(text + 1, &end) / 100 : NAN;
        in->objective_ns = strncmp(end, "<=", 2) ? -1 : time_at(end + 2, &end);
    }
    if (!(o->question.ratio >= 0.5 && o->question.ratio < 1) || in->objective_ns <= 0 || *end)
        return wrong("--slo", text ? text : "", "p50 to p99.99 and a time, as p99<=10ms", err);
    in->limits.objective_ns = in->objective_ns;
    return OK;
}

/* 8 or 1..64 */
static status read_replicas(simulation_order *o, const char *text, error *err)
{
    o->least = o->most = 1;
    if (!text) return OK;
    char *end = (char *)text;
    const long least = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    const bool range = !strncmp(end, "..", 2) && isdigit((unsigned char)end[2]);
    const long most = range ? strtol(end + 2, &end, 10) : least;
    if (*end || least < 1 || most < least || most > SIMULATION_REPLICAS_MAX)
        return wrong("--replicas", text, "N or N..M, 1 to 4096", err);
    o->least = (int)least;
    o->most = (int)most;
    return OK;
}

/* 1000000/s, 1000k */
static status read_plan(simulation_order *o, const char *text, error *err)
{
    const char *end;
    if (!text) return OK;
    const double v = number_at(text, &end), factor = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1;
    if (factor > 1) end++;
    o->plans = true;
    o->rate = v * factor;
    if (end == text || (*end && strcmp(end, "/s")) || !(o->rate >= 1e-3 && o->rate <= 1e9))
        return wrong("--plan", text, "requests/s, as 500, 5k or 1000000/s", err);
    return OK;
}

/* 30d or 30d/10m */
static status read_failures(simulation_fleet *f, const char *text, error *err)
{
    const char *end;
    if (!text) return OK;
    f->mtbf_ns = time_at(text, &end);
    f->mttr_ns = *end == '/' ? time_at(end + 1, &end) : 0;
    return f->mtbf_ns > 0 && f->mttr_ns >= 0 && !*end
               ? OK
               : wrong("--failures", text, "the time between failures, and to repair one: 30d or 30d/10m", err);
}

/* 0.7 or 0.7/0s/5m */
static status read_autoscale(simulation_order *o, const char *text, error *err)
{
    const char *end;
    simulation_scaler *s = &o->question.input.fleet.scaler;
    if (!text) return OK;
    *s = (simulation_scaler){
        .target = number_at(text, &end), .least = o->least, .most = o->most, .down_ns = 300000000000};
    if (*end == '/') {
        s->up_ns = time_at(end + 1, &end);
        s->down_ns = *end == '/' ? time_at(end + 1, &end) : -1;
    }
    const int64_t longest_ns = SIMULATION_WISHES * SIMULATION_SCALE_NS;
    if (*end || !(s->target > 0 && s->target <= 10) || s->up_ns < 0 || s->down_ns < 0 || s->up_ns >= longest_ns ||
        s->down_ns >= longest_ns)
        return wrong("--autoscale", text, "a load ratio, and windows below 64m: 0.7 or 0.7/0s/5m", err);
    s->tokens_per_s =
        o->machine.knee_tokens_per_s > 0 ? o->machine.knee_tokens_per_s : o->machine.saturated_tokens_per_s;
    return s->tokens_per_s > 0 ? OK : fail(err, BAD_INPUT, "--autoscale: the capacity has neither knee nor saturation");
}

static status read_balancer(simulation_fleet *f, const char *text, error *err)
{
    if (text && strcmp(text, "turns") && strcmp(text, "least")) return wrong("--balancer", text, "turns or least", err);
    f->balance = text && !strcmp(text, "least") ? BALANCE_LEAST_OUTSTANDING : BALANCE_ROUND_ROBIN;
    return OK;
}

static status read_price(simulation_order *o, const char *text, error *err)
{
    const char *end;
    o->price = NAN;
    if (!text) return OK;
    o->price = number_at(text, &end);
    return end != text && !*end && o->price > 0 ? OK : wrong("--price", text, "a number above 0, as 2.5", err);
}

/* ---- files ---- */

static status grow(simulation_record *r, int64_t **at, error *err)
{
    if (r->n & (r->n - 1) || (r->n && r->n < 1024)) return OK;
    const size_t room = r->n ? 2 * (size_t)r->n : 1024;
    int64_t *more = realloc(*at, room * sizeof **at);
    if (!more) return fail(err, NO_MEMORY, "no memory for %zu requests", room);
    *at = more;
    return OK;
}

static status bad_line(const char *file, int line, const char *wanted, error *err)
{
    return fail(err, BAD_INPUT, "%.120s, line %d: wanted %s", file, line, wanted);
}

/* The first number of a line: seconds, never falling. */
static status read_due(simulation_record *r, const char *text, const char **rest, const char *file, error *err)
{
    const double due_s = number_at(text, rest);
    const int64_t due_ns = due_s < 1e9 ? (int64_t)(due_s * 1e9) : -1;
    if (*rest == text || due_ns < 0 || (r->n && due_ns < r->at_ns[r->n - 1]))
        return bad_line(file, r->n + 1, "when it is due, s, no earlier than the line before", err);
    if (r->n == LOAD_REQUESTS_MAX) return fail(err, BAD_INPUT, "%.120s: more than %d lines", file, LOAD_REQUESTS_MAX);
    const status rc = grow(r, &r->at_ns, err);
    if (rc == OK) r->at_ns[r->n] = due_ns;
    return rc;
}

/* The others: tokens of texts. */
static status read_tokens(simulation_record *r, size_t *room, const char *rest, const char *file, error *err)
{
    int n = r->n ? r->first[r->n] : 0;
    int *first = realloc(r->first, ((size_t)r->n + 2) * sizeof *first);
    if (!first) return fail(err, NO_MEMORY, "no memory for %d requests", r->n + 1);
    r->first = first;
    r->first[r->n] = n;
    for (const char *end; *rest && *rest != '\n'; rest = end, n++) {
        rest += strspn(rest, " ");
        const double tokens = number_at(rest, &end);
        if (end == rest || tokens != floor(tokens) || tokens < 1 || tokens > LOAD_TOKENS_MAX)
            return bad_line(file, r->n + 1, "tokens, 1 to 65536 each, after the time", err);
        if ((size_t)n == *room) {
            *room = *room ? 2 * *room : 1024;
            int *more = realloc(r->tokens, *room * sizeof *more);
            if (!more) return fail(err, NO_MEMORY, "no memory for %zu texts", *room);
            r->tokens = more;
        }
        r->tokens[n] = (int)tokens;
    }
    if (n == r->first[r->n]) return bad_line(file, r->n + 1, "the tokens of at least one text after the time", err);
    r->first[r->n + 1] = n;
    return OK;
}

/* With the tokens of texts behind the time: a workload; else times alone. */
static status read_record(simulation_record *r, const char *file, const char *option, bool with_tokens, error *err)
{
    status rc = OK;
    char *line = NULL;
    size_t bytes = 0, room = 0;
    FILE *f = fopen(file, "r");
    if (!f) return fail(err, IO_FAILED, "%s %.120s: cannot be read", option, file);
    while (rc == OK && getline(&line, &bytes, f) > 0) {
        const char *rest;
        rc = read_due(r, line, &rest, file, err);
        if (rc == OK && with_tokens) rc = read_tokens(r, &room, rest, file, err);
        else if (rc == OK && *rest && strcmp(rest, "\n")) rc = bad_line(file, r->n + 1, "one number", err);
        if (rc == OK) r->n++;
    }
    free(line);
    fclose(f);
    if (rc == OK && (r->n == 0 || r->at_ns[r->n - 1] == r->at_ns[0]))
        rc = fail(err, EMPTY, "%s %.120s: wanted at least two requests, at two times", option, file);
    for (int i = r->n - 1; rc == OK && i >= 0; i--) r->at_ns[i] -= r->at_ns[0];
    return rc;
}

/* ---- what is asked ---- */

static status read_arrivals(simulation_order *o, const char *text, error *err)
{
    simulation_mix *m = &o->question.mix;
    const char *end;
    if (!text) return OK;
    if (!strncmp(text, "file:", 5)) {
        m->record = &o->record;
        return read_record(&o->record, text + 5, "--arrivals", false, err);
    }
    if (strncmp(text, "burst:", 6)) return OK; /* load_plan_read()'s */
    m->burst_ratio = number_at(text + 6, &end);
    m->burst_ns = *end == 'x' ? time_at(end + 1, &end) : -1;
    return m->burst_ratio > 1 && m->burst_ratio <= 1000 && m->burst_ns > 0 && !*end
               ? OK
               : wrong("--arrivals", text, "poisson, fixed, burst:3x50ms or file:FILE", err);
}

/* The words that `load` has too are read as it reads them. */
static status read_mix(simulation_order *o, const bench_options *given, error *err)
{
    bench_options words = *given;
    simulation_mix *m = &o->question.mix;
    status rc = read_arrivals(o, given->arrivals, err);
    words.target = "http://simulated/";
    if (m->record || m->burst_ratio > 0) words.arrivals = NULL;
    if (rc == OK) rc = load_plan_read(&o->load, &words, err);
    if (rc == OK && given->workload && (given->arrivals || given->lengths || given->tokens || given->inputs))
        rc = fail(err, BAD_INPUT,
                  "--workload says when requests come and how long they are: wanted no --arrivals, "
                  "--lengths, --tokens or --inputs beside it");
    if (rc == OK && given->workload) {
        m->record = &o->record;
        rc = read_record(&o->record, given->workload, "--workload", true, err);
    }
    if (rc != OK) return rc;
    m->duration_ns = o->load.duration_ns;
    m->arrivals = o->load.arrivals;
    m->lengths = o->load.lengths;
    m->n_lengths = o->load.n_lengths;
    m->inputs = o->load.inputs;
    m->seed = o->question.input.seed = o->load.seed;
    m->length_factor = 1;
    if (!o->plans) o->rate = o->load.rate;
    if (!o->plans && m->record && !given->rate)
        o->rate = o->record.n / ((double)o->record.at_ns[o->record.n - 1] * 1e-9);
    o->question.input.deadline_ns = (int64_t)o->load.deadline_ms * 1000000;
    o->question.input.lane = o->load.priority && !strcmp(o->load.priority, "bulk") ? LANE_BULK : LANE_INTERACTIVE;
    return OK;
}

/* As the server's options; what is not said is what it does without a word. */
static status read_limits(simulation_order *o, const bench_options *given, error *err)
{
    enum { USUAL_LONGEST = 512, BATCH_TOKENS_MAX = 1 << 20, LOOPS_MAX = 256 };
    policy_limits *l = &o->question.input.limits;
    const service_table *t = &o->machine.service;
    *l = (policy_limits){.max_wait_ns = 1000000000, .batch_sequences = 256, .executors = 1, .max_requests = 4096};
    l->batch_tokens = t->row[t->n - 1].tokens;
    o->question.input.host.threads = 1;
    status rc = read_count(&l->batch_tokens, "--batch-tokens", given->batch_tokens, BATCH_TOKENS_MAX, err);
    if (rc == OK) rc = read_time(&l->max_wait_ns, "--max-wait", given->max_wait, err);
    if (rc == OK) rc = read_count(&o->question.input.host.threads, "--loops", given->loops, LOOPS_MAX, err);
    l->longest = o->question.mix.longest = l->batch_tokens < USUAL_LONGEST ? l->batch_tokens : USUAL_LONGEST;
    return rc;
}

static status check_words(const simulation_order *o, const bench_options *given, error *err)
{
    const int ways = (given->replicas != NULL) + (given->plan != NULL);
    if (ways > 1) return fail(err, BAD_INPUT, "--replicas and --plan: wanted one of them");
    if (given->plan && given->rate) return fail(err, BAD_INPUT, "--plan and --rate: wanted one of them");
    if (given->plan && (given->failures || given->autoscale))
        return fail(err, BAD_INPUT, "--plan is for a fleet of one size; --failures and --autoscale want --replicas");
    if (given->zones && o->zones < 2) return wrong("--zones", given->zones, "2 or more", err);
    return OK;
}

status simulation_order_read(simulation_order *out, const bench_options *o, error *err)
{
    enum { ZONES_MAX = 64, DIMENSIONS_MAX = 65536 };
    *out = (simulation_order){.zones = 1, .dimensions = 384};
    simulation_fleet *fleet = &out->question.input.fleet;
    status rc = o->capacity ? capacity_read(&out->machine, o->capacity, err)
                            : fail(err, EMPTY, "simulate: wanted --capacity FILE, which `beeline calibrate` writes");
    if (rc == OK) simulation_machine(&out->question.input, &out->machine, &out->machine.row_json);
    if (rc == OK) rc = read_limits(out, o, err);
    if (rc == OK) rc = read_slo(out, o->slo, err);
    if (rc == OK) rc = read_replicas(out, o->replicas, err);
    if (rc == OK) rc = read_plan(out, o->plan, err);
    if (rc == OK) rc = read_failures(fleet, o->failures, err);
    if (rc == OK) rc = read_autoscale(out, o->autoscale, err);
    if (rc == OK) rc = read_balancer(fleet, o->balancer, err);
    if (rc == OK) rc = read_count(&out->zones, "--zones", o->zones, ZONES_MAX, err);
    if (rc == OK) rc = read_count(&out->dimensions, "--dimensions", o->dimensions, DIMENSIONS_MAX, err);
    if (rc == OK) rc = read_price(out, o->price, err);
    if (rc == OK) rc = check_words(out, o, err);
    if (rc == OK) rc = read_mix(out, o, err);
    if (rc != OK) simulation_order_close(out);
    return rc;
}

void simulation_order_close(simulation_order *o)
{
    free(o->record.at_ns);
    free(o->record.first);
    free(o->record.tokens);
    *o = (simulation_order){0};
}
