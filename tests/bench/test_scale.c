/* test_scale.c - where values stand on an axis, and how they are written. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/scale.h"

static void ticks_are(const scale *s, const double *wanted, int n)
{
    CU_ASSERT_EQUAL_FATAL(s->n_ticks, n);
    for (int i = 0; i < n; i++) CU_ASSERT_DOUBLE_EQUAL(s->ticks[i], wanted[i], 1e-9 * wanted[i]);
}

static void linear_begins_at_zero_and_ends_at_a_tick(void)
{
    const scale s = scale_of(SCALE_LINEAR, UNIT_MS, 41, 93);
    ticks_are(&s, (double[]){0, 20, 40, 60, 80, 100}, 6);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 0), 0, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 25), 0.25, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 100), 1, 1e-12);
    const scale tenth = scale_of(SCALE_LINEAR, UNIT_MS, 0.1, 0.3);
    ticks_are(&tenth, (double[]){0, 0.1, 0.2, 0.3}, 4);
}

static void log_has_as_much_room_for_each_decade(void)
{
    const scale s = scale_of(SCALE_LOG, UNIT_MS, 1.1, 80);
    ticks_are(&s, (double[]){1, 2, 5, 10, 20, 50, 100}, 7);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 10), 0.5, 1e-12);
    const scale wide = scale_of(SCALE_LOG, UNIT_MS, 0.3, 2000);
    ticks_are(&wide, (double[]){1, 10, 100, 1000}, 4);
    CU_ASSERT_DOUBLE_EQUAL(wide.low, 0.2, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(wide.high, 2000, 1e-9);
    CU_ASSERT_TRUE(isnan(scale_at(&wide, 0)));
}

static void percentiles_have_as_much_room_for_each_nine(void)
{
    const scale s = scale_of(SCALE_PERCENTILE, UNIT_PERCENT, 50, 99.99);
    ticks_are(&s, (double[]){50, 90, 99, 99.9, 99.99}, 5);
    const double nine = scale_at(&s, 99) - scale_at(&s, 90);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 99.9) - scale_at(&s, 99), nine, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 99.99), 1, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(scale_at(&s, 50), 0, 1e-9);
    CU_ASSERT_TRUE(isnan(scale_at(&s, 100))); /* it would be at infinity */
}

static void what_is_not_on_an_axis_has_no_place(void)
{
    const scale s = scale_of(SCALE_LINEAR, UNIT_MS, 0, 100);
    CU_ASSERT_TRUE(isnan(scale_at(&s, 101)));
    CU_ASSERT_TRUE(isnan(scale_at(&s, -1)));
    CU_ASSERT_TRUE(isnan(scale_at(&s, NAN)));
}

/* A table may hold anything that JSON can say. */
static void any_two_numbers_give_an_axis(void)
{
    const double odd[] = {0, -5, 5, 1e-300, 1e300, 1e-9, INFINITY, -INFINITY, 100, 1e15};
    const int n = sizeof odd / sizeof *odd;
    for (int kind = SCALE_LINEAR; kind <= SCALE_PERCENTILE; kind++)
        for (int i = 0; i < n * n; i++) {
            if (kind != SCALE_PERCENTILE && isinf(odd[i % n]) && odd[i % n] > 0) continue; /* JSON has no infinity */
            const scale s = scale_of((scale_kind)kind, UNIT_MS, odd[i / n], odd[i % n]);
            CU_ASSERT_TRUE_FATAL(s.high > s.low && s.n_ticks >= 1 && s.n_ticks <= SCALE_TICKS);
        }
}

static void seen_is(const char *seen, const char *wanted)
{
    char plain[SCALE_NUMBER];
    int n = 0;
    for (const char *p = seen; *p; p++) /* a space that does not break has two bytes */
        if (*p != '\302') plain[n++] = *p == '\240' ? ' ' : *p;
    plain[n] = 0;
    if (strcmp(plain, wanted)) printf("%s, wanted %s\n", plain, wanted);
    CU_ASSERT_STRING_EQUAL(plain, wanted);
}

static void written_is(double value, scale_unit unit, const char *wanted)
{
    char seen[SCALE_NUMBER];
    scale_number(seen, value, unit);
    seen_is(seen, wanted);
}

static void ticks_are_written(const scale *s, const char *const *wanted)
{
    for (int i = 0; i < s->n_ticks; i++) {
        char seen[SCALE_NUMBER];
        scale_tick(seen, s, i);
        seen_is(seen, wanted[i]);
    }
}

static void the_ticks_of_an_axis_have_one_unit(void)
{
    const scale ms = scale_of(SCALE_LINEAR, UNIT_MS, 0, 1500), rate = scale_of(SCALE_LINEAR, UNIT_PER_S, 0, 20000),
                count = scale_of(SCALE_LINEAR, UNIT_COUNT, 0, 23e6), log = scale_of(SCALE_LOG, UNIT_MS, 0.02, 9000);
    ticks_are_written(&ms, (const char *[]){"0", "0.5 s", "1 s", "1.5 s"});
    ticks_are_written(&rate, (const char *[]){"0", "5k/s", "10k/s", "15k/s", "20k/s"});
    ticks_are_written(&count, (const char *[]){"0", "5M", "10M", "15M", "20M", "25M"});
    ticks_are_written(&log, (const char *[]){"0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s"});
}

static void numbers_have_three_digits_and_their_unit(void)
{
    written_is(1.19, UNIT_MS, "1.19 ms");
    written_is(20, UNIT_MS, "20 ms");
    written_is(0.0412, UNIT_MS, "41.2 us");
    written_is(1234, UNIT_MS, "1.23 s");
    written_is(999.7, UNIT_MS, "1 s");
    written_is(0, UNIT_MS, "0 ms");
    written_is(15400, UNIT_PER_S, "15.4k/s");
    written_is(1234, UNIT_PER_S, "1234/s");
    written_is(2.5e6, UNIT_PER_S, "2.5M/s");
    written_is(0.987, UNIT_SHARE, "98.7 %");
    written_is(99.99, UNIT_PERCENT, "99.99 %");
    written_is(99.9999, UNIT_PERCENT, "99.9999 %");
    written_is(12.5, UNIT_S, "12.5 s");
}

static void counts_are_whole(void)
{
    written_is(299976, UNIT_COUNT, "299,976");
    written_is(-1234567, UNIT_COUNT, "-1,234,567");
    written_is(12, UNIT_COUNT, "12");
    written_is(4.5, UNIT_COUNT, "4.5");
}

static void no_number_is_not_applicable(void)
{
    for (int unit = UNIT_COUNT; unit <= UNIT_PERCENT; unit++) written_is(NAN, (scale_unit)unit, "n/a");
}

void scale_suite(CU_pSuite s)
{
    CU_add_test(s, "linear begins at zero and ends at a tick", linear_begins_at_zero_and_ends_at_a_tick);
    CU_add_test(s, "log has as much room for each decade", log_has_as_much_room_for_each_decade);
    CU_add_test(s, "percentiles have as much room for each nine", percentiles_have_as_much_room_for_each_nine);
    CU_add_test(s, "what is not on an axis has no place", what_is_not_on_an_axis_has_no_place);
    CU_add_test(s, "any two numbers give an axis", any_two_numbers_give_an_axis);
    CU_add_test(s, "numbers have three digits and their unit", numbers_have_three_digits_and_their_unit);
    CU_add_test(s, "the ticks of an axis have one unit", the_ticks_of_an_axis_have_one_unit);
    CU_add_test(s, "counts are whole", counts_are_whole);
    CU_add_test(s, "no number is not applicable", no_number_is_not_applicable);
}
