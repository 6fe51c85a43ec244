/* service.c - the rows of one count of tokens are a `group`: one row, or the one with few and the one with many
 * sequences.  A group's time is linear between its rows and the nearer row's outside; t is then linear from group to
 * group.  service_check() sees to it that no group is anywhere faster than the one before, so t never falls as tokens
 * rise. */
#include "service.h"
#include <math.h>
#include <stdbool.h>

/* Of a new batch in the factor: after ten of them two thirds of a change are known. */
static const double LEARN_RATE = 0.1;
/* One batch that took 100 times as long, as the machine was asleep, counts as 8 times. */
static const double RATIO_MIN = 1.0 / 8, RATIO_MAX = 8;

static double at_group(const service_table *t, int row, int sequences)
{
    const service_row *few = &t->row[row], *many = few + 1;
    if (row + 1 == t->n || many->tokens != few->tokens || sequences <= few->sequences) return (double)few->median_ns;
    if (sequences >= many->sequences) return (double)many->median_ns;
    double share = (double)(sequences - few->sequences) / (many->sequences - few->sequences);
    return (double)few->median_ns + share * (double)(many->median_ns - few->median_ns);
}

/* The first row of the group before the one that begins at `row`; -1: none. */
static int group_before(const service_table *t, int row)
{
    if (row == 0) return -1;
    return row >= 2 && t->row[row - 2].tokens == t->row[row - 1].tokens ? row - 2 : row - 1;
}

static int group_after(const service_table *t, int row)
{
    return row + 1 < t->n && t->row[row + 1].tokens == t->row[row].tokens ? row + 2 : row + 1;
}

static status check_row(const service_table *t, int i, error *err)
{
    const service_row *r = &t->row[i];
    if (r->sequences < 1 || r->tokens < r->sequences || r->median_ns < 1 || r->spread_ns < 0)
        return fail(err, BAD_INPUT,
                    "service time %d: %d tokens in %d sequences take %lld ns, spread %lld: 1 <= sequences <= tokens, a "
                    "time of at least 1 ns and a spread of at least 0 are needed",
                    i, r->tokens, r->sequences, (long long)r->median_ns, (long long)r->spread_ns);
    if (i == 0 || r[-1].tokens < r->tokens) return OK;
    if (r[-1].tokens > r->tokens || r[-1].sequences >= r->sequences)
        return fail(err, BAD_INPUT, "service time %d: %d tokens in %d sequences come after %d in %d", i, r->tokens,
                    r->sequences, r[-1].tokens, r[-1].sequences);
    if (i >= 2 && r[-2].tokens == r->tokens)
        return fail(err, BAD_INPUT, "service time %d is the third for %d tokens, at most 2 are used", i, r->tokens);
    return OK;
}

/* Both groups are linear but for their rows, so it is enough to look there. */
static status check_rise(const service_table *t, int before, int row, error *err)
{
    for (int i = before; i < group_after(t, row); i++) {
        int sequences = t->row[i].sequences;
        double then = at_group(t, before, sequences), now = at_group(t, row, sequences);
        if (now < then)
            return fail(err, BAD_INPUT,
                        "service time %d: with %d sequences %d tokens take %.0f ns, less than the %.0f ns of %d tokens",
                        row, sequences, t->row[row].tokens, now, then, t->row[before].tokens);
    }
    return OK;
}

status service_check(const service_table *t, error *err)
{
    if (t->n < 1 || t->n > SERVICE_ROWS_MAX)
        return fail(err, BAD_INPUT, "%d service times, 1 to %d are needed", t->n, SERVICE_ROWS_MAX);
    for (int i = 0; i < t->n; i++) {
        status rc = check_row(t, i, err);
        if (rc != OK) return rc;
    }
    for (int before = 0, row; (row = group_after(t, before)) < t->n; before = row) {
        status rc = check_rise(t, before, row, err);
        if (rc != OK) return rc;
    }
    return OK;
}

void service_seed(service_model *m, const service_table *t)
{
    *m = (service_model){.table = *t};
    for (int i = 0; i < SERVICE_OCTAVES; i++) m->factor[i] = 1;
}

/* t at `tokens` on the line through two groups. */
static double on_line(const service_table *t, int a, int b, int tokens, int sequences)
{
    double from = at_group(t, a, sequences), to = at_group(t, b, sequences);
    return from + (to - from) * (tokens - t->row[a].tokens) / (t->row[b].tokens - t->row[a].tokens);
}

static double calibrated(const service_table *t, int tokens, int sequences)
{
    int after = 0; /* the first group of at least `tokens` */
    while (after < t->n && t->row[after].tokens < tokens) after++;
    int before = group_before(t, after);
    if (after < t->n && before >= 0) return on_line(t, before, after, tokens, sequences);
    if (after == t->n) {
        int last = group_before(t, before);
        if (last >= 0) return on_line(t, last, before, tokens, sequences);
        return at_group(t, before, sequences) * tokens / t->row[before].tokens;
    }
    /* Below the first: the line goes on to the fixed cost.  Where times grow faster than tokens it would lead below
     * zero; in proportion is the least.  A single group does not tell the fixed cost: it may be all. */
    int second = group_after(t, 0);
    if (second >= t->n) return at_group(t, 0, sequences);
    return fmax(at_group(t, 0, sequences) * tokens / t->row[0].tokens, on_line(t, 0, second, tokens, sequences));
}

static int64_t whole_ns(double ns) { return ns < 1 ? 1 : ns < 1e18 ? (int64_t)ns : (int64_t)1e18; }

static int octave(int tokens)
{
    int i = 0;
    while (i < SERVICE_OCTAVES - 1 && tokens >> (i + 1)) i++;
    return i;
}

int64_t service_calibrated_ns(const service_model *m, int tokens, int sequences)
{
    return whole_ns(calibrated(&m->table, tokens, sequences));
}

int64_t service_predict_ns(const service_model *m, int tokens, int sequences)
{
    return whole_ns(calibrated(&m->table, tokens, sequences) * m->factor[octave(tokens)]);
}

/* An octave without a batch of its own goes with the nearest that had one, the smaller of two: a machine that is slow
 * with 100 tokens is slow with 200. */
static void spread(service_model *m, int from, int step)
{
    int end = from + step, reach = 0;
    while (end >= 0 && end < SERVICE_OCTAVES && !(m->learned & 1u << end)) end += step;
    reach = (end - from) * step - 1; /* octaves without one */
    if (end >= 0 && end < SERVICE_OCTAVES)
        reach = step > 0 ? (reach + 1) / 2 : reach / 2; /* the others are nearer there */
    for (int i = 1; i <= reach; i++) m->factor[from + i * step] = m->factor[from];
}

void service_learn(service_model *m, int tokens, int sequences, int64_t took_ns)
{
    const int at = octave(tokens);
    const double ratio = (double)took_ns / (double)service_calibrated_ns(m, tokens, sequences);
    m->factor[at] += LEARN_RATE * (fmin(fmax(ratio, RATIO_MIN), RATIO_MAX) - m->factor[at]);
    m->learned |= 1u << at;
    m->batches++;
    spread(m, at, -1);
    spread(m, at, 1);
}

static bool within(const service_model *m, int64_t limit_ns, int length, int tokens)
{
    return service_predict_ns(m, tokens, (tokens + length - 1) / length) <= limit_ns;
}

int service_tokens_within(const service_model *m, int64_t limit_ns, int length, int least, int most)
{
    if (within(m, limit_ns, length, most)) return most;
    if (!within(m, limit_ns, length, least)) return least;
    while (most - least > 1) { /* `least` is within, `most` is not */
        int middle = least + (most - least) / 2;
        if (within(m, limit_ns, length, middle)) least = middle;
        else most = middle;
    }
    return least;
}
