/* Timing of candidates on the fake device, whose clock counts pieces of work: which one wins is the test's to say. */
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/cuda_tune.h"
#include "tests/fake_cuda/fake_cuda.h"

enum { MOST = 16, REPEATS = 8, SCRATCH = 1 << 20, LONG = 1 << 30 };

static const cuda_gemm_shape shape = {32, 64, 64, CUDA_GEMM_BIAS};

static struct {
    cuda_device        *device;
    kernel_stream       stream;
    cuda_gemm           gemm;
    cuda_choices       *choices;
    cuda_tune          *tune;
    cuda_gemm_algorithm algorithms[MOST]; /* the library's guesses for `shape` */
    int                 n;
    void               *memory;
    int                 pieces[MOST]; /* of work for each; 0: it does not run */
    int                 asked[MOST];  /* how often each was queued */
    int                 last_repeat;
} x;

static error err;

static void open_all(int64_t budget_ns)
{
    void *scratch;
    memset(&x, 0, sizeof x);
    fake_cuda_reset();
    fake_cuda_configure("clock=1");
    CU_ASSERT_EQUAL_FATAL(cuda_device_open(&x.device, &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_device_stream(x.device, &x.stream, &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_device_memory(x.device, &scratch, SCRATCH, "products", &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_device_memory(x.device, &x.memory, 256, "work", &err), OK);
    CU_ASSERT_EQUAL_FATAL(cuda_gemm_open(&x.gemm, ELEMENT_F16, scratch, SCRATCH), 0);
    CU_ASSERT_EQUAL_FATAL(cuda_gemm_candidates(&x.gemm, shape, x.algorithms, MOST, &x.n), 0);
    CU_ASSERT_FATAL(x.n >= 2);
    CU_ASSERT_EQUAL_FATAL(cuda_choices_open(&x.choices, NULL, "test", NULL, &err), OK);
    const cuda_tune_setup setup = {x.device, &x.gemm, x.stream, x.choices, budget_ns};
    CU_ASSERT_EQUAL_FATAL(cuda_tune_open(&x.tune, setup, &err), OK);
}

static void close_all(void)
{
    cuda_tune_close(x.tune);
    cuda_choices_close(x.choices);
    cuda_gemm_close(&x.gemm);
    cuda_device_close(x.device);
    CU_ASSERT_EQUAL(fake_cuda_held(), 0);
}

static int index_of(const cuda_gemm_algorithm *a)
{
    for (int i = 0; i < x.n; i++)
        if (!memcmp(a, &x.algorithms[i], sizeof *a)) return i;
    return -1;
}

static status queue(void *context, cuda_gemm_shape s, cuda_choice_scope scope, const cuda_gemm_algorithm *a, int repeat,
                    error *why)
{
    const int i = index_of(a);
    CU_ASSERT(context == &x && i >= 0 && s.M == shape.M && s.then == shape.then);
    if (i < 0) return GPU_FAILED;
    x.asked[i]++;
    x.last_repeat = repeat;
    if (!x.pieces[i]) return fail(why, GPU_FAILED, "candidate %d does not run", i);
    status rc = OK;
    for (int k = 0; rc == OK && k < x.pieces[i] + (scope == CHOICE_WITH_NORM); k++)
        rc = cuda_device_zero(x.device, x.memory, 256, x.stream, why);
    return rc;
}

static status best(cuda_choice_scope scope, cuda_choice *out)
{
    memset(x.asked, 0, sizeof x.asked);
    return cuda_tune_best(x.tune, shape, scope, queue, &x, out, &err);
}

static void the_fastest_wins_and_is_known_from_then_on(void)
{
    cuda_choice c;
    open_all(LONG);
    const int held = fake_cuda_held();
    for (int winner = 0; winner < x.n; winner++) {
        const cuda_choice_scope scope = winner % 2 ? CHOICE_WITH_NORM : CHOICE_ALONE;
        cuda_choices_close(x.choices);
        CU_ASSERT_EQUAL_FATAL(cuda_choices_open(&x.choices, NULL, "test", NULL, &err), OK);
        cuda_tune_close(x.tune);
        const cuda_tune_setup setup = {x.device, &x.gemm, x.stream, x.choices, LONG};
        CU_ASSERT_EQUAL_FATAL(cuda_tune_open(&x.tune, setup, &err), OK);
        for (int i = 0; i < x.n; i++) x.pieces[i] = 3 + (i + x.n - winner) % x.n;
        CU_ASSERT_EQUAL(best(scope, &c), OK);
        CU_ASSERT_EQUAL(index_of(&c.algorithm), winner);
        CU_ASSERT(c.us > (float)(2.9 + winner % 2) && c.us < (float)(3.1 + winner % 2)); /* of one product */
        CU_ASSERT_EQUAL(x.last_repeat, REPEATS - 1);
        for (int i = 0; i < x.n; i++) CU_ASSERT_EQUAL(x.asked[i], 1 + REPEATS); /* once, then a graph */
        CU_ASSERT_EQUAL(best(scope, &c), OK);
        CU_ASSERT_EQUAL(index_of(&c.algorithm), winner);
        for (int i = 0; i < x.n; i++) CU_ASSERT_EQUAL(x.asked[i], 0);
        const cuda_choice_scope other = scope == CHOICE_ALONE ? CHOICE_WITH_NORM : CHOICE_ALONE;
        CU_ASSERT_PTR_NULL(cuda_choices_find(x.choices, shape, other));
        const cuda_tune_counts n = cuda_tune_counted(x.tune);
        CU_ASSERT(n.timed == 1 && n.found == 1 && n.guessed == 0 && n.spent_ns > 0);
    }
    CU_ASSERT_EQUAL(fake_cuda_held(), held); /* no graph is left */
    close_all();
}

static void a_slow_candidate_is_launched_twice_a_good_one_four_times(void)
{
    cuda_choice c;
    open_all(LONG);
    for (int i = 0; i < x.n; i++) x.pieces[i] = i ? 9 : 3;
    const long before = fake_cuda_calls("cudaGraphLaunch");
    CU_ASSERT_EQUAL(best(CHOICE_ALONE, &c), OK);
    CU_ASSERT_EQUAL(fake_cuda_calls("cudaGraphLaunch") - before, 4 + 2 * (x.n - 1));
    close_all();
}

static void what_does_not_run_is_passed_over(void)
{
    cuda_choice c;
    open_all(LONG);
    const int held = fake_cuda_held();
    for (int i = 0; i < x.n; i++) x.pieces[i] = i == x.n - 1 ? 3 : 0;
    CU_ASSERT_EQUAL(best(CHOICE_ALONE, &c), OK);
    CU_ASSERT_EQUAL(index_of(&c.algorithm), x.n - 1);
    memset(x.pieces, 0, sizeof x.pieces);
    CU_ASSERT_EQUAL(best(CHOICE_WITH_NORM, &c), GPU_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "does not run"));
    CU_ASSERT_EQUAL(fake_cuda_held(), held);
    close_all();
}

static void out_of_time_the_first_guess_runs_and_is_not_kept(void)
{
    cuda_choice         c;
    cuda_gemm_algorithm first;
    open_all(0);
    for (int i = 0; i < x.n; i++) x.pieces[i] = 3;
    CU_ASSERT_EQUAL(best(CHOICE_ALONE, &c), OK);
    CU_ASSERT(index_of(&c.algorithm) == 0 && c.us == 0 && x.asked[0] == 0);
    CU_ASSERT_PTR_NULL(cuda_choices_find(x.choices, shape, CHOICE_ALONE));
    CU_ASSERT_EQUAL(cuda_tune_counted(x.tune).guessed, 1);
    CU_ASSERT_EQUAL(cuda_tune_first(x.device, &x.gemm, shape, &first, &err), OK);
    CU_ASSERT_EQUAL(index_of(&first), 0);
    CU_ASSERT_EQUAL(cuda_tune_first(x.device, &x.gemm, (cuda_gemm_shape){32, 60, 64, CUDA_GEMM_BIAS}, &first, &err),
                    GPU_FAILED);
    close_all();
}

static void a_stored_algorithm_that_the_library_refuses_is_timed_again(void)
{
    cuda_choice c = {shape, CHOICE_ALONE, 0.5f, {{0}}};
    open_all(LONG);
    for (int i = 0; i < x.n; i++) x.pieces[i] = 3;
    memset(&c.algorithm, 0xa5, sizeof c.algorithm);
    CU_ASSERT(!cuda_gemm_usable(&x.gemm, shape, &c.algorithm));
    CU_ASSERT(cuda_gemm_usable(&x.gemm, shape, &x.algorithms[0]));
    CU_ASSERT_EQUAL(cuda_choices_put(x.choices, &c, &err), OK);
    CU_ASSERT_EQUAL(best(CHOICE_ALONE, &c), OK);
    CU_ASSERT(index_of(&c.algorithm) >= 0 && x.asked[0] == 1 + REPEATS);
    CU_ASSERT(index_of(&cuda_choices_find(x.choices, shape, CHOICE_ALONE)->algorithm) >= 0);
    close_all();
}

void cuda_tune_suite(CU_pSuite s)
{
    CU_add_test(s, "the fastest candidate wins, by the time of one product, and is known from then on",
                the_fastest_wins_and_is_known_from_then_on);
    CU_add_test(s, "a slow candidate is launched twice, a good one four times",
                a_slow_candidate_is_launched_twice_a_good_one_four_times);
    CU_add_test(s, "a candidate that does not run is passed over; when none runs it is said",
                what_does_not_run_is_passed_over);
    CU_add_test(s, "out of time the library's first guess runs, and is not kept",
                out_of_time_the_first_guess_runs_and_is_not_kept);
    CU_add_test(s, "a stored algorithm that the library refuses is timed again",
                a_stored_algorithm_that_the_library_refuses_is_timed_again);
}
