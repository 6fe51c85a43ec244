/* test_steps.c - the words of a sweep. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "bench/steps.h"

static steps s;
static error err;

static void are(const char *text, const double *wanted, int n)
{
    CU_ASSERT_EQUAL_FATAL(steps_read(&s, "--rates", text, 1, 1e6, &err), OK);
    CU_ASSERT_EQUAL_FATAL(s.n, n);
    for (int i = 0; i < n; i++) CU_ASSERT_DOUBLE_EQUAL(s.at[i], wanted[i], 1e-6 * wanted[i]);
}

static void values_stand_between_commas(void)
{
    are("100,200,400", (double[]){100, 200, 400}, 3);
    are("1k,2.5k/s,7/s", (double[]){1000, 2500, 7}, 3);
    are("5", (double[]){5}, 1);
}

static void two_dots_double(void)
{
    are("1,2,4..256", (double[]){1, 2, 4, 8, 16, 32, 64, 128, 256}, 9);
    are("3..20", (double[]){3, 6, 12, 20}, 4); /* the end is always one */
    are("4..4", (double[]){4}, 1);
}

static void a_factor_multiplies(void)
{
    are("1k:5k:x1.5", (double[]){1000, 1500, 2250, 3375, 5000}, 5);
    are("1:8:x2", (double[]){1, 2, 4, 8}, 4); /* and it is so once */
}

static void what_is_no_step_is_refused(void)
{
    static const char *const bad[] = {"",           ",",   "1,",   "x",     "1..",      "..4",      "4..1",
                                      "0",          "1e7", "1:8",  "1:8:2", "1:8:x1",   "1:8:x0.5", "1:8:x",
                                      "1:1k:x1.01", "-1",  "1 ,2", "1...4", "1:2:x2:3", "nan",      "1..inf"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (error){""};
        CU_ASSERT_EQUAL(steps_read(&s, "--rates", bad[i], 1, 1e6, &err), BAD_INPUT);
        CU_ASSERT_TRUE(s.n == 0 && strstr(err.text, "--rates") != NULL);
    }
}

void steps_suite(CU_pSuite suite)
{
    CU_add_test(suite, "values stand between commas, with their units", values_stand_between_commas);
    CU_add_test(suite, "two dots double up to the end", two_dots_double);
    CU_add_test(suite, "a factor multiplies up to the end", a_factor_multiplies);
    CU_add_test(suite, "what is no step is refused, and so are too many", what_is_no_step_is_refused);
}
