/* peak.c - loops of independent multiply-adds that touch no memory.
 *
 * Fourteen sums hide a latency of four to seven cycles on two units, and four tiles that of AMX.  fp32 values converge to
 * 1, so nothing overflows or becomes denormal; the other loops multiply zeros.  The result is kept by an empty asm
 * statement, or the compiler would drop the loop. */
#include "peak.h"
#include <immintrin.h>
#include <string.h>
#include "runtime/base/clock.h"

enum { SUMS = 14, STEPS = 400000, AMX_STEPS = 40000, TASKS_PER_THREAD = 4, ROUNDS = 12 };

#define KEEP(x) __asm__ volatile("" : "+v"(x));
#define EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13)

/* start: what the sums and the factor begin as; step(sum, factor): the next sum. */
#define LOOP(type, start, step)                                                          \
    (void)context, (void)task, (void)worker;                                             \
    type       sums[SUMS];                                                               \
    const type factor = (start);                                                         \
    for (int i = 0; i < SUMS; i++) sums[i] = factor;                                     \
    for (int n = 0; n < STEPS; n++) { EACH(step) }

typedef void spin(void *context, int task, int worker);

__attribute__((target("avx512f"))) static void spin_avx512(void *context, int task, int worker)
{
#define STEP(i) sums[i] = _mm512_fmadd_ps(sums[i], factor, factor); KEEP(sums[i])
    LOOP(__m512, _mm512_set1_ps(0.5f), STEP)
#undef STEP
}

__attribute__((target("avx2,fma"))) static void spin_avx2(void *context, int task, int worker)
{
#define STEP(i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor); KEEP(sums[i])
    LOOP(__m256, _mm256_set1_ps(0.5f), STEP)
#undef STEP
}

static void spin_portable(void *context, int task, int worker)
{
#define STEP(i) sums[i] = _mm_add_ps(_mm_mul_ps(sums[i], factor), factor); KEEP(sums[i])
    LOOP(__m128, _mm_set1_ps(0.5f), STEP)
#undef STEP
}

__attribute__((target("avx512f,avx512bf16"))) static void spin_bf16(void *context, int task, int worker)
{
#define STEP(i) __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(sums[i]) : "v"(factor));
    LOOP(__m512, _mm512_setzero_ps(), STEP)
#undef STEP
}

__attribute__((target("avx512f,avx512vnni"))) static void spin_vnni(void *context, int task, int worker)
{
#define STEP(i) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(sums[i]) : "v"(factor)); /* an intrinsic is copied about */
    LOOP(__m512i, _mm512_setzero_si512(), STEP)
#undef STEP
}

/* vpmaddwd and the addition that it needs. */
__attribute__((target("avx2"))) static void spin_words(void *context, int task, int worker)
{
#define STEP(i) { __m256i x = _mm256_madd_epi16(factor, factor); KEEP(x) sums[i] = _mm256_add_epi32(sums[i], x); KEEP(sums[i]) }
    LOOP(__m256i, _mm256_setzero_si256(), STEP)
#undef STEP
}

static void spin_words_portable(void *context, int task, int worker)
{
#define STEP(i) { __m128i x = _mm_madd_epi16(factor, factor); KEEP(x) sums[i] = _mm_add_epi32(sums[i], x); KEEP(sums[i]) }
    LOOP(__m128i, _mm_setzero_si128(), STEP)
#undef STEP
}

/* Eight tiles: four sums, two of each factor. */
static const struct { uint8_t palette, start, reserved[14]; uint16_t columns[16]; uint8_t rows[16]; } tiles = {
    .palette = 1, .columns = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

#define AMX_LOOP(multiply)                                                                      \
    (void)context, (void)task, (void)worker;                                                    \
    _tile_loadconfig(&tiles);                                                                   \
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);                                 \
    _tile_zero(4); _tile_zero(5); _tile_zero(6); _tile_zero(7);                                 \
    for (int n = 0; n < AMX_STEPS; n++) {                                                       \
        multiply(0, 4, 6); multiply(1, 4, 7); multiply(2, 5, 6); multiply(3, 5, 7);             \
    }                                                                                           \
    _tile_release();

__attribute__((target("amx-tile,amx-bf16"))) static void spin_amx_bf16(void *context, int task, int worker)
{
    AMX_LOOP(_tile_dpbf16ps)
}

__attribute__((target("amx-tile,amx-int8"))) static void spin_amx_int8(void *context, int task, int worker)
{
    AMX_LOOP(_tile_dpbusd)
}

/* operations: multiplications and additions of one run. */
static const double sums_of = 2.0 * SUMS * STEPS, tiles_of = 2.0 * 4 * AMX_STEPS * 16 * 16;
static const struct { const char *kernels, *precision; spin *spin; int wide; } loops[] = {
    {"amx", "bfloat16", spin_amx_bf16, 32},
    {"amx", "int8", spin_amx_int8, 64},
    {"avx512bf16", "bfloat16", spin_bf16, 32},
    {"avx512bf16", "int8", spin_vnni, 64},
    {"avx512vnni", "int8", spin_vnni, 64},
    {"avx512", "int8", spin_words, 16},
    {"avx2", "int8", spin_words, 16},
    {"portable", "int8", spin_words_portable, 8},
    {"avx2", "", spin_avx2, 8},
    {"portable", "", spin_portable, 4},
    {"", "", spin_avx512, 16},
};

peak peak_measure(const kernels *k, const char *precision, workers *w)
{
    peak best = {0};
    size_t at = 0;
    while ((*loops[at].kernels && strcmp(loops[at].kernels, k->name)) ||
           (*loops[at].precision && strcmp(loops[at].precision, precision)))
        at++;
    const bool   amx = loops[at].spin == spin_amx_bf16 || loops[at].spin == spin_amx_int8;
    const double operations = (amx ? tiles_of : sums_of) * loops[at].wide; /* of one task */
    const int    tasks = TASKS_PER_THREAD * workers_count(w);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_ns();
        loops[at].spin(NULL, 0, 0);
        const double one = operations / (double)(clock_ns() - start);
        start = clock_ns();
        workers_run(w, tasks, loops[at].spin, NULL);
        const double all = operations * tasks / (double)(clock_ns() - start);
        if (one > best.one) best.one = one;
        if (all > best.all) best.all = all;
    }
    return best;
}
