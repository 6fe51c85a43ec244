#include "scale.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NBSP "\302\240" /* a number and its unit stay on one line */

enum { STEPS = 5, FINE_TICKS = 7, DECADES_MAX = 9 };
static const double percents[] = {0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999};
enum { PERCENTS = sizeof percents / sizeof *percents };

/* The k-th of ..., 0.5, 1, 2, 5, 10, ...: 0 is 1. */
static double round_number(int k)
{
    static const double steps[] = {1, 2, 5};
    const int decade = (int)floor(k / 3.0);
    return steps[k - 3 * decade] * pow(10, decade);
}

/* The smallest k whose number is `value` or more; the slack is a rounding error's. */
static int round_up(double value)
{
    int k = 3 * (int)floor(log10(value));
    while (round_number(k) < value * (1 - 1e-9)) k++;
    return k;
}

static double nines(double percent) { return -log10(1 - percent / 100); }

static void tick(scale *s, double value)
{
    if (s->n_ticks < SCALE_TICKS) s->ticks[s->n_ticks++] = value;
}

static void spread_linear(scale *s, double high)
{
    const double step = high > 0 ? round_number(round_up(high / STEPS)) : 1;
    const int n = high > 0 ? (int)ceil(high / step - 1e-9) : 1;
    s->low = 0;
    s->high = step * n;
    for (int i = 0; i <= n; i++) tick(s, step * i);
}

static void spread_log(scale *s, double low, double high)
{
    if (!(high > 0)) high = 1;
    if (!(low > 0) || low > high) low = high;
    low = fmax(low, high * pow(10, -DECADES_MAX));
    int from = round_up(low), to = round_up(high);
    if (round_number(from) > low * (1 + 1e-9)) from--;
    if (from == to) to++;
    s->low = round_number(from);
    s->high = round_number(to);
    for (int k = from; k <= to; k++)
        if (to - from < FINE_TICKS || k % 3 == 0) tick(s, round_number(k));
}

static void spread_percentile(scale *s, double low, double high)
{
    s->low = low >= 0 && low < 90 ? low : 50;
    s->high = high < 100 ? fmax(high, 99) : 99.9999;
    for (int i = 0; i < PERCENTS; i++)
        if (percents[i] >= s->low && percents[i] <= s->high + 1e-9) tick(s, percents[i]);
}

scale scale_of(scale_kind kind, scale_unit unit, double low, double high)
{
    scale s = {.kind = kind, .unit = unit};
    if (kind == SCALE_LINEAR) spread_linear(&s, high);
    else if (kind == SCALE_LOG) spread_log(&s, low, high);
    else spread_percentile(&s, low, high);
    return s;
}

double scale_at(const scale *s, double value)
{
    double at = NAN;
    if (s->kind == SCALE_LINEAR) at = value / s->high;
    else if (s->kind == SCALE_LOG && value > 0) at = log(value / s->low) / log(s->high / s->low);
    else if (s->kind == SCALE_PERCENTILE && value < 100)
        at = (nines(value) - nines(s->low)) / (nines(s->high) - nines(s->low));
    return at >= -1e-9 && at <= 1 + 1e-9 ? at : NAN;
}

/* Three digits, without the zeros that say nothing: 0.41, 1.19, 20, 15.4, 1234. */
static void three_digits(char out[SCALE_NUMBER], double v)
{
    const double size = fabs(v);
    if (size >= 1e6) {
        snprintf(out, SCALE_NUMBER, "%.3g", v);
        return;
    }
    snprintf(out, SCALE_NUMBER, "%.*f", size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3, v);
    if (!strchr(out, '.')) return;
    size_t n = strlen(out);
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    out[n] = 0;
}

static void whole(char out[SCALE_NUMBER], double v)
{
    char digits[SCALE_NUMBER];
    const int n = snprintf(digits, sizeof digits, "%.0f", fabs(v));
    char *p = out;
    if (v < 0) *p++ = '-';
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
}

/* size: of the value that decides between ms and s, 1 and k. */
static void write_number(char out[SCALE_NUMBER], double value, double size, scale_unit unit)
{
    typedef struct {
        double least, factor;
        const char *suffix;
    } prefix;
    static const prefix per_s[] = {{1e6, 1e-6, "M/s"}, {1e4, 1e-3, "k/s"}, {0, 1, "/s"}};
    static const prefix ms[] = {{1e3, 1e-3, NBSP "s"}, {0.1, 1, NBSP "ms"}, {0, 1e3, NBSP "us"}};
    static const prefix count[] = {{1e6, 1e-6, "M"}, {1e4, 1e-3, "k"}, {0, 1, ""}};
    static const prefix share[] = {{0, 100, NBSP "%"}}, s[] = {{0, 1, NBSP "s"}};
    static const prefix *const prefixes[] = {
        [UNIT_COUNT] = count, [UNIT_PER_S] = per_s, [UNIT_MS] = ms, [UNIT_S] = s, [UNIT_SHARE] = share};
    char number[SCALE_NUMBER];
    if (unit == UNIT_PERCENT) {
        snprintf(out, SCALE_NUMBER, "%.7g" NBSP "%%", value);
        return;
    }
    const prefix *p = prefixes[unit];
    while (size < p->least * 0.9995) p++;
    three_digits(number, value * p->factor);
    snprintf(out, SCALE_NUMBER, "%.24s%s", number, p->suffix);
}

void scale_number(char out[SCALE_NUMBER], double value, scale_unit unit)
{
    if (isnan(value)) snprintf(out, SCALE_NUMBER, "n/a");
    else if (unit == UNIT_COUNT && value == floor(value) && fabs(value) < 1e15) whole(out, value);
    else write_number(out, value, value == 0 ? 1 : fabs(value), unit);
}

void scale_tick(char out[SCALE_NUMBER], const scale *s, int tick)
{
    const double value = s->ticks[tick];
    if (value == 0) snprintf(out, SCALE_NUMBER, "0");
    else write_number(out, value, s->kind == SCALE_LINEAR ? s->high : value, s->unit);
}
