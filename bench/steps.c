#include "steps.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "quantity.h"

enum { ITEM_MAX = 64 };
static const double DOUBLED = 2, LEAST_FACTOR = 1.01;

typedef struct {
    double from, to, factor;
} range;

/* Cuts the item where `sign` stands; NULL: it does not. */
static char *cut(char *item, const char *sign)
{
    char *at = strstr(item, sign);
    if (!at) return NULL;
    *at = 0;
    return at + strlen(sign);
}

/* NAN in what is no number. */
static range read_item(char *item)
{
    range r = {.factor = DOUBLED};
    char *to = cut(item, "..");
    if (!to && (to = cut(item, ":"))) {
        char *factor = cut(to, ":");
        r.factor = factor && *factor == 'x' ? quantity_read(factor + 1, quantity_counts) : NAN;
    }
    r.from = quantity_read(item, quantity_rates);
    r.to = to ? quantity_read(to, quantity_rates) : r.from;
    return r;
}

static status add(steps *s, double value, const char *option, error *err)
{
    if (s->n == STEPS_MAX) return fail(err, BAD_INPUT, "%s: more than %d steps", option, STEPS_MAX);
    s->at[s->n++] = value;
    return OK;
}

/* A step that would lie within rounding of the end is the end. */
static status add_range(steps *s, range r, const char *option, error *err)
{
    status rc = OK;
    for (double v = r.from; rc == OK && v < r.to * (1 - 1e-9); v *= r.factor) rc = add(s, v, option, err);
    return rc == OK ? add(s, r.to, option, err) : rc;
}

status steps_read(steps *out, const char *option, const char *text, double least, double most, error *err)
{
    status rc = OK;
    *out = (steps){0};
    for (const char *at = text;; at++) {
        char item[ITEM_MAX];
        const size_t n = strcspn(at, ",");
        snprintf(item, sizeof item, "%.*s", (int)n, at);
        const range r = n < sizeof item ? read_item(item) : (range){NAN, NAN, NAN};
        if (!(r.from >= least && r.to >= r.from && r.to <= most && r.factor >= LEAST_FACTOR))
            rc = fail(err, BAD_INPUT, "%s %.60s: wanted %g to %g, as 100,200 or 4..256 or 1k:20k:x1.5", option, at,
                      least, most);
        if (rc == OK) rc = add_range(out, r, option, err);
        at += n;
        if (rc != OK || !*at) break;
    }
    if (rc != OK) *out = (steps){0};
    return rc;
}
