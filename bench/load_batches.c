#include "load_batches.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The value of a line that begins with `series`; *label: what follows it up to the next quote, "" where nothing does.
 * false: another line. */
static bool sample(const char *line, const char *series, char label[LOAD_TRIGGER_NAME], double *value)
{
    const size_t n = strlen(series);
    if (strncmp(line, series, n)) return false;
    const size_t length = series[n - 1] == '"' ? strcspn(line + n, "\"\n") : 0;
    if (length >= LOAD_TRIGGER_NAME || (!length && line[n] != ' ' && line[n] != '{')) return false;
    memcpy(label, line + n, length);
    label[length] = 0;
    const char *space = line + strcspn(line, " \n");
    char *end;
    if (*space != ' ') return false;
    *value = strtod(space + 1, &end);
    return end > space + 1;
}

static void take_line(load_batches *b, const char *line, double *below)
{
    char label[LOAD_TRIGGER_NAME];
    double value;
    if (sample(line, "beeline_batches_total{trigger=\"", label, &value) && b->n_triggers < LOAD_TRIGGERS) {
        strcpy(b->triggers[b->n_triggers].name, label);
        b->triggers[b->n_triggers++].batches = value;
    } else if (sample(line, "beeline_batch_tokens_bucket{le=\"", label, &value) && b->n_buckets < LOAD_BUCKETS) {
        b->buckets[b->n_buckets].most = strtod(label, NULL); /* "+Inf" too */
        b->buckets[b->n_buckets++].batches = value - *below;
        *below = value;
    } else if (sample(line, "beeline_batch_tokens_sum", label, &value)) {
        b->tokens = value;
    } else if (sample(line, "beeline_batch_tokens_count", label, &value)) {
        b->batches = value;
    } else if (sample(line, "beeline_batch_sequences_sum", label, &value)) {
        b->sequences = value;
    } else if (sample(line, "beeline_gpu_busy_seconds_total", label, &value)) {
        b->busy_s = value;
    }
}

status load_batches_read(load_batches *out, const char *metrics, error *err)
{
    double below = 0; /* a bucket of Prometheus has those before it in it */
    *out = (load_batches){.batches = NAN, .sequences = NAN, .tokens = NAN, .busy_s = NAN};
    for (const char *line = metrics; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        take_line(out, line, &below);
    if (out->n_triggers && out->n_buckets && !isnan(out->batches + out->sequences + out->tokens)) return OK;
    const char *missing = out->n_triggers ? "beeline_batch_tokens" : "beeline_batches_total";
    *out = (load_batches){0};
    return fail(err, BAD_INPUT, "/metrics has no %s: wanted a beeline's", missing);
}

status load_batches_since(load_batches *b, const load_batches *before, error *err)
{
    const bool same = b->n_triggers == before->n_triggers && b->n_buckets == before->n_buckets;
    if (!same || b->batches < before->batches)
        return fail(err, BAD_INPUT,
                    "/metrics counts %.0f batches after the run and %.0f before it: the server was started anew",
                    b->batches, before->batches);
    b->batches -= before->batches;
    b->sequences -= before->sequences;
    b->tokens -= before->tokens;
    b->busy_s -= before->busy_s;
    for (int i = 0; i < b->n_triggers; i++) b->triggers[i].batches -= before->triggers[i].batches;
    for (int i = 0; i < b->n_buckets; i++) b->buckets[i].batches -= before->buckets[i].batches;
    return OK;
}
