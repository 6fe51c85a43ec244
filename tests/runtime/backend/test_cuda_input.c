/* The input block of the CUDA backend: buckets, the list of attention work and its worst length, the layout. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/cuda_input.h"

enum { MOST_TOKENS = 8192, TILE = ATTENTION_TILE };

static int32_t ids[MOST_TOKENS], starts[MOST_TOKENS + 1];
static int8_t  types[MOST_TOKENS];
static uint8_t normalize[MOST_TOKENS];
static _Alignas(16) unsigned char block[1 << 18];

static unsigned random_state;

static int random_below(int n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int)((random_state >> 8) % (unsigned)n);
}

static batch pack(const int *lengths, int n)
{
    batch in = {.S = n, .ids = ids, .types = types, .starts = starts, .normalize = normalize};
    for (int s = 0; s < n; s++) {
        for (int i = 0; i < lengths[s]; i++, in.T++) {
            ids[in.T] = 1000 * s + i;
            types[in.T] = (int8_t)(i & 1);
        }
        starts[s + 1] = in.T;
        normalize[s] = (uint8_t)(s % 2);
        if (lengths[s] > in.longest) in.longest = lengths[s];
    }
    return in;
}

static cuda_input fill(const batch *in)
{
    const cuda_input_layout l = cuda_input_layout_of(in->T, in->S);
    CU_ASSERT_FATAL(l.bytes <= sizeof block);
    memset(block, 0xee, sizeof block);
    cuda_input_fill(&l, block, in);
    for (size_t i = l.bytes; i < sizeof block; i++)
        if (block[i] != 0xee) {
            CU_FAIL("a byte beyond the block was written");
            break;
        }
    return cuda_input_at(&l, block);
}

/* ---- buckets ---- */

static void buckets_are_these(void)
{
    static const int start[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
    int got[64];
    CU_ASSERT_EQUAL(cuda_input_buckets(1024, got, 64), 12);
    CU_ASSERT_EQUAL(memcmp(got, start, sizeof start), 0);
    const int n = cuda_input_buckets(5000, got, 64);
    CU_ASSERT_EQUAL(n, 10 + 14 + 2);
    CU_ASSERT(got[23] == 4096 && got[24] == 4608 && got[25] == 5008);
    CU_ASSERT_EQUAL(cuda_input_buckets(1, got, 64), 1);
    CU_ASSERT_EQUAL(got[0], 16);
    CU_ASSERT(cuda_input_buckets(100, got, 64) == 6 && got[5] == 112);
    CU_ASSERT(cuda_input_buckets(512, got, 64) == 10 && got[9] == 512);
    CU_ASSERT_EQUAL(cuda_input_buckets(5000, NULL, 0), 26);
    got[1] = -1;
    CU_ASSERT(cuda_input_buckets(5000, got, 1) == 26 && got[1] == -1);
}

/* ---- the list of work ---- */

static bool is_work(cuda_attention_work w, int query0, int key0, int queries, int keys)
{
    return w.query0 == query0 && w.key0 == key0 && w.queries == queries && w.keys == keys;
}

static void short_neighbours_share_an_item_and_long_ones_are_tiled(void)
{
    const int  lengths[] = {10, 54, 1, 130, 64, 3, 65, 2};
    const batch in = pack(lengths, 8);
    const cuda_input at = fill(&in);
    CU_ASSERT_EQUAL_FATAL(at.header->work_items, 10);
    CU_ASSERT(is_work(at.work[0], 65, 65, 64, 130));
    CU_ASSERT(is_work(at.work[1], 129, 65, 64, 130));
    CU_ASSERT(is_work(at.work[2], 193, 65, 2, 130));
    CU_ASSERT(is_work(at.work[3], 262, 262, 64, 65));
    CU_ASSERT(is_work(at.work[4], 326, 262, 1, 65));
    CU_ASSERT(is_work(at.work[5], 0, 0, 64, 64));
    CU_ASSERT(is_work(at.work[6], 195, 195, 64, 64));
    CU_ASSERT(is_work(at.work[7], 259, 259, 3, 3));
    CU_ASSERT(is_work(at.work[8], 327, 327, 2, 2));
    CU_ASSERT(is_work(at.work[9], 64, 64, 1, 1));
}

/* Every query once, with exactly the keys that its item should see. */
static void check_cover(const batch *in)
{
    static uint8_t seen[MOST_TOKENS];
    const cuda_input at = fill(in);
    memset(seen, 0, sizeof seen);
    CU_ASSERT(at.header->work_items <= cuda_input_worst_work(in->T, in->S));
    bool good = true;
    for (int i = 0; i < at.header->work_items; i++) {
        const cuda_attention_work w = at.work[i];
        good = good && w.queries >= 1 && w.queries <= TILE && w.keys >= w.queries && w.query0 >= w.key0 &&
               w.query0 + w.queries <= w.key0 + w.keys && (i == 0 || at.work[i - 1].keys >= w.keys);
        for (int q = w.query0; good && q < w.query0 + w.queries; q++) {
            const int s = at.sequence[q];
            seen[q]++;
            good = in->starts[s] >= w.key0 && in->starts[s + 1] <= w.key0 + w.keys &&
                   (w.keys <= TILE || (in->starts[s] == w.key0 && in->starts[s + 1] == w.key0 + w.keys));
        }
    }
    for (int t = 0; t < in->T; t++) good = good && seen[t] == 1 && in->starts[at.sequence[t]] <= t &&
                                           t < in->starts[at.sequence[t] + 1];
    CU_ASSERT(good);
}

static void random_batches_are_covered_within_the_worst(void)
{
    static int lengths[MOST_TOKENS];
    random_state = 5;
    for (int round = 0; round < 3000; round++) {
        const int most = 1 + random_below(round % 10 ? 600 : MOST_TOKENS);
        const int longest = 1 + random_below(round % 3 ? 140 : 600);
        int n = 0;
        for (int T = 0; T < most; T += lengths[n++]) {
            lengths[n] = 1 + random_below(longest);
            if (round % 4 == 0) lengths[n] = n % 2 ? 65 : 1; /* where the worst lies */
            if (lengths[n] > most - T) lengths[n] = most - T;
        }
        const batch in = pack(lengths, n);
        check_cover(&in);
    }
}

/* The same question asked of every batch: the most items of `tokens` more tokens in `sequences` more sequences when the
 * run under way has `run` tokens. */
enum { DP_TOKENS = 270, DP_SEQUENCES = 9 };
static int16_t best[DP_TOKENS + 1][DP_SEQUENCES + 1][TILE + 1];

static void search_all(void)
{
    for (int T = 1; T <= DP_TOKENS; T++)
        for (int S = 1; S <= DP_SEQUENCES; S++)
            for (int run = 0; run <= TILE; run++) {
                int most = 0;
                for (int n = 1; n <= T; n++) {
                    int items = n > TILE ? (n + TILE - 1) / TILE + best[T - n][S - 1][0]
                                : run && run + n <= TILE ? best[T - n][S - 1][run + n] : 1 + best[T - n][S - 1][n];
                    if (items > most) most = items;
                }
                best[T][S][run] = (int16_t)most;
            }
}

static void the_worst_is_exact(void)
{
    search_all();
    int wrong = 0;
    for (int T = 1; T <= DP_TOKENS; T++)
        for (int S = 1; S <= DP_SEQUENCES && S <= T; S++) wrong += cuda_input_worst_work(T, S) != best[T][S][0];
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(cuda_input_worst_work(16, 16), 1); /* a small bucket launches no idle blocks */
    CU_ASSERT_EQUAL(cuda_input_worst_work(64, 64), 1);
    CU_ASSERT_EQUAL(cuda_input_worst_work(67, 67), 4);
    CU_ASSERT_EQUAL(cuda_input_worst_work(8192, 1), 128);
}

/* ---- the block ---- */

static void the_block_holds_the_batch(void)
{
    const int  lengths[] = {3, 100, 1};
    const batch in = pack(lengths, 3);
    const cuda_input at = fill(&in);
    CU_ASSERT(at.header->T == 104 && at.header->S == 3 && at.header->zero == 0);
    CU_ASSERT_EQUAL(memcmp(at.starts, starts, 4 * sizeof *starts), 0);
    CU_ASSERT_EQUAL(memcmp(at.ids, ids, 104 * sizeof *ids), 0);
    CU_ASSERT_EQUAL(memcmp(at.types, types, 104), 0);
    CU_ASSERT_EQUAL(memcmp(at.normalize, normalize, 3), 0);
    CU_ASSERT(at.sequence[0] == 0 && at.sequence[2] == 0 && at.sequence[3] == 1 && at.sequence[102] == 1 &&
              at.sequence[103] == 2);
    batch plain = in;
    plain.types = NULL;
    const cuda_input zeros = fill(&plain);
    for (int t = 0; t < 104; t++) CU_ASSERT_EQUAL(zeros.types[t], 0);
}

static void parts_are_aligned_and_do_not_overlap(void)
{
    for (int tokens = 1; tokens <= 700; tokens += 7)
        for (int sequences = 1; sequences <= tokens; sequences += 13) {
            const cuda_input_layout l = cuda_input_layout_of(tokens, sequences);
            const size_t T = (size_t)tokens, S = (size_t)sequences;
            const size_t at[] = {0, l.starts, l.ids, l.sequence, l.types, l.normalize, l.work, l.bytes};
            const size_t size[] = {sizeof(cuda_input_header), (S + 1) * 4, T * 4, T * 4, T, S,
                                   (size_t)l.work_items * sizeof(cuda_attention_work)};
            bool good = l.bytes % 16 == 0;
            for (int i = 0; i < 7; i++) good = good && at[i] % 16 == 0 && at[i] + size[i] <= at[i + 1];
            CU_ASSERT(good);
        }
}

void cuda_input_suite(CU_pSuite s)
{
    CU_add_test(s, "buckets are 16, 32, 48, ... and end at the largest batch, up to a multiple of 16",
                buckets_are_these);
    CU_add_test(s, "short neighbours share an item of attention, long sequences are tiled, most keys come first",
                short_neighbours_share_an_item_and_long_ones_are_tiled);
    CU_add_test(s, "3000 random batches: each query is worked on once, with its keys, within the worst number of items",
                random_batches_are_covered_within_the_worst);
    CU_add_test(s, "the worst number of items is exact: every batch of up to 270 tokens was searched",
                the_worst_is_exact);
    CU_add_test(s, "the block holds the batch; no types are all 0", the_block_holds_the_batch);
    CU_add_test(s, "parts begin on 16 bytes and do not overlap", parts_are_aligned_and_do_not_overlap);
}
