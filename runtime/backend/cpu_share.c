#include "cpu_share.h"

enum {
    UNEVEN_PERCENT = 3, /* what meeting in every layer costs */
    THREAD_BIT = 55,    /* of a number of the order: above a length of up to 2^20 from bit 32 on */
};

static int length_of(const int32_t *starts, int s)
{
    return starts[s + 1] - starts[s];
}

/* Of some rows of a text. */
static int64_t cost_of(const cpu_share_rules *r, int rows, int length)
{
    return rows * (r->row_cost + r->pair_cost * length);
}

static int64_t costs_of(const cpu_share_rules *r, const int32_t *starts, int s0, int s1)
{
    int64_t all = 0;
    for (int s = s0; s < s1; s++) all += cost_of(r, length_of(starts, s), length_of(starts, s));
    return all;
}

/* ---- whole sequences ---- */

/* Shell's sort, by Knuth's gaps: qsort() may allocate. */
static void sort_descending(uint64_t *x, int n)
{
    int gap = 1;
    while (gap < n / 3) gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (int i = gap; i < n; i++) {
            const uint64_t moved = x[i];
            int            to = i;
            for (; to >= gap && x[to - gap] < moved; to -= gap) x[to] = x[to - gap];
            x[to] = moved;
        }
}

static int least_of(const int64_t *work, int threads)
{
    int least = 0;
    for (int i = 1; i < threads; i++) least = work[i] < work[least] ? i : least;
    return least;
}

/* The longest first, each to the thread that has least (Graham's LPT rule); *most: what the busiest has. */
static void deal(cpu_share *out, const cpu_share_rules *r, const int32_t *starts, int S, int64_t *most)
{
    int64_t work[WORKERS_MOST] = {0};
    for (int s = 0; s < S; s++) out->order[s] = (uint64_t)length_of(starts, s) << 32 | (uint32_t)s;
    sort_descending(out->order, S);
    *most = 0;
    for (int n = 0; n < S; n++) {
        const int thread = least_of(work, r->threads), length = (int)(out->order[n] >> 32);
        work[thread] += cost_of(r, length, length);
        if (work[thread] > *most) *most = work[thread];
        out->order[n] = (uint64_t)(r->threads - thread) << THREAD_BIT | out->order[n];
    }
    sort_descending(out->order, S);
}

static int thread_of(const cpu_share *share, const cpu_share_rules *r, int n)
{
    return r->threads - (int)(share->order[n] >> THREAD_BIT);
}

static int rows_of(const cpu_share *share, const int32_t *starts, int n)
{
    return length_of(starts, (int)(uint32_t)share->order[n]);
}

/* Numbers n0..n1, of one thread: as few groups as may be, of about as many rows each.  Returns what the largest has. */
static int make_groups(cpu_share *out, const cpu_share_rules *r, const int32_t *starts, int n0, int n1)
{
    int rows = 0, before = 0, begin = 0, largest = 0;
    for (int n = n0; n < n1; n++) rows += rows_of(out, starts, n);
    const int groups = (rows + r->most_rows - 1) / r->most_rows;
    for (int n = n0, made = 0; n < n1; n++) {
        const int own = rows_of(out, starts, n);
        if (n == n0 || (int64_t)(before + own / 2) * groups >= (int64_t)rows * made) {
            out->group[out->groups++] = (cpu_group){.n0 = n, .thread = thread_of(out, r, n)};
            begin = before;
            made++;
        }
        out->group[out->groups - 1].n1 = n + 1;
        before += own;
        if (before - begin > largest) largest = before - begin;
    }
    return largest;
}

bool cpu_share_whole(cpu_share *out, const cpu_share_rules *r, const int32_t *starts, int S)
{
    int64_t most;
    int     largest = 0;
    deal(out, r, starts, S, &most);
    if (most * r->threads * 100 > costs_of(r, starts, 0, S) * (100 + UNEVEN_PERCENT)) return false;
    out->groups = 0;
    for (int n0 = 0, n1; n0 < S; n0 = n1) {
        for (n1 = n0 + 1; n1 < S && thread_of(out, r, n1) == thread_of(out, r, n0);) n1++;
        const int rows = make_groups(out, r, starts, n0, n1);
        if (rows > largest) largest = rows;
    }
    return largest <= r->area_rows;
}

/* ---- rows ---- */

int cpu_share_round(const cpu_share_rules *r, const int32_t *starts, int S, int s0)
{
    const int left = starts[S] - starts[s0], most = r->threads * r->most_rows, rounds = (left + most - 1) / most;
    int       s1 = s0 + 1;
    while (s1 < S && ((int64_t)starts[s1] + starts[s1 + 1] - 2 * starts[s0]) * rounds < 2 * (int64_t)left) s1++;
    return s1;
}

/* The row before which there is as much to do.  *s and *before move on to its sequence and what comes before that. */
static int row_at(const cpu_share_rules *r, const int32_t *starts, int64_t until, int *s, int64_t *before)
{
    for (;; ++*s) {
        const int     n = length_of(starts, *s);
        const int64_t all = cost_of(r, n, n);
        if (*before + all >= until) return starts[*s] + (int)((until - *before) / cost_of(r, 1, n));
        *before += all;
    }
}

bool cpu_share_rows(int *ends, const cpu_share_rules *r, const int32_t *starts, int s0, int s1)
{
    const int64_t all = costs_of(r, starts, s0, s1);
    const int     T = starts[s1] - starts[s0];
    int64_t       before = 0;
    int           row = 0, at = s0, next = s0;
    bool          cut = false;
    for (int i = 0; i < r->threads; i++) {
        if (i < r->threads - 1) {
            const int rows = row_at(r, starts, all * (i + 1) / r->threads, &at, &before) - starts[s0] - row;
            row += (rows + r->tile_rows / 2) / r->tile_rows * r->tile_rows;
        }
        if (i == r->threads - 1 || row > T) row = T;
        while (starts[next] - starts[s0] < row) next++;
        cut = cut || starts[next] - starts[s0] != row;
        ends[i] = row;
    }
    return cut;
}
