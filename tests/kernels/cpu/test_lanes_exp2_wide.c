/* 2^x and the turn of registers with AVX-512, in functions compiled for it that run only where it is. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl")
#include "kernels/cpu/lanes_avx512.h"
#include "lanes_exp2_checks.h"
#pragma GCC pop_options

static int runs_here(void)
{
    const int runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (!runs) printf(" (skipped: this machine lacks the instructions)");
    return runs;
}

static void the_full_fit_keeps_its_bound(void) { CU_ASSERT(!runs_here() || exp2_error(0) < 4e-7); }
static void the_low_fit_keeps_its_bound(void) { CU_ASSERT(!runs_here() || exp2_error(1) < 7.6e-5); }
static void rows_become_columns(void) { CU_ASSERT(!runs_here() || turn_is_wrong() == 0); }

void lanes_exp2_wide_suite(CU_pSuite s)
{
    CU_add_test(s, "2^x is within 4e-7 of itself, and NaN stays NaN whatever its bits", the_full_fit_keeps_its_bound);
    CU_add_test(s, "2^x of low precision is within 7.6e-5 of itself", the_low_fit_keeps_its_bound);
    CU_add_test(s, "registers turn: rows become columns", rows_become_columns);
}
