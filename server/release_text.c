#include "release_text.h"
#include <stdio.h>
#include <string.h>
#include "runtime/base/utf8.h"

enum { BAR = 20, COLUMNS = 79 };

static const char *string(const cJSON *object, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return s ? s : "";
}

static double number_of(const cJSON *object, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const cJSON *steps_of(const cJSON *release) { return cJSON_GetObjectItemCaseSensitive(release, "steps"); }

static bool has_ended(const cJSON *step)
{
    const char *state = string(step, "state");
    return strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0;
}

/* A detail may quote a bundle: nothing in it moves a terminal's cursor (C0 and C1). */
static void say(out *o, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        const bool wide = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0, control = *p < ' ' || *p == 0x7f || wide;
        out_bytes(o, control ? " " : (const char *)p, 1);
        p += wide;
    }
}

/* What was written since `from` fits a line, so that it can be written over. */
static void cut(out *o, size_t from)
{
    size_t n = from;
    for (int column = 0; column < COLUMNS && n < o->n; column++) {
        const size_t step = utf8_step((const unsigned char *)o->p + n, o->n - n);
        n += step ? step : 1;
    }
    o->n = n;
}

static void append_time(out *o, double ms)
{
    char text[24];
    if (ms < 10000) snprintf(text, sizeof text, "%.1f ms", ms);
    else snprintf(text, sizeof text, "%.1f s", ms / 1000);
    out_format(o, "%12s", text);
}

void release_text_progress(out *o, const cJSON *release)
{
    const cJSON *step, *running = NULL;
    const size_t from = o->n;
    int ended = 0, all = 0;
    cJSON_ArrayForEach(step, steps_of(release))
    {
        all++;
        ended += has_ended(step);
        if (!running && !strcmp(string(step, "state"), "running")) running = step;
    }
    const int full = all ? BAR * ended / all : 0;
    out_format(o, "[%.*s%*s] %d of %d", full, "####################", BAR - full, "", ended, all);
    if (!running) return;
    out_format(o, "  %s", string(running, "step"));
    append_time(o, number_of(running, "ms"));
    if (*string(running, "detail")) out_text(o, "  ");
    say(o, string(running, "detail"));
    cut(o, from);
}

void release_text_steps(out *o, const cJSON *release, int *told)
{
    const cJSON *step;
    int i = 0;
    cJSON_ArrayForEach(step, steps_of(release))
    {
        if (!has_ended(step)) return;
        if (i++ < *told) continue;
        ++*told;
        out_format(o, "%-9s %-8s", string(step, "step"), string(step, "state"));
        append_time(o, number_of(step, "ms"));
        out_text(o, "  ");
        say(o, string(step, "detail"));
        out_text(o, "\n");
    }
}

void release_text_rules(out *o, const cJSON *release)
{
    const cJSON *rule;
    cJSON_ArrayForEach(rule, cJSON_GetObjectItemCaseSensitive(release, "rules"))
        if (cJSON_IsString(rule)) out_format(o, "          rule %s\n", rule->valuestring);
}

const char *release_text_state(const cJSON *release, int64_t number)
{
    return (int64_t)number_of(release, "number") == number ? string(release, "state") : "";
}

void release_text_reason(out *o, const cJSON *release)
{
    const cJSON *step;
    cJSON_ArrayForEach(step, steps_of(release))
    {
        if (strcmp(string(step, "state"), "failed")) continue;
        out_format(o, "%s: ", string(step, "step"));
        say(o, string(step, "detail"));
        return;
    }
}
