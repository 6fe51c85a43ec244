#include "simulation_order.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load_replay.h"
#include "quantity.h"

/* ---- words ---- */

/* A time at the begin of text; *end behind it.  -1: none is there. */
static int64_t time_at(const char *text, const char **end)
{
    const double ns = quantity_at(text, quantity_times, end);
    return ns < 1e18 ? (int64_t)ns : -1;
}

static status wrong(const char *option, const char *text, const char *wanted, error *err)
{
    return fail(err, BAD_INPUT, "%s %.60s: wanted %s", option, text, wanted);
}

static status read_count(int *out, const char *option, const char *text, int most, error *err)
{
    if (!text) return OK;
    const double v = quantity_read(text, quantity_counts);
    if (!(v >= 1 && v <= most) || v != floor(v))
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
        o->question.ratio = *text == 'p' ? quantity_at(text + 1, quantity_counts, &end) / 100 : NAN;
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
    if (!text) return OK;
    o->plans = true;
    o->rate = quantity_read(text, quantity_rates);
    if (!(o->rate >= 1e-3 && o->rate <= 1e9))
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
        .target = quantity_at(text, quantity_counts, &end), .least = o->least, .most = o->most, .down_ns = 300000000000};
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
    o->price = quantity_at(text, quantity_counts, &end);
    return end != text && !*end && o->price > 0 ? OK : wrong("--price", text, "a number above 0, as 2.5", err);
}

/* ---- what is sent ---- */

/* The words that `load` has are read as it reads them. */
static status read_plan_of_load(simulation_order *o, const bench_options *given, error *err)
{
    bench_options words = *given;
    char file[4096];
    words.target = "http://simulated/";
    if (given->concurrency) return fail(err, BAD_INPUT, "--concurrency: a closed loop is not simulated");
    if (given->workload && given->arrivals)
        return fail(err, BAD_INPUT, "--workload and --arrivals: wanted one of them");
    snprintf(file, sizeof file, "file:%s", given->workload ? given->workload : "");
    if (given->workload) words.arrivals = file;
    status rc = load_plan_read(&o->load, &words, err);
    if (rc == OK && o->load.arrivals == LOAD_REPLAY)
        rc = load_replay_open(&o->replay, o->load.replay, &o->load.duration_ns, err);
    o->load.replay = NULL; /* `file` ends here */
    if (rc == OK && given->workload && !o->replay.tokens)
        rc = fail(err, BAD_INPUT, "--workload %.120s: wanted the tokens behind each time", given->workload);
    if (rc == OK && o->replay.tokens && (given->tokens || given->lengths || o->load.inputs > 1))
        rc = fail(err, BAD_INPUT, "--tokens, --lengths, --inputs: wanted none of them where a file says the tokens");
    return rc;
}

static status read_mix(simulation_order *o, const bench_options *given, error *err)
{
    simulation_mix *m = &o->question.mix;
    const load_plan *p = &o->load;
    const status rc = read_plan_of_load(o, given, err);
    if (rc != OK) return rc;
    m->duration_ns = p->duration_ns;
    m->arrivals = p->arrivals;
    m->burst = p->burst;
    m->replay = &o->replay;
    m->lengths = p->lengths;
    m->n_lengths = p->n_lengths;
    m->inputs = p->inputs;
    m->seed = o->question.input.seed = p->seed;
    m->length_factor = 1;
    if (!o->plans) o->rate = m->arrivals == LOAD_REPLAY ? o->replay.n / ((double)p->duration_ns * 1e-9) : p->rate;
    o->question.input.deadline_ns = (int64_t)p->deadline_ms * 1000000;
    o->question.input.lane = p->priority && !strcmp(p->priority, "bulk") ? LANE_BULK : LANE_INTERACTIVE;
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
    load_schedule_close(&o->replay);
    *o = (simulation_order){0};
}
