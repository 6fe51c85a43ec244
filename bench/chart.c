#include "chart.h"
#include <math.h>
#include <stdbool.h>
#include "markup.h"

enum { BAR_ROW = 36, BAR = 12, BAR_TOP = 4, MARKS_MAX = 64, LETTER = 8, HISTOGRAM_TOP = 24 };

typedef struct {
    double left, top, width, height;
} frame;

/* ---- what every figure has ---- */

static void open_figure(FILE *f, const char *title)
{
    fputs("<figure>\n<figcaption>", f);
    markup_text(f, title);
    fputs("</figcaption>\n", f);
}

static void open_drawing(FILE *f, int width, int height, const char *title, const char *about)
{
    fprintf(f, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
            width == CHART_WIDE ? "wide" : "narrow", width, height);
    markup_text(f, title);
    fputs(". ", f);
    markup_text(f, about);
    fputs("\">\n<title>", f);
    markup_text(f, title);
    fputs("</title>\n<desc>", f);
    markup_text(f, about);
    fputs("</desc>\n", f);
}

static void text_at(FILE *f, double x, double y, const char *anchor, const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, anchor);
    markup_text(f, text);
    fputs("</text>\n", f);
}

static void tick_at(FILE *f, double x, double y, const char *anchor, const scale *s, int tick)
{
    char number[SCALE_NUMBER];
    scale_tick(number, s, tick);
    text_at(f, x, y, anchor, number);
}

static void mark(FILE *f, int style, double x, double y)
{
    switch (style % 4) {
    case 0:
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\">", x, y);
        break;
    case 1:
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"6\" height=\"6\">", x - 3, y - 3);
        break;
    case 2:
        fprintf(f, "<path d=\"M%.1f %.1fl4 4l-4 4l-4 -4z\">", x, y - 4);
        break;
    default:
        fprintf(f, "<path d=\"M%.1f %.1fl4 7h-8z\">", x, y - 4);
    }
}

static const char *end_of_mark(int style)
{
    return style % 4 == 0 ? "</circle>" : style % 4 == 1 ? "</rect>" : "</path>";
}

static void legend_line(FILE *f, const char *name, int style)
{
    fprintf(f,
            "<li><svg class=\"key s%d\" viewBox=\"0 0 30 12\" aria-hidden=\"true\"><line x1=\"0\" y1=\"6\" x2=\"30\" "
            "y2=\"6\"/>",
            style);
    mark(f, style, 15, 6);
    fprintf(f, "%s</svg>", end_of_mark(style));
    markup_text(f, name);
    fputs("</li>\n", f);
}

/* ---- axes ---- */

static double x_of(const frame *p, const scale *s, double v) { return p->left + scale_at(s, v) * p->width; }
static double y_of(const frame *p, const scale *s, double v) { return p->top + (1 - scale_at(s, v)) * p->height; }

static void draw_y_axis(FILE *f, const frame *p, const scale *s, const char *label)
{
    for (int i = 0; i < s->n_ticks; i++) {
        const double y = y_of(p, s, s->ticks[i]);
        fprintf(f, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", p->left, y,
                p->left + p->width, y);
        tick_at(f, p->left - 6, y + 4, "end", s, i);
    }
    text_at(f, 2, 11, "label", label);
}

static void draw_x_axis(FILE *f, const frame *p, const scale *s, const char *label)
{
    const double bottom = p->top + p->height;
    fprintf(f, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", p->left, bottom,
            p->left + p->width, bottom);
    for (int i = 0; i < s->n_ticks; i++) {
        const double x = x_of(p, s, s->ticks[i]);
        fprintf(f, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, bottom, x,
                bottom + 4);
        tick_at(f, x, bottom + 17, "middle", s, i);
    }
    text_at(f, p->left + p->width / 2, bottom + 36, "middle label", label);
}

/* ---- lines ---- */

static scale scale_of_lines(const chart_plot *c, const chart_axis *axis, bool is_x)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < c->n_lines; i++)
        for (int k = 0; k < c->lines[i].n; k++) {
            const double v = is_x ? c->lines[i].x[k] : c->lines[i].y[k];
            if (isnan(v) || (axis->kind == SCALE_LOG && !(v > 0)) || (axis->kind == SCALE_PERCENTILE && v >= 100))
                continue;
            low = fmin(low, v);
            high = fmax(high, v);
        }
    return scale_of(axis->kind, axis->unit, low, high);
}

static void draw_line(FILE *f, const frame *p, const scale *x, const scale *y, const chart_line *l)
{
    bool open = false;
    fprintf(f, "<g class=\"s%d\">\n", l->style);
    for (int i = 0; i < l->n; i++) {
        const double px = x_of(p, x, l->x[i]), py = y_of(p, y, l->y[i]);
        const bool there = !isnan(px) && !isnan(py);
        if (there) fprintf(f, "%s%.1f,%.1f", open ? " " : "<polyline points=\"", px, py);
        if (open && !there) fputs("\"/>\n", f);
        open = there;
    }
    if (open) fputs("\"/>\n", f);
    for (int i = 0; i < l->n && l->n <= MARKS_MAX; i++) {
        const double px = x_of(p, x, l->x[i]), py = y_of(p, y, l->y[i]);
        char at[SCALE_NUMBER], value[SCALE_NUMBER];
        if (isnan(px) || isnan(py)) continue;
        scale_number(at, l->x[i], x->unit);
        scale_number(value, l->y[i], y->unit);
        mark(f, l->style, px, py);
        fputs("<title>", f);
        markup_text(f, l->name);
        fprintf(f, ", %s: %s</title>%s\n", at, value, end_of_mark(l->style));
    }
    fputs("</g>\n", f);
}

static void draw_lane(FILE *f, const frame *p, const scale *x, const chart_lane *l, double y)
{
    fputs("<g class=\"wrong\">\n", f);
    text_at(f, p->left - 6, y + 4, "end", l->name);
    for (int i = 0; i < l->n; i++) {
        const double px = x_of(p, x, l->x[i]);
        char at[SCALE_NUMBER], count[SCALE_NUMBER];
        if (isnan(px) || !(l->counts[i] > 0)) continue;
        scale_number(at, l->x[i], x->unit);
        scale_number(count, l->counts[i], UNIT_COUNT);
        fprintf(f, "<path d=\"M%.1f %.1fl6 6m0 -6l-6 6\"><title>", px - 3, y - 3);
        markup_text(f, l->name);
        fprintf(f, ", %s: %s</title></path>\n", at, count);
    }
    fputs("</g>\n", f);
}

void chart_plot_draw(FILE *f, const chart_plot *c)
{
    const scale x = scale_of_lines(c, &c->x, true), y = scale_of_lines(c, &c->y, false);
    open_figure(f, c->title);
    fputs("<ul class=\"legend\">\n", f);
    for (int i = 0; i < c->n_lines; i++) legend_line(f, c->lines[i].name, c->lines[i].style);
    fputs("</ul>\n", f);
    for (int width = CHART_WIDE; width; width = width == CHART_WIDE ? CHART_NARROW : 0) {
        const int lanes = c->n_lanes ? (c->n_lanes + 1) * CHART_LANE : 0, top = CHART_TOP + lanes,
                  height = CHART_HEIGHT + lanes;
        const frame p = {CHART_LEFT, top, width - CHART_LEFT - CHART_RIGHT, height - top - CHART_BOTTOM};
        open_drawing(f, width, height, c->title, c->about);
        draw_y_axis(f, &p, &y, c->y.label);
        draw_x_axis(f, &p, &x, c->x.label);
        for (int i = 0; i < c->n_lanes; i++) draw_lane(f, &p, &x, &c->lanes[i], CHART_TOP + i * CHART_LANE);
        for (int i = 0; i < c->n_lines; i++) draw_line(f, &p, &x, &y, &c->lines[i]);
        fputs("</svg>\n", f);
    }
    fputs("</figure>\n", f);
}

/* ---- bars ---- */

/* The name above its bar, the numbers at the other end of that line: no name is too long for its place but by being
 * cut, and the same form holds on a phone. */
static void draw_bar(FILE *f, const chart_bars *c, const chart_bar *b, double full, int width, double y)
{
    char value[SCALE_NUMBER], whisker[SCALE_NUMBER];
    scale_number(value, b->value, c->unit);
    scale_number(whisker, b->whisker, c->unit);
    const double end = 2 + (width - 4) * fmin(fmax(b->value / full, 0), 1);
    const double tip = 2 + (width - 4) * fmin(fmax(b->whisker / full, 0), 1), middle = y + 17 + BAR / 2.0;
    fputs("<g class=\"s0\"><title>", f);
    markup_text(f, b->name);
    fprintf(f, "</title>\n<text x=\"2\" y=\"%.1f\">", y + 12);
    markup_short(f, b->name, (width - 170) / LETTER);
    fprintf(f, "</text>\n<text x=\"%d\" y=\"%.1f\" class=\"end\">%s", width - 2, y + 12, value);
    if (c->whisker_name && !isnan(b->whisker)) {
        fputs(", ", f);
        markup_text(f, c->whisker_name);
        fprintf(f, " %s", whisker);
    }
    fprintf(f, "</text>\n<rect class=\"ground\" x=\"2\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", y + 17, width - 4,
            BAR);
    if (!isnan(b->value)) fprintf(f, "<rect x=\"2\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n", y + 17, end - 2, BAR);
    if (!isnan(b->whisker) && !isnan(b->value))
        fprintf(f, "<path class=\"whisker\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8\"/>\n", end, middle, tip, tip, middle - 4);
    fputs("</g>\n", f);
}

void chart_bars_draw(FILE *f, const chart_bars *c)
{
    double full = c->full;
    for (int i = 0; i < c->n && !(c->full > 0); i++) full = fmax(full, fmax(c->bars[i].value, c->bars[i].whisker));
    if (!(full > 0)) full = 1;
    open_figure(f, c->title);
    fputs("<ul class=\"legend\">\n<li><svg class=\"key s0\" viewBox=\"0 0 30 12\" aria-hidden=\"true\">"
          "<rect x=\"0\" y=\"0\" width=\"30\" height=\"12\"/></svg>",
          f);
    markup_text(f, c->value_name);
    if (c->whisker_name) {
        fputs("</li>\n<li><svg class=\"key s0\" viewBox=\"0 0 30 12\" aria-hidden=\"true\">"
              "<path class=\"whisker\" d=\"M0 6H28M28 2v8\"/></svg>",
              f);
        markup_text(f, c->whisker_name);
    }
    fputs("</li>\n</ul>\n", f);
    for (int width = CHART_WIDE; width; width = width == CHART_WIDE ? CHART_NARROW : 0) {
        open_drawing(f, width, BAR_TOP + c->n * BAR_ROW, c->title, c->about);
        for (int i = 0; i < c->n; i++) draw_bar(f, c, &c->bars[i], full, width, BAR_TOP + i * BAR_ROW);
        fputs("</svg>\n", f);
    }
    fputs("</figure>\n", f);
}

/* ---- histogram ---- */

/* Every how-manieth name has room. */
static int names_apart(const chart_histogram *c, double step)
{
    size_t longest = 1;
    for (int i = 0; i < c->n; i++) {
        size_t n = 0;
        while (c->names[i][n] && n < 12) n++;
        longest = n > longest ? n : longest;
    }
    return (int)ceil((double)(longest * LETTER + 6) / step);
}

void chart_histogram_draw(FILE *f, const chart_histogram *c)
{
    double most = 0;
    for (int i = 0; i < c->n; i++) most = fmax(most, c->counts[i]);
    const scale y = scale_of(SCALE_LINEAR, UNIT_COUNT, 0, most);
    open_figure(f, c->title);
    for (int width = CHART_WIDE; width; width = width == CHART_WIDE ? CHART_NARROW : 0) {
        const frame p = {CHART_LEFT, HISTOGRAM_TOP, width - CHART_LEFT - CHART_RIGHT,
                         CHART_HEIGHT - HISTOGRAM_TOP - CHART_BOTTOM};
        const double step = p.width / (c->n ? c->n : 1), bottom = p.top + p.height;
        const int apart = names_apart(c, step);
        open_drawing(f, width, CHART_HEIGHT, c->title, c->about);
        draw_y_axis(f, &p, &y, c->y_label);
        for (int i = 0; i < c->n; i++) {
            const double top = y_of(&p, &y, c->counts[i]), x = p.left + step * i;
            char count[SCALE_NUMBER];
            scale_number(count, c->counts[i], UNIT_COUNT);
            if (i % apart == 0) {
                fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" class=\"middle\">", x + step / 2, bottom + 17);
                markup_short(f, c->names[i], 12);
                fputs("</text>\n", f);
            }
            if (isnan(top)) continue;
            fprintf(f, "<rect class=\"s0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
                    x + step * 0.1, top, step * 0.8, bottom - top);
            markup_text(f, c->names[i]);
            fprintf(f, ": %s</title></rect>\n", count);
        }
        fprintf(f, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", p.left, bottom,
                p.left + p.width, bottom);
        text_at(f, p.left + p.width / 2, bottom + 36, "middle label", c->x_label);
        fputs("</svg>\n", f);
    }
    fputs("</figure>\n", f);
}
