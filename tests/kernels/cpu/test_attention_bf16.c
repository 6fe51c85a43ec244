/* Attention on bfloat16 against its float64 loop, with every set of kernels that this machine runs. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kernels/cpu/amx.h"
#include "kernels/cpu/attention_bf16.h"
#include "kernels/half.h"
#include "tests/support/kernel_sets.h"

enum { HEADS = 2, HEAD = 1, BEFORE = 3, AFTER = 2 };
/* Two bfloat16 side by side between 1/2 and 1: rounded weights may tip an output over, not further. */
static const double STEP = 1.0 / 256;

static const uint16_t UNTOUCHED = 0x4640, NOT_A_NUMBER = 0x7fff;

static int any(void) { return 1; }
static int avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static int avx512bf16(void) { return avx512() && __builtin_cpu_supports("avx512bf16"); }
static int amx(void) { return avx512bf16() && amx_permitted(); }

typedef struct {
    const char *name;
    attention_bf16_run *run;
    int (*runs_here)(void);
} set;

static const set sets[] = {
    {"amx", attention_bf16_amx, amx},           {"avx512bf16", attention_bf16_avx512bf16, avx512bf16},
    {"avx512", attention_bf16_avx512, avx512},  {"avx2", attention_bf16_avx2, avx2},
    {"portable", attention_bf16_portable, any},
};

static void each(void (*check)(const set *k))
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (sets[i].runs_here()) check(&sets[i]);
        else printf(" (%s skipped: this machine lacks the instructions)", sets[i].name);
    }
}

/* Elements that end where the next page may not be touched: no sanitizer looks into a masked or a tile's load. */
typedef struct {
    uint16_t *p;
    void *pages;
    size_t n, bytes;
} fenced;

static fenced fenced_make(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (n * sizeof(uint16_t) + page - 1) / page * page;
    fenced f = {.n = n, .bytes = inner + page};
    f.pages = mmap(NULL, f.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.pages == MAP_FAILED || mprotect((char *)f.pages + inner, page, PROT_NONE)) abort();
    f.p = (uint16_t *)((char *)f.pages + inner) - n;
    return f;
}

/* One head of one sequence; whatever lies around it, in other heads, other sequences and the gaps, is NaN. */
typedef struct {
    attention_bf16 a;
    fenced qkv, out, want;
    void *scratch;
    int n;
} scene;

static uint16_t *at(const scene *s, int row, int part, int d) /* part 0, 1, 2: q, k, v */
{
    return s->qkv.p + (size_t)(BEFORE + row) * s->a.qkv_stride + (size_t)((part * HEADS + HEAD) * s->a.width + d);
}

static scene scene_make(int n, int width, float size)
{
    const size_t hidden = (size_t)(HEADS * width), rows = (size_t)(BEFORE + n + AFTER);
    scene s = {.n = n};
    s.a = (attention_bf16){.qkv_stride = 3 * hidden + 2, .out_stride = hidden + 3, .heads = HEADS, .width = width};
    s.qkv = fenced_make((rows - AFTER) * s.a.qkv_stride - 2); /* the last value of the last row is the last of all */
    s.out = fenced_make(rows * s.a.out_stride);
    s.want = fenced_make(rows * s.a.out_stride);
    float *random = random_floats(s.qkv.n, (unsigned)(n * 31 + width));
    for (size_t i = 0; i < s.qkv.n; i++) s.qkv.p[i] = NOT_A_NUMBER;
    for (int row = 0; row < n; row++)
        for (int d = 0; d < width; d++)
            for (int part = 0; part < 3; part++)
                *at(&s, row, part, d) = bf16_from_f32(size * random[(size_t)((row * 3 + part) * width + d)]);
    free(random);
    for (size_t i = 0; i < s.out.n; i++) s.out.p[i] = s.want.p[i] = UNTOUCHED;
    s.scratch = aligned_alloc(64, attention_bf16_scratch_bytes(n, width));
    memset(s.scratch, 0xff, attention_bf16_scratch_bytes(n, width));
    s.a.qkv = s.qkv.p;
    return s;
}

static void scene_free(scene *s)
{
    munmap(s->qkv.pages, s->qkv.bytes);
    munmap(s->out.pages, s->out.bytes);
    munmap(s->want.pages, s->want.bytes);
    free(s->scratch);
}

static void run(const set *k, scene *s, int block)
{
    s->a.out = s->out.p;
    for (int query = 0; query < s->n; query += block) {
        const int end = query + block < s->n ? query + block : s->n;
        k->run(&s->a, (attention_bf16_part){BEFORE, s->n, HEAD, HEAD + 1, query, end}, s->scratch);
    }
}

/* The largest difference; infinite where a number is touched that is not the head's own. */
static double worst(scene *s)
{
    const size_t first = (size_t)(HEAD * s->a.width);
    double most = 0;
    for (size_t i = 0; i < s->out.n; i++) {
        const size_t row = i / s->a.out_stride, column = i % s->a.out_stride;
        const int own =
            row >= BEFORE && row < (size_t)(BEFORE + s->n) && column >= first && column < first + (size_t)s->a.width;
        double d = fabs((double)bf16_to_f32(s->out.p[i]) - (double)bf16_to_f32(s->want.p[i]));
        if (!own) d = s->out.p[i] == UNTOUCHED ? 0 : INFINITY;
        if (!(d <= most)) most = isnan(d) ? INFINITY : d; /* NaN would be forgotten with the next */
    }
    return most;
}

/* The truth does all heads; worst() looks at one. */
static void plain(scene *s)
{
    s->a.out = s->want.p;
    attention_bf16_plain(&s->a, BEFORE, s->n);
}

static void check_lengths(const set *k)
{
    static const int lengths[] = {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 300};
    static const int widths[] = {32, 64, 128, 20, 8, 5, 1, 33};
    int wrong = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
            if (lengths[i] > 128 && (*BEELINE_SANITIZED || widths[j] > 33)) continue; /* the truth takes long */
            scene s = scene_make(lengths[i], widths[j], 1);
            plain(&s);
            run(k, &s, lengths[i]);
            if (!(worst(&s) <= STEP) && wrong++ == 0)
                printf(" (%s: n %d, width %d: %g)", k->name, lengths[i], widths[j], worst(&s));
            scene_free(&s);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_long(const set *k)
{
    scene s = scene_make(*BEELINE_SANITIZED ? 150 : 512, 32, 1);
    plain(&s);
    run(k, &s, 128);
    CU_ASSERT(worst(&s) <= STEP / 4); /* the means of many values are small */
    scene_free(&s);
}

static void check_one_token(const set *k)
{
    scene s = scene_make(1, 32, 1);
    plain(&s);
    run(k, &s, 1);
    CU_ASSERT_EQUAL(worst(&s), 0);
    scene_free(&s);
}

static void check_blocks(const set *k)
{
    static const int blocks[] = {1, 7, 16, 32, 48};
    scene s = scene_make(61, 32, 1);
    uint16_t *whole = malloc(s.out.n * sizeof *whole);
    run(k, &s, 61);
    memcpy(whole, s.out.p, s.out.n * sizeof *whole);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        for (size_t j = 0; j < s.out.n; j++) s.out.p[j] = UNTOUCHED;
        run(k, &s, blocks[i]);
        CU_ASSERT_EQUAL(memcmp(whole, s.out.p, s.out.n * sizeof *whole), 0);
    }
    free(whole);
    scene_free(&s);
}

/* The head before it is all NaN, and so is then what it leaves in the scratch. */
static void check_heads(const set *k)
{
    scene s = scene_make(37, 32, 1);
    uint16_t *alone = malloc(s.out.n * sizeof *alone);
    int wrong = 0;
    run(k, &s, 37);
    memcpy(alone, s.out.p, s.out.n * sizeof *alone);
    for (size_t i = 0; i < s.out.n; i++) s.out.p[i] = UNTOUCHED;
    k->run(&s.a, (attention_bf16_part){BEFORE, 37, 0, HEADS, 0, 37}, s.scratch);
    for (size_t i = 0; i < s.out.n; i++) {
        const size_t row = i / s.a.out_stride, column = i % s.a.out_stride;
        if (row >= BEFORE && row < BEFORE + 37 && column < (size_t)(HEAD * 32))
            wrong += !isnan(bf16_to_f32(s.out.p[i]));
        else wrong += s.out.p[i] != alone[i];
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(alone);
    scene_free(&s);
}

/* Scores of several hundred: e^score alone would be infinite, and the softmax is nearly one key. */
static void check_large_scores(const set *k)
{
    scene s = scene_make(40, 32, 12);
    plain(&s);
    run(k, &s, 40);
    CU_ASSERT(worst(&s) <= 16 * STEP); /* values up to 12 */
    scene_free(&s);
}

static void check_nan(const set *k)
{
    for (int part = 0; part < 3; part++) {
        scene s = scene_make(20, 16, 1);
        run(k, &s, 20);
        uint16_t *whole = malloc(s.out.n * sizeof *whole);
        memcpy(whole, s.out.p, s.out.n * sizeof *whole);
        *at(&s, 17, part, 3) = 0x7fc1;
        run(k, &s, 20);
        int bad = 0;
        for (int row = 0; row < s.n; row++)
            for (int d = 0; d < 16; d++) {
                const size_t i = (size_t)(BEFORE + row) * s.a.out_stride + (size_t)(HEAD * 16 + d);
                const int wanted = part == 1 || (part == 0 && row == 17) || (part == 2 && d == 3);
                if (wanted) bad += !isnan(bf16_to_f32(s.out.p[i]));
                else bad += s.out.p[i] != whole[i];
            }
        CU_ASSERT_EQUAL(bad, 0);
        free(whole);
        scene_free(&s);
    }
}

static void every_length_and_width(void) { each(check_lengths); }
static void the_longest_sequence(void) { each(check_long); }
static void one_token_is_its_own_value(void) { each(check_one_token); }
static void a_block_of_queries_has_the_bits_of_the_whole(void) { each(check_blocks); }
static void heads_together_are_as_alone(void) { each(check_heads); }
static void large_scores_do_not_overflow(void) { each(check_large_scores); }
static void nan_is_seen_where_it_counts(void) { each(check_nan); }

void attention_bf16_suite(CU_pSuite s)
{
    CU_add_test(s, "any length and head width agrees with float64 and touches no other row", every_length_and_width);
    CU_add_test(s, "512 tokens in blocks of 128 queries agree with float64", the_longest_sequence);
    CU_add_test(s, "one token's output is its value, unrounded", one_token_is_its_own_value);
    CU_add_test(s, "a query has the same bits in any block", a_block_of_queries_has_the_bits_of_the_whole);
    CU_add_test(s, "heads done together have the bits of each alone", heads_together_are_as_alone);
    CU_add_test(s, "scores of several hundred do not overflow", large_scores_do_not_overflow);
    CU_add_test(s, "a NaN is seen by whom it concerns, and by nobody else", nan_is_seen_where_it_counts);
}
