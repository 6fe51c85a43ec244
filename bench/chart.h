/* chart.h - figures of a page: a title, a legend, and the drawing as SVG, without script and without any file beside.
 *
 * Each drawing is there twice, wide and narrow, and the page's style shows one: letters keep their size on a phone.
 * What is drawn also says its value when the pointer rests on it.  Series differ by colour, dash and mark, so that no
 * colour must be seen.  Text is escaped here; memory is the caller's.  One thread. */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H
#include <stdio.h>
#include "scale.h"

enum { CHART_SERIES = 8 };
/* In units of the drawing: about the pixels of a screen.  Lines are drawn in the room that these leave. */
enum {
    CHART_WIDE = 560,
    CHART_NARROW = 350,
    CHART_HEIGHT = 270,
    CHART_LEFT = 62,
    CHART_RIGHT = 28,
    CHART_BOTTOM = 44,
    CHART_TOP = 24,
    CHART_LANE = 16
};

typedef struct {
    const char *label;
    scale_kind kind;
    scale_unit unit;
} chart_axis;
typedef struct {
    const char *name;
    const double *x, *y; /* [n]; NAN is a gap */
    int n, style;        /* 0 to CHART_SERIES - 1 */
} chart_line;
/* Moments at which something went wrong: a lane of marks above the lines, where a count is not 0. */
typedef struct {
    const char *name;
    const double *x, *counts; /* [n] */
    int n;
} chart_lane;

typedef struct {
    const char *title, *about; /* about: what a reader who cannot see it should know */
    chart_axis x, y;
    const chart_line *lines;
    int n_lines;
    const chart_lane *lanes;
    int n_lanes;
} chart_plot;
void chart_plot_draw(FILE *f, const chart_plot *c);

/* whisker NAN: none. */
typedef struct {
    const char *name;
    double value, whisker;
} chart_bar;
typedef struct {
    const char *title, *about;
    const char *value_name, *whisker_name; /* whisker_name NULL: no bar has one */
    scale_unit unit;
    double full; /* what a bar of the whole width is; 0: the largest there is */
    const chart_bar *bars;
    int n;
} chart_bars;
void chart_bars_draw(FILE *f, const chart_bars *c); /* lying, from the top down */

typedef struct {
    const char *title, *about, *x_label, *y_label;
    const char *const *names; /* [n] */
    const double *counts;     /* [n] */
    int n;
} chart_histogram;
void chart_histogram_draw(FILE *f, const chart_histogram *c);
#endif
