#include "simulation_plan.h"
#include <math.h>
#include <stddef.h>

/* ---- one run ---- */

bool simulation_holds(const simulation_figures *f, double ratio)
{
    const int64_t refused = f->due - f->answered;
    return (double)f->good >= ratio * (double)f->due && (double)refused <= SIMULATION_REFUSED * (double)f->due;
}

/* What is measured goes as far as the table does, and a little. */
static status check_range(const simulation_figures *f, const service_table *t, error *err)
{
    const int measured = t->row[t->n - 1].tokens;
    if (f->largest_tokens <= SIMULATION_BEYOND * measured) return OK;
    return fail(
        err, BAD_INPUT,
        "the simulation has batches of %d tokens, the capacity's service times were measured up to %d: wanted at "
        "most %.0f (calibrate with larger batches, or serve with smaller ones)",
        f->largest_tokens, measured, floor(SIMULATION_BEYOND * measured));
}

status simulation_try(simulation_figures *out, const simulation_question *q, double rate, int replicas, error *err)
{
    simulation_traffic t;
    simulation_input in = q->input;
    simulation_mix mix = q->mix;
    mix.rate = rate;
    const bool stretches = mix.arrivals != LOAD_REPLAY; /* that is as long as it is */
    if (stretches && (double)q->least_requests > rate * (double)mix.duration_ns * 1e-9)
        mix.duration_ns = (int64_t)(q->least_requests / rate * 1e9);
    status rc = simulation_traffic_open(&t, &mix, err);
    if (rc != OK) return rc;
    in.traffic = &t;
    in.fleet.replicas = replicas;
    in.from_ns = q->least_requests ? t.duration_ns / 20 : 0;
    rc = simulation_run(out, &in, err);
    if (rc == OK) rc = check_range(out, &in.service, err);
    simulation_traffic_close(&t);
    return rc;
}

simulation_trial simulation_trial_of(const simulation_figures *f, int replicas, double ratio)
{
    const double due = (double)f->due, refused = due - (double)f->answered;
    simulation_trial t = {.replicas = replicas, .holds = simulation_holds(f, ratio), .objective_ms = NAN};
    t.p50_ms = load_quantile_ms(&f->latency, 0.5);
    t.p99_ms = load_quantile_ms(&f->latency, 0.99);
    /* Of all that came, of which some have no answer. */
    const double share = ratio * due / (double)f->answered;
    if (share <= 1) t.objective_ms = load_quantile_ms(&f->latency, share);
    t.good = due > 0 ? (double)f->good / due : NAN;
    t.refused = due > 0 ? refused / due : NAN;
    return t;
}

/* ---- many ---- */

static void insert(simulation_range *r, simulation_trial t)
{
    int at = r->n;
    if (r->n == SIMULATION_TRIALS) return;
    for (; at > 0 && r->trial[at - 1].replicas > t.replicas; at--) r->trial[at] = r->trial[at - 1];
    r->trial[at] = t;
    r->n++;
}

static status try_into(simulation_range *r, bool *holds, const simulation_question *q, double rate, int replicas,
                       error *err)
{
    simulation_figures f;
    const status rc = simulation_try(&f, q, rate, replicas, err);
    if (rc != OK) return rc;
    insert(r, simulation_trial_of(&f, replicas, q->ratio));
    *holds = simulation_holds(&f, q->ratio);
    return OK;
}

status simulation_least(simulation_range *out, const simulation_question *q, double rate, int least, int most,
                        error *err)
{
    *out = (simulation_range){0};
    bool holds = false;
    status rc = try_into(out, &holds, q, rate, most, err);
    if (rc != OK || !holds) return rc;
    while (rc == OK && least < most) { /* `most` holds */
        const int middle = least + (most - least) / 2;
        rc = try_into(out, &holds, q, rate, middle, err);
        if (holds) most = middle;
        else least = middle + 1;
    }
    out->least = rc == OK ? most : 0;
    return rc;
}

/* What the devices would carry with every batch full: no rate above it holds for long. */
static status full_rate(double *rate, const simulation_question *q, int replicas, error *err)
{
    simulation_traffic t;
    simulation_mix mix = q->mix;
    service_model m;
    mix.rate = 1e11 / (double)mix.duration_ns; /* any: only the texts are looked at */
    status rc = service_check(&q->input.service, err);
    if (rc == OK) rc = simulation_traffic_open(&t, &mix, err);
    if (rc != OK) return rc;
    service_seed(&m, &q->input.service);
    *rate = replicas * 1e9 / policy_plan_make(&q->input.limits, &m).ns_per_token / t.mean_tokens;
    simulation_traffic_close(&t);
    return OK;
}

status simulation_highest(double *rate, const simulation_question *q, int replicas, error *err)
{
    static const double CLOSE = 0.01, LEAST = 0.02, TOP = 1.2;
    simulation_figures f;
    double low = 0, high;
    *rate = 0;
    status rc = full_rate(&high, q, replicas, err);
    const double full = high;
    high *= TOP; /* short texts may be quicker than the plan's typical ones */
    while (rc == OK && high - low > CLOSE * high && high > LEAST * full) {
        const double middle = (low + high) / 2;
        rc = simulation_try(&f, q, middle, replicas, err);
        if (rc == OK && simulation_holds(&f, q->ratio)) low = middle;
        else high = middle;
    }
    if (rc == OK) *rate = low;
    return rc;
}

/* ---- what moves it ---- */

const char *const simulation_factor_names[SIMULATION_INPUTS] = {"service time", "host cost", "rate", "length"};

simulation_question simulation_moved(const simulation_question *q, simulation_factor what, double by)
{
    simulation_question moved = *q;
    simulation_host *h = &moved.input.host;
    switch (what) {
    case SIMULATION_SERVICE_TIME:
        for (int i = 0; i < moved.input.service.n; i++) {
            service_row *r = &moved.input.service.row[i];
            r->median_ns = (int64_t)fmax(1, (double)r->median_ns * by);
            r->spread_ns = (int64_t)((double)r->spread_ns * by);
        }
        break;
    case SIMULATION_HOST_COST:
        h->request_ns *= by;
        h->per_token_ns *= by;
        h->per_row_ns *= by;
        break;
    case SIMULATION_LENGTH:
        moved.mix.length_factor *= by;
        break;
    case SIMULATION_RATE:
    case SIMULATION_INPUTS:
        break;
    }
    return moved;
}

/* ---- a fleet ---- */

int simulation_with_zones(int survivors, int zones)
{
    int n = survivors;
    while (zones > 1 && n - (n + zones - 1) / zones < survivors) n++;
    return n;
}

/* Floats of a normalized vector, of nine digits at most: 12.2 bytes with the comma.  Base64 is of float32. */
const simulation_format simulation_formats[SIMULATION_FORMATS] = {
    {"JSON", 12.2, offsetof(capacity, row_json)},
    {"base64 of float32", 16.0 / 3, offsetof(capacity, row_base64)},
    {"binary float32", 4, offsetof(capacity, row_binary)},
};
/* As `load` sends and the server replies: what is around the body. */
enum { HEAD_IN_BYTES = 120, HEAD_OUT_BYTES = 640 };

simulation_wire simulation_wire_of(const simulation_format *f, const capacity *c, double rate, double tokens,
                                   double rows, int dimensions)
{
    const capacity_cost *row = (const capacity_cost *)(const void *)((const char *)c + f->cost);
    const double body = SIMULATION_BODY_BYTES + tokens * SIMULATION_TOKEN_BYTES;
    const double ns = (double)c->parse_per_kib.median_ns * body / 1024 +
                      (double)c->tokenize_per_token.median_ns * tokens + (double)row->median_ns * rows;
    return (simulation_wire){.in_bits_per_s = 8 * rate * (HEAD_IN_BYTES + body),
                             .out_bits_per_s = 8 * rate * (HEAD_OUT_BYTES + rows * dimensions * f->float_bytes),
                             .cores = rate * ns * 1e-9};
}
