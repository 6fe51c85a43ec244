/* peak.c - a loop of independent multiply-adds that touches no memory.
 *
 * Fourteen sums hide a latency of four to seven cycles on two units.  The values converge to 1, so nothing overflows or
 * becomes denormal; the result is kept by an empty asm statement, or the compiler would drop the loop. */
#include "peak.h"
#include <immintrin.h>
#include <string.h>
#include "runtime/base/clock.h"

enum { SUMS = 14, STEPS = 400000, TASKS_PER_THREAD = 4, ROUNDS = 12 };

#define KEEP(x) __asm__ volatile("" : "+v"(x));
#define EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13)
#define START(i) sums[i] = half; KEEP(sums[i])
#define LOOP(type, set, fma)                                 \
    type sums[SUMS];                                   \
    const type half = set(0.5f);                       \
    EACH(START)                                        \
    for (int step = 0; step < STEPS; step++) { EACH(fma) }

typedef void spin(void *context, int task, int worker);

__attribute__((target("avx512f"))) static void spin_avx512(void *context, int task, int worker)
{
    (void)context, (void)task, (void)worker;
#define FMA(i) sums[i] = _mm512_fmadd_ps(sums[i], half, half); KEEP(sums[i])
    LOOP(__m512, _mm512_set1_ps, FMA)
#undef FMA
}

__attribute__((target("avx2,fma"))) static void spin_avx2(void *context, int task, int worker)
{
    (void)context, (void)task, (void)worker;
#define FMA(i) sums[i] = _mm256_fmadd_ps(sums[i], half, half); KEEP(sums[i])
    LOOP(__m256, _mm256_set1_ps, FMA)
#undef FMA
}

static void spin_portable(void *context, int task, int worker)
{
    (void)context, (void)task, (void)worker;
#define FMA(i) sums[i] = _mm_add_ps(_mm_mul_ps(sums[i], half), half); KEEP(sums[i])
    LOOP(__m128, _mm_set1_ps, FMA)
#undef FMA
}

static const struct { const char *kernels; spin *spin; int lanes; } loops[] = {
    {"avx512", spin_avx512, 16}, {"avx2", spin_avx2, 8}, {"portable", spin_portable, 4},
};

peak peak_measure(const kernels *k, workers *w)
{
    peak best = {0};
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        if (strcmp(loops[i].kernels, k->name)) continue;
        const double flops = 2.0 * SUMS * STEPS * loops[i].lanes; /* of one task */
        const int    tasks = TASKS_PER_THREAD * workers_count(w);
        for (int round = 0; round < ROUNDS; round++) {
            int64_t start = clock_ns();
            loops[i].spin(NULL, 0, 0);
            double one = flops / (double)(clock_ns() - start);
            start = clock_ns();
            workers_run(w, tasks, loops[i].spin, NULL);
            double all = flops * tasks / (double)(clock_ns() - start);
            if (one > best.one) best.one = one;
            if (all > best.all) best.all = all;
        }
    }
    return best;
}
