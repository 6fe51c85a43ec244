/* test_exposition.c - the text format, line by line. */
#include <CUnit/CUnit.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/exposition.h"

static void is(out *o, const char *wanted)
{
    out_bytes(o, "", 1);
    CU_ASSERT_FALSE_FATAL(o->failed);
    CU_ASSERT_STRING_EQUAL(o->p, wanted);
    if (strcmp(o->p, wanted)) printf("\n    %s", o->p);
    out_free(o);
}

static void a_family_and_its_samples(void)
{
    out o = {0};
    exposition e = {.o = &o};
    exposition_family(&e, "x_seconds", "gauge", "What it is.");
    exposition_sample(&e, "");
    exposition_number(&e, 0.25);
    exposition_sample(&e, "");
    exposition_label(&e, "a", "b");
    exposition_label(&e, "c", "");
    exposition_integer(&e, -7);
    is(&o, "# HELP x_seconds What it is.\n# TYPE x_seconds gauge\nx_seconds 0.25\nx_seconds{a=\"b\",c=\"\"} -7\n");
}

static void values_of_labels_are_escaped(void)
{
    out o = {0};
    exposition e = {.o = &o, .name = "x"};
    exposition_sample(&e, "");
    exposition_label(&e, "a", "\"q\" \\ \n\t\xc3\xa9\xff\xc3");
    exposition_integer(&e, 1);
    is(&o, "x{a=\"\\\"q\\\" \\\\ \\n\t\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"} 1\n");
}

/* Each reads back as itself, and what is short stays short. */
static void numbers_read_back(void)
{
    static const double values[] = {0, 0.1, 0.0001, 12.784403, 1e15, 123456789.123456, 0.1 + 0.2, 1e300, DBL_MIN, -0.5};
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0.1, "x 0.1\n"},
                {1e-4, "x 0.0001\n"},
                {NAN, "x NaN\n"},
                {INFINITY, "x +Inf\n"},
                {-INFINITY, "x -Inf\n"},
                {1700000000.25, "x 1700000000.25\n"},
                {3, "x 3\n"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        out o = {0};
        exposition e = {.o = &o, .name = "x"};
        exposition_sample(&e, "");
        exposition_number(&e, values[i]);
        out_bytes(&o, "", 1);
        CU_ASSERT_EQUAL(strtod(o.p + 1, NULL), values[i]);
        out_free(&o);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out o = {0};
        exposition e = {.o = &o, .name = "x"};
        exposition_sample(&e, "");
        exposition_number(&e, rows[i].v);
        is(&o, rows[i].text);
    }
    out o = {0};
    exposition e = {.o = &o, .name = "x"};
    exposition_sample(&e, "");
    exposition_integer(&e, INT64_MAX);
    is(&o, "x 9223372036854775807\n");
}

static void buckets_add_up(void)
{
    static const double edges[] = {0.5, 1};
    static const int64_t counts[] = {3, 0, 2};
    out o = {0};
    exposition e = {.o = &o, .name = "x"};
    exposition_histogram(&e, "a", "b", edges, counts, 2, 4.5);
    exposition_histogram(&e, NULL, NULL, edges, counts, 1, 1);
    is(&o, "x_bucket{a=\"b\",le=\"0.5\"} 3\nx_bucket{a=\"b\",le=\"1\"} 3\nx_bucket{a=\"b\",le=\"+Inf\"} 5\n"
           "x_sum{a=\"b\"} 4.5\nx_count{a=\"b\"} 5\n"
           "x_bucket{le=\"0.5\"} 3\nx_bucket{le=\"+Inf\"} 3\nx_sum 1\nx_count 3\n");
}

void exposition_suite(CU_pSuite s)
{
    CU_add_test(s, "a family is its help, its type, its samples", a_family_and_its_samples);
    CU_add_test(s, "values of labels are escaped, and UTF-8", values_of_labels_are_escaped);
    CU_add_test(s, "numbers read back as themselves", numbers_read_back);
    CU_add_test(s, "buckets add up to the count", buckets_add_up);
}
