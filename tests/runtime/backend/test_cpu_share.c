/* Who computes what: nothing is lost or done twice, no thread has much more than another, and bits of texts are told. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "runtime/backend/cpu_share.h"

enum { MOST = 200 };

static int32_t   starts[MOST + 1];
static cpu_group group[MOST];
static uint64_t  order[MOST];

static const cpu_share_rules usual = {.threads = 2, .most_rows = 128, .area_rows = 1000, .tile_rows = 8,
                                      .row_cost = 100, .pair_cost = 1};

/* Lengths 1 to `longest`, by a congruence: another batch for another seed. */
static void make_starts(int S, int longest, uint32_t seed)
{
    for (int s = 0; s < S; s++) {
        seed = seed * 1664525u + 1013904223u;
        starts[s + 1] = starts[s] + 1 + (int)(seed >> 8) % longest;
    }
}

static int64_t cost(const cpu_share_rules *r, int rows, int length)
{
    return rows * (r->row_cost + r->pair_cost * length);
}

/* Returns whether they could be dealt out; if so, checks how. */
static bool check_whole(const cpu_share_rules *r, int S)
{
    cpu_share share = {.group = group, .order = order};
    int       seen[MOST] = {0}, wrong = 0, n = 0;
    int64_t   work[WORKERS_MOST] = {0}, all = 0;
    if (!cpu_share_whole(&share, r, starts, S)) return false;
    for (int i = 0; i < share.groups; i++) {
        const cpu_group *g = &group[i];
        int              rows = 0;
        wrong += g->n0 != n || g->n1 <= g->n0 || g->thread < 0 || g->thread >= r->threads;
        for (n = g->n0; n < g->n1; n++) {
            const int s = (int)(uint32_t)order[n], length = starts[s + 1] - starts[s];
            seen[s]++;
            rows += length;
            work[g->thread] += cost(r, length, length);
            all += cost(r, length, length);
        }
        wrong += rows > r->area_rows;
        wrong += i > 0 && g[-1].thread > g->thread; /* a thread's lie together */
    }
    wrong += n != S;
    for (int s = 0; s < S; s++) wrong += seen[s] != 1;
    for (int i = 0; i < r->threads; i++) wrong += work[i] * r->threads * 100 > all * 103;
    CU_ASSERT_EQUAL(wrong, 0);
    return true;
}

static void whole_sequences_are_dealt_out_evenly(void)
{
    int shared = 0, tried = 0;
    for (int threads = 1; threads <= 9; threads++)
        for (int S = 1; S <= MOST; S += 7, tried++) {
            cpu_share_rules r = usual;
            r.threads = threads;
            make_starts(S, 140, (uint32_t)(S * 31 + threads));
            shared += check_whole(&r, S);
        }
    CU_ASSERT(shared > tried / 2); /* else the checks above say little */
    make_starts(40, 140, 1);
    CU_ASSERT(check_whole(&usual, 40));
    cpu_share_rules wide = usual; /* texts as long as a model may have them */
    wide.area_rows = 1 << 20;
    for (int s = 0; s < 4; s++) starts[s + 1] = starts[s] + (1 << 20);
    CU_ASSERT(check_whole(&wide, 4));
}

static void what_cannot_be_even_is_told(void)
{
    cpu_share share = {.group = group, .order = order};
    for (int s = 0; s < 3; s++) starts[s + 1] = starts[s] + 64; /* two threads: 128 and 64 */
    CU_ASSERT(!cpu_share_whole(&share, &usual, starts, 3));
    starts[4] = starts[3] + 64;
    CU_ASSERT(cpu_share_whole(&share, &usual, starts, 4));
    cpu_share_rules small = usual;
    small.area_rows = 127; /* a group of two is one too many */
    CU_ASSERT(!cpu_share_whole(&share, &small, starts, 4));
    CU_ASSERT(!cpu_share_whole(&share, &usual, starts, 1));
}

/* 300 rows of one thread, at most 128 at once. */
static void groups_are_alike(void)
{
    cpu_share       share = {.group = group, .order = order};
    cpu_share_rules r = usual;
    r.threads = 1;
    for (int s = 0; s < 30; s++) starts[s + 1] = starts[s] + 10;
    CU_ASSERT(cpu_share_whole(&share, &r, starts, 30));
    CU_ASSERT_EQUAL(share.groups, 3);
    for (int i = 0; i < share.groups; i++) CU_ASSERT_EQUAL(group[i].n1 - group[i].n0, 10);
}

static void rounds_take_all_sequences(void)
{
    for (int longest = 1; longest <= 140; longest += 13) {
        int s0 = 0, rounds = 0;
        make_starts(MOST, longest, (uint32_t)longest);
        while (s0 < MOST) {
            const int s1 = cpu_share_round(&usual, starts, MOST, s0);
            CU_ASSERT(s1 > s0 && s1 <= MOST);
            CU_ASSERT(starts[s1] - starts[s0] <= usual.threads * usual.most_rows + longest / 2);
            s0 = s1;
            rounds++;
        }
        CU_ASSERT((rounds - 1) * (usual.threads * usual.most_rows - longest) <= starts[MOST]);
    }
}

/* The thread's work, row by row. */
static int64_t work_of(const cpu_share_rules *r, int s0, int row0, int row1)
{
    int64_t all = 0;
    for (int row = row0, s = s0; row < row1; row++) {
        while (starts[s + 1] - starts[s0] <= row) s++;
        all += cost(r, 1, starts[s + 1] - starts[s]);
    }
    return all;
}

static void rows_are_cut_evenly(void)
{
    int ends[WORKERS_MOST], wrong = 0, cuts = 0;
    for (int threads = 1; threads <= 9; threads++)
        for (int S = 1; S <= 12; S++) {
            cpu_share_rules r = usual;
            r.threads = threads;
            make_starts(S + 3, 140, (uint32_t)(S * 77 + threads));
            const int     T = starts[S + 3] - starts[3];
            const bool    cut = cpu_share_rows(ends, &r, starts, 3, S + 3);
            const int64_t all = work_of(&r, 3, 0, T), slack = 2 * r.tile_rows * cost(&r, 1, 140);
            bool          inside = false;
            for (int i = 0; i < threads; i++) {
                const int     row0 = i ? ends[i - 1] : 0;
                const int64_t work = work_of(&r, 3, row0, ends[i]);
                bool          at_end = false;
                wrong += ends[i] < row0 || ends[i] > T || (ends[i] < T && (ends[i] - row0) % r.tile_rows);
                wrong += work > all / threads + slack || (work < all / threads - slack && T > threads * 24);
                for (int s = 3; s <= S + 3; s++) at_end |= starts[s] - starts[3] == ends[i];
                inside |= !at_end;
            }
            wrong += ends[threads - 1] != T || inside != cut;
            cuts += cut;
        }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(cuts > 50);
    for (int s = 0; s < 4; s++) starts[s + 1] = starts[s] + 64;
    CU_ASSERT(!cpu_share_rows(ends, &usual, starts, 0, 4)); /* between two texts */
    CU_ASSERT_EQUAL(ends[0], 128);
    CU_ASSERT(cpu_share_rows(ends, &usual, starts, 0, 3));
    CU_ASSERT_EQUAL(ends[0], 96);
}

/* Attention makes rows of a long text dearer. */
static void long_texts_count_for_more(void)
{
    int ends[WORKERS_MOST];
    starts[1] = 512;
    starts[2] = 1024;
    for (int s = 2; s < 18; s++) starts[s + 1] = starts[s] + 64;
    cpu_share_rows(ends, &usual, starts, 0, 18);
    CU_ASSERT(ends[0] < 800);
}

void cpu_share_suite(CU_pSuite s)
{
    CU_add_test(s, "whole sequences are dealt out, each once, and the busiest thread has 3 % too much at most",
                whole_sequences_are_dealt_out_evenly);
    CU_add_test(s, "what cannot be dealt out evenly, or not within the workspace, is told", what_cannot_be_even_is_told);
    CU_add_test(s, "a thread's groups are few and alike", groups_are_alike);
    CU_add_test(s, "rounds take all sequences and are no larger than they may", rounds_take_all_sequences);
    CU_add_test(s, "rows are cut into equal work at a product's tiles, and a cut text is told", rows_are_cut_evenly);
    CU_add_test(s, "rows of a long text count for more", long_texts_count_for_more);
}
