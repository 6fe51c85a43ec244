#include "load_tally.h"
#include <stdlib.h>
#include <string.h>

status load_tally_open(load_tally **out, error *err)
{
    load_tally *t = *out = calloc(1, sizeof *t);
    if (!t) return fail(err, NO_MEMORY, "no memory for %zu bytes of counters", sizeof *t);
    t->n_rows = 1;
    t->retry_after_least_s = t->retry_after_most_s = -1;
    return OK;
}

void load_tally_close(load_tally *t) { free(t); }

static void take_stages(load_tally *t, const load_reply *r)
{
    for (int i = 0; i < r->n_stages; i++) {
        int at = 0;
        while (at < t->n_stages && strcmp(t->stages[at].name, r->stages[i].name)) at++;
        if (at == LOAD_STAGES) continue;
        if (at == t->n_stages) strcpy(t->stages[t->n_stages++].name, r->stages[i].name);
        t->stages[at].total_ns += r->stages[i].ns;
        histogram_sum_record(&t->stages[at].sum, r->stages[i].ns);
    }
}

void load_tally_reply(load_tally *t, const load_reply *r, int64_t intended_ns, int64_t service_ns, bool in_time)
{
    int at = 1;
    while (at < t->n_rows && t->rows[at].code != r->code) at++;
    if (at == LOAD_CODES) {
        t->malformed++;
        return;
    }
    if (at == t->n_rows) t->rows[t->n_rows++].code = r->code;
    t->rows[at].n++;
    load_latency_record(&t->rows[at].intended, intended_ns);
    load_latency_record(&t->rows[at].service, service_ns);
    if (r->retry_after_s >= 0) {
        if (t->retry_after_least_s < 0 || r->retry_after_s < t->retry_after_least_s)
            t->retry_after_least_s = r->retry_after_s;
        if (r->retry_after_s > t->retry_after_most_s) t->retry_after_most_s = r->retry_after_s;
    }
    if (r->code != 200) return;
    take_stages(t, r);
    if (!in_time) return;
    t->served_in_time++;
    t->tokens_in_time += r->compute_tokens;
}

void load_tally_unanswered(load_tally *t, int64_t intended_ns, int64_t service_ns)
{
    t->rows[0].n++;
    load_latency_record(&t->rows[0].intended, intended_ns);
    if (service_ns >= 0) load_latency_record(&t->rows[0].service, service_ns);
}
