/* 2^x and the turn of registers on any machine; test_lanes_exp2_wide.c has the fit that only AVX-512 uses. */
#include <CUnit/CUnit.h>
#include "kernels/cpu/lanes_portable.h"
#include "lanes_exp2_checks.h"

static void the_full_fit_keeps_its_bound(void) { CU_ASSERT(exp2_error(0) < 4e-7); }
static void the_low_fit_keeps_its_bound(void) { CU_ASSERT(exp2_error(1) < 7.6e-5); }
static void rows_become_columns(void) { CU_ASSERT_EQUAL(turn_is_wrong(), 0); }

void lanes_exp2_suite(CU_pSuite s)
{
    CU_add_test(s, "2^x is within 4e-7 of itself, and NaN stays NaN whatever its bits", the_full_fit_keeps_its_bound);
    CU_add_test(s, "2^x of low precision is within 7.6e-5 of itself", the_low_fit_keeps_its_bound);
    CU_add_test(s, "registers turn: rows become columns", rows_become_columns);
}
