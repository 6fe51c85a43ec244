#include "server_timing.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "runtime/base/stage.h"

/* "12.345" */
static bool number(const char **p, double *ms)
{
    size_t whole = strspn(*p, "0123456789"), digits = (*p)[whole] == '.' ? strspn(*p + whole + 1, "0123456789") : 0;
    if (!whole || digits != 3 || sscanf(*p, "%lf", ms) != 1) return false;
    *p += whole + 1 + digits;
    return true;
}

bool server_timing_parse(server_timing *t, const char *value)
{
    *t = (server_timing){0};
    for (int s = 0; s < STAGES; s++) {
        size_t n = strlen(stage_names[s]);
        if (strncmp(value, stage_names[s], n) || strncmp(value + n, ";dur=", 5)) continue;
        value += n + 5;
        t->stage[t->n] = s;
        if (!number(&value, &t->ms[t->n++]) || strncmp(value, ", ", 2)) return false;
        value += 2;
    }
    if (strncmp(value, "total;dur=", 10)) return false;
    value += 10;
    return number(&value, &t->total_ms) && !*value;
}

bool server_timing_of(server_timing *t, const client_reply *r)
{
    char value[512];
    return client_field(r, "server-timing", value, sizeof value) && server_timing_parse(t, value);
}

double server_timing_sum(const server_timing *t)
{
    double sum_ms = 0;
    for (int i = 0; i < t->n; i++) sum_ms += t->ms[i];
    return sum_ms;
}

bool server_timing_adds_up(const server_timing *t)
{
    return t->n > 0 && fabs(server_timing_sum(t) - t->total_ms) <= 0.0005 * (t->n + 1) + 1e-6;
}
