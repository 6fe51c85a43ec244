#include "exposition.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/utf8.h"

enum { NUMBER_MAX = 32 };

void exposition_family(exposition *e, const char *name, const char *type, const char *help)
{
    e->name = name;
    out_format(e->o, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exposition_sample(exposition *e, const char *suffix)
{
    out_text(e->o, e->name);
    out_text(e->o, suffix);
    e->labels = 0;
}

static void append_value(out *o, const char *value)
{
    for (size_t left = strlen(value); left;) {
        const size_t step = utf8_step((const unsigned char *)value, left), taken = step ? step : 1;
        if (!step) out_text(o, "\xef\xbf\xbd");
        else if (*value == '\n') out_text(o, "\\n");
        else if (*value == '"' || *value == '\\') out_bytes(o, (char[]){'\\', *value}, 2);
        else out_bytes(o, value, step);
        value += taken;
        left -= taken;
    }
}

void exposition_label(exposition *e, const char *name, const char *value)
{
    out_text(e->o, e->labels++ ? "," : "{");
    out_text(e->o, name);
    out_text(e->o, "=\"");
    append_value(e->o, value);
    out_text(e->o, "\"");
}

static void end_line(exposition *e, const char *number)
{
    out_text(e->o, e->labels ? "} " : " ");
    out_text(e->o, number);
    out_text(e->o, "\n");
}

void exposition_integer(exposition *e, int64_t v)
{
    out_text(e->o, e->labels ? "} " : " ");
    out_int(e->o, v);
    out_text(e->o, "\n");
}

static const char *shortest(double v, char text[NUMBER_MAX])
{
    if (isnan(v)) return "NaN";
    if (isinf(v)) return v > 0 ? "+Inf" : "-Inf";
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_MAX, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    return text;
}

void exposition_number(exposition *e, double v)
{
    char text[NUMBER_MAX];
    end_line(e, shortest(v, text));
}

static void begin(exposition *e, const char *suffix, const char *label, const char *value)
{
    exposition_sample(e, suffix);
    if (label) exposition_label(e, label, value);
}

void exposition_histogram(exposition *e, const char *label, const char *value, const double *edges,
                          const int64_t *counts, int n, double sum)
{
    char text[NUMBER_MAX];
    int64_t total = 0;
    for (int i = 0; i <= n; i++) {
        total += counts[i];
        begin(e, "_bucket", label, value);
        exposition_label(e, "le", i < n ? shortest(edges[i], text) : "+Inf");
        exposition_integer(e, total);
    }
    begin(e, "_sum", label, value);
    exposition_number(e, sum);
    begin(e, "_count", label, value);
    exposition_integer(e, total);
}
