/* test_chart.c - what is drawn stands where its value is, and no label upon another. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/chart.h"
#include "tests/support/tags.h"

enum { N = 400, LETTER = 7, LINE = 11 };
static const double LEFT = CHART_LEFT, TOP = CHART_TOP, HEIGHT = CHART_HEIGHT - CHART_TOP - CHART_BOTTOM;
static const double WIDE = CHART_WIDE - CHART_LEFT - CHART_RIGHT, NARROW = CHART_NARROW - CHART_LEFT - CHART_RIGHT;
static char *drawn;

static FILE *open_drawn(void)
{
    static size_t bytes;
    FILE *f = open_memstream(&drawn, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    return f;
}

static void draw_plot(const chart_plot *c)
{
    FILE *f = open_drawn();
    chart_plot_draw(f, c);
    fclose(f);
    const char *fault = tags_fault(drawn);
    if (fault) printf("%s\n", fault);
    CU_ASSERT_PTR_NULL(fault);
}

static void drop(void)
{
    free(drawn);
    drawn = NULL;
}

static void has(const char *part)
{
    if (!strstr(drawn, part)) printf("not drawn: %s\n", part);
    CU_ASSERT_PTR_NOT_NULL(strstr(drawn, part));
}

/* A line through these shares of the room, in both drawings. */
static void has_line(const double (*at)[2], int n)
{
    for (int drawing = 0; drawing < 2; drawing++) {
        char wanted[256] = "<polyline points=\"";
        for (int i = 0; i < n; i++) {
            const size_t used = strlen(wanted);
            snprintf(wanted + used, sizeof wanted - used, "%s%.1f,%.1f", i ? " " : "",
                     LEFT + at[i][0] * (drawing ? NARROW : WIDE), TOP + (1 - at[i][1]) * HEIGHT);
        }
        strcat(wanted, "\"/>");
        has(wanted);
    }
}

static chart_plot plot_of(chart_line *l, scale_kind x, scale_kind y)
{
    return (chart_plot){.title = "T",
                        .about = "A",
                        .x = {"x", x, x == SCALE_PERCENTILE ? UNIT_PERCENT : UNIT_S},
                        .y = {"y", y, UNIT_MS},
                        .lines = l,
                        .n_lines = 1};
}

static void points_stand_where_their_values_are(void)
{
    chart_line l = {"l", (double[]){0, 2.5, 10}, (double[]){0, 50, 100}, 3, 0};
    chart_plot c = plot_of(&l, SCALE_LINEAR, SCALE_LINEAR);
    draw_plot(&c);
    has("62.0,226.0 179.5,125.0 532.0,24.0"); /* by hand, wide */
    has_line((const double[][2]){{0, 0}, {0.25, 0.5}, {1, 1}}, 3);
    drop();
}

static void percentiles_and_logs_stand_where_their_values_are(void)
{
    chart_line l = {"l", (double[]){0, 90, 99, 99.9}, (double[]){1, 10, 10, 100}, 4, 0};
    chart_plot c = plot_of(&l, SCALE_PERCENTILE, SCALE_LOG);
    draw_plot(&c);
    has_line((const double[][2]){{0, 0}, {1 / 3.0, 0.5}, {2 / 3.0, 0.5}, {1, 1}}, 4);
    has(">99.9\302\240%</text>");
    drop();
}

static void what_was_not_measured_is_a_gap(void)
{
    chart_line l = {"l", (double[]){0, 5, 6, 8, 10}, (double[]){0, 50, NAN, 100, 100}, 5, 0};
    chart_plot c = plot_of(&l, SCALE_LINEAR, SCALE_LINEAR);
    draw_plot(&c);
    has_line((const double[][2]){{0, 0}, {0.5, 0.5}}, 2);
    has_line((const double[][2]){{0.8, 1}, {1, 1}}, 2);
    CU_ASSERT_EQUAL(tags_count(drawn, "<polyline"), 4);
    CU_ASSERT_EQUAL(tags_count(drawn, "nan"), 0);
    drop();
}

static void a_window_that_went_wrong_is_marked(void)
{
    chart_line l = {"l", (double[]){0, 5, 10}, (double[]){9, 9, 9}, 3, 0};
    chart_plot c = plot_of(&l, SCALE_LINEAR, SCALE_LINEAR);
    const chart_lane lanes[] = {{"refused", l.x, (double[]){0, 7, NAN}, 3}, {"errors", l.x, (double[]){0, 0, 1}, 3}};
    c.lanes = lanes;
    c.n_lanes = 2;
    draw_plot(&c);
    CU_ASSERT_EQUAL(tags_count(drawn, "<title>refused, 5\302\240s: 7</title>"), 2);
    CU_ASSERT_EQUAL(tags_count(drawn, "<title>errors, 10\302\240s: 1</title>"), 2);
    CU_ASSERT_EQUAL(tags_count(drawn, "<title>refused"), 2);
    CU_ASSERT_EQUAL(tags_count(drawn, "<title>errors"), 2);
    drop();
}

static void draw_bars(const chart_bar *bars, int n, double full, const char *whisker)
{
    const chart_bars c = {.title = "T",
                          .about = "A",
                          .value_name = "mean",
                          .whisker_name = whisker,
                          .unit = UNIT_MS,
                          .full = full,
                          .bars = bars,
                          .n = n};
    FILE *f = open_drawn();
    chart_bars_draw(f, &c);
    fclose(f);
    const char *fault = tags_fault(drawn);
    if (fault) printf("%s\n", fault);
    CU_ASSERT_PTR_NULL(fault);
}

static void bars_are_as_long_as_their_values(void)
{
    draw_bars((chart_bar[]){{"a", 10, 40}, {"b", 20, NAN}}, 2, 0, "p99");
    has("<rect x=\"2\" y=\"21.0\" width=\"139.0\""); /* 10 of 40, of 556 */
    has("M141.0 27.0H558.0M558.0 23.0v8");           /* its whisker, to the end */
    has("<rect x=\"2\" y=\"57.0\" width=\"278.0\"");
    CU_ASSERT_EQUAL(tags_count(drawn, "class=\"whisker\" d=\"M1"), 1);
    has(">10\302\240ms, p99 40\302\240ms</text>");
    has(">20\302\240ms</text>");
    drop();
    draw_bars((chart_bar[]){{"a", 0.5, NAN}, {"b", 3, NAN}}, 2, 1, NULL);
    has("<rect x=\"2\" y=\"21.0\" width=\"278.0\"");
    has("<rect x=\"2\" y=\"57.0\" width=\"556.0\""); /* it does not leave the drawing */
    drop();
}

static void draw_histogram(const char *const *names, const double *counts, int n)
{
    const chart_histogram c = {
        .title = "T", .about = "A", .x_label = "x", .y_label = "y", .names = names, .counts = counts, .n = n};
    FILE *f = open_drawn();
    chart_histogram_draw(f, &c);
    fclose(f);
    const char *fault = tags_fault(drawn);
    if (fault) printf("%s\n", fault);
    CU_ASSERT_PTR_NULL(fault);
}

static void columns_are_as_high_as_their_counts(void)
{
    draw_histogram((const char *[]){"16", "32"}, (double[]){25, 100}, 2);
    has("<rect class=\"s0\" x=\"85.5\" y=\"175.5\" width=\"188.0\" height=\"50.5\"><title>16: 25</title>");
    has("<rect class=\"s0\" x=\"320.5\" y=\"24.0\" width=\"188.0\" height=\"202.0\"><title>32: 100</title>");
    drop();
}

/* ---- labels ---- */

typedef struct {
    double left, right, y;
    char text[80];
} label;

static double attribute(const char *tag, const char *name)
{
    const char *at = strstr(tag, name);
    return at ? strtod(at + strlen(name), NULL) : NAN;
}

/* Letters of the page's font are at most so wide on average. */
static label label_of(const char *tag)
{
    label l = {0};
    const char *text = strchr(tag, '>') + 1;
    const double x = attribute(tag, "x=\"");
    int letters = 0, n = 0;
    for (; *text != '<'; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80) letters++;
        if (n < 79) l.text[n++] = *text;
        if (*text == '&') text = strchr(text, ';');
    }
    const double width = letters * LETTER;
    const size_t head = (size_t)(strchr(tag, '>') - tag);
    const char *end = memmem(tag, head, "\"end", 4), *middle = memmem(tag, head, "\"middle", 7);
    l.left = end ? x - width : middle ? x - width / 2 : x;
    l.right = l.left + width;
    l.y = attribute(tag, "y=\"");
    return l;
}

static void no_label_is_upon_another(void)
{
    static label labels[N];
    for (const char *svg = drawn; (svg = strstr(svg, "<svg class=\"")); svg++) {
        const double width = strncmp(svg, "<svg class=\"wide", 16) ? CHART_NARROW : CHART_WIDE;
        const char *end = strstr(svg, "</svg>");
        int n = 0;
        if (!strncmp(svg, "<svg class=\"key", 15)) continue;
        for (const char *p = svg; (p = strstr(p, "<text ")) && p < end && n < N; p++) labels[n++] = label_of(p);
        CU_ASSERT_TRUE(n > 0);
        for (int i = 0; i < n; i++) {
            bool apart = labels[i].left >= -6 && labels[i].right <= width + 6;
            for (int k = 0; k < i; k++)
                apart = apart && (fabs(labels[i].y - labels[k].y) >= LINE || labels[i].left >= labels[k].right ||
                                  labels[k].left >= labels[i].right);
            if (!apart) printf("upon another, or outside: %s\n", labels[i].text);
            CU_ASSERT_TRUE(apart);
        }
    }
    drop();
}

static void labels_keep_apart(void)
{
    static const double reaches[] = {0.003, 1, 9.99, 3600, 123456, 1e8};
    const chart_lane lane = {"refused", (double[]){0, 1}, (double[]){0, 1}, 2};
    for (size_t i = 0; i < sizeof reaches / sizeof *reaches; i++) {
        chart_line l = {"l", (double[]){0, reaches[i]}, (double[]){reaches[i] / 3, reaches[i]}, 2, 0};
        for (int kind = SCALE_LINEAR; kind <= SCALE_LOG; kind++) {
            chart_plot c = plot_of(&l, SCALE_LINEAR, (scale_kind)kind);
            c.lanes = &lane;
            c.n_lanes = 1;
            draw_plot(&c);
            no_label_is_upon_another();
        }
    }
    chart_line l = {"l", (double[]){10, 50, 99.99, 99.999}, (double[]){1e-3, 1, 1e3, 1e5}, 4, 0};
    chart_plot c = plot_of(&l, SCALE_PERCENTILE, SCALE_LOG);
    draw_plot(&c);
    no_label_is_upon_another();
    const char *names[24];
    double counts[24];
    for (int i = 0; i < 24; i++) {
        names[i] = i % 2 ? "16777216 and then" : "64";
        counts[i] = 1e6 * i;
    }
    draw_histogram(names, counts, 24);
    no_label_is_upon_another();
    draw_bars((chart_bar[]){{"a name of many many words that nobody would have thought to be so very, very long", 123.4,
                             56.78}},
              1, 0, "p99");
    no_label_is_upon_another();
}

/* ---- what a file may say ---- */

static void hostile_names_stay_text(void)
{
    static const char hostile[] = "</title></svg><script>alert(1)</script>\" onload=\"alert(2)";
    chart_line l = {hostile, (double[]){0, 1}, (double[]){0, 1}, 2, 0};
    chart_plot c = plot_of(&l, SCALE_LINEAR, SCALE_LINEAR);
    const chart_lane lane = {hostile, (double[]){0, 1}, (double[]){0, 1}, 2};
    c.title = c.about = hostile;
    c.lanes = &lane;
    c.n_lanes = 1;
    draw_plot(&c);
    CU_ASSERT_EQUAL(tags_count(drawn, "<script"), 0);
    drop();
    draw_bars((chart_bar[]){{hostile, 1, 1}}, 1, 0, hostile);
    CU_ASSERT_EQUAL(tags_count(drawn, "<script"), 0);
    drop();
    draw_histogram((const char *[]){hostile}, (double[]){1}, 1);
    CU_ASSERT_EQUAL(tags_count(drawn, "<script"), 0);
    drop();
}

static void odd_numbers_are_drawn_or_left_out(void)
{
    static const double odd[] = {0, -1, NAN, 1e300, 1e-300, -1e300, 100};
    const int n = sizeof odd / sizeof *odd;
    const char *names[] = {"a", "b", "c", "d", "e", "f", "g"};
    chart_bar bars[sizeof odd / sizeof *odd];
    for (int i = 0; i < n; i++) bars[i] = (chart_bar){names[i], odd[i], odd[n - 1 - i]};
    for (int kind = 0; kind < 9; kind++) {
        chart_line l = {"l", odd, odd, n, 0};
        chart_plot c = plot_of(&l, (scale_kind)(kind / 3), (scale_kind)(kind % 3));
        draw_plot(&c);
        CU_ASSERT_EQUAL(tags_count(drawn, "nan,") + tags_count(drawn, ",nan") + tags_count(drawn, "\"inf"), 0);
        drop();
    }
    draw_bars(bars, n, 0, "p99");
    CU_ASSERT_EQUAL(tags_count(drawn, "nan") + tags_count(drawn, "inf"), 0);
    drop();
    draw_histogram(names, odd, n);
    CU_ASSERT_EQUAL(tags_count(drawn, "nan") + tags_count(drawn, "height=\"-"), 0);
    drop();
    draw_histogram(names, odd, 0);
    drop();
}

static void a_drawing_says_what_it_is(void)
{
    chart_line l = {"l", (double[]){0, 1}, (double[]){0, 1}, 2, 0};
    chart_plot c = plot_of(&l, SCALE_LINEAR, SCALE_LINEAR);
    draw_plot(&c);
    CU_ASSERT_EQUAL(tags_count(drawn, "role=\"img\" aria-label=\"T. A\">\n<title>T</title>\n<desc>A</desc>"), 2);
    CU_ASSERT_EQUAL(tags_count(drawn, "<svg class=\"wide\""), 1);
    CU_ASSERT_EQUAL(tags_count(drawn, "<svg class=\"narrow\""), 1);
    drop();
}

void chart_suite(CU_pSuite s)
{
    CU_add_test(s, "points stand where their values are", points_stand_where_their_values_are);
    CU_add_test(s, "so do percentiles and logarithms", percentiles_and_logs_stand_where_their_values_are);
    CU_add_test(s, "what was not measured is a gap", what_was_not_measured_is_a_gap);
    CU_add_test(s, "a window that went wrong is marked, no other", a_window_that_went_wrong_is_marked);
    CU_add_test(s, "bars are as long as their values", bars_are_as_long_as_their_values);
    CU_add_test(s, "columns are as high as their counts", columns_are_as_high_as_their_counts);
    CU_add_test(s, "no label is upon another or leaves the drawing", labels_keep_apart);
    CU_add_test(s, "hostile names stay text", hostile_names_stay_text);
    CU_add_test(s, "odd numbers are drawn or left out", odd_numbers_are_drawn_or_left_out);
    CU_add_test(s, "a drawing says what it is", a_drawing_says_what_it_is);
}
