#include "incidents_text.h"
#include <stdlib.h>
#include <string.h>
#include "incident_file.h"
#include "status_text.h"

static const cJSON *at(const cJSON *object, const char *name) { return cJSON_GetObjectItemCaseSensitive(object, name); }

static double number(const cJSON *object, const char *name)
{
    const cJSON *v = at(object, name);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const char *string(const cJSON *object, const char *name)
{
    const char *s = cJSON_GetStringValue(at(object, name));
    return s ? s : "";
}

static void say(out *o, const char *text)
{
    for (; *text; text++) {
        const bool control = (unsigned char)*text < ' ' || *text == 0x7f;
        out_bytes(o, control ? " " : text, 1);
    }
}

/* Padded to its column, and two blanks. */
static void cell(out *o, const char *text, int width)
{
    say(o, text);
    out_format(o, "%*s", width - (int)strlen(text) + 2, "");
}

static double age_s(const cJSON *i, const char *name, double now_s)
{
    const double age = now_s - (double)incident_time_ms(string(i, name)) * 1e-3;
    return age > 0 ? age : 0; /* clocks differ */
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

typedef enum { COLUMN_ID, COLUMN_STATE, COLUMN_COUNT, COLUMN_AGE, COLUMN_VERSION, COLUMN_OWNER, COLUMNS } column;
static const char *const heads[COLUMNS] = {"ID", "STATE", "COUNT", "AGE", "VERSION", "OWNER"};

static const char *of_column(const cJSON *i, int c, double now_s, char room[32])
{
    out age = {0};
    switch (c) {
    case COLUMN_ID:
        return string(i, "id");
    case COLUMN_STATE:
        return string(i, "state");
    case COLUMN_VERSION:
        return string(i, "version");
    case COLUMN_OWNER:
        return string(at(i, "owner"), "team");
    case COLUMN_COUNT:
        snprintf(room, 32, "%.0f", number(i, "count"));
        return room;
    default:
        status_age(&age, age_s(i, "opened_at", now_s));
        snprintf(room, 32, "%.*s", (int)age.n, age.n ? age.p : "");
        out_free(&age);
        return room;
    }
}

void incidents_text(out *o, const cJSON *list, double now_s)
{
    int width[COLUMNS];
    char room[32];
    const cJSON *i;
    if (!cJSON_GetArraySize(list)) {
        out_text(o, "no incidents\n");
        return;
    }
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = (int)strlen(heads[c]);
        cJSON_ArrayForEach(i, list)
        {
            const int n = (int)strlen(of_column(i, c, now_s, room));
            if (n > width[c]) width[c] = n;
        }
    }
    for (int c = 0; c < COLUMNS; c++) cell(o, heads[c], width[c]);
    out_text(o, "SUMMARY\n");
    cJSON_ArrayForEach(i, list)
    {
        for (int c = 0; c < COLUMNS; c++) cell(o, of_column(i, c, now_s, room), width[c]);
        say(o, string(i, "summary"));
        out_text(o, "\n");
    }
}

/* ---- the page -----------------------------------------------------------------------------------------------------
 */

enum { LABEL = 11 };

static void line(out *o, const char *label, const char *text)
{
    if (!*text) return;
    cell(o, label, LABEL);
    say(o, text);
    out_text(o, "\n");
}

static void write_when(out *o, const cJSON *i, double now_s)
{
    cell(o, "opened", LABEL);
    say(o, string(i, "opened_at"));
    out_text(o, ", ");
    status_age(o, age_s(i, "opened_at", now_s));
    out_text(o, " ago");
    if (number(i, "count") > 1) {
        out_format(o, "; %.0f times, the last ", number(i, "count"));
        status_age(o, age_s(i, "last_at", now_s));
        out_text(o, " ago");
    }
    out_text(o, "\n");
}

static void write_whom(out *o, const char *label, const cJSON *i, const char *when, const char *who, const char *note)
{
    if (!*string(i, when)) return;
    cell(o, label, LABEL);
    say(o, string(i, when));
    out_text(o, " by ");
    say(o, string(i, who));
    out_text(o, *note ? ": " : "");
    say(o, note);
    out_text(o, "\n");
}

static void write_version(out *o, const cJSON *i)
{
    const cJSON *owner = at(i, "owner");
    if (*string(i, "version")) {
        cell(o, "version", LABEL);
        say(o, string(i, "version"));
        out_text(o, " of ");
        say(o, string(i, "model"));
        out_format(o, ", digest %.12s\n", string(i, "digest"));
    }
    line(o, "owner", *string(owner, "team") ? string(owner, "team") : "none: the version is not packed");
    line(o, "contact", string(owner, "contact"));
    line(o, "runbook", string(owner, "runbook"));
}

/* "burn       5m 16.70, 1h 3.20, 6h 0.50" */
static void write_numbers(out *o, const char *label, const cJSON *object, const char *unit)
{
    const cJSON *v;
    if (!object || !object->child) return;
    cell(o, label, LABEL);
    cJSON_ArrayForEach(v, object)
    {
        out_text(o, v == object->child ? "" : ", ");
        say(o, v->string);
        out_format(o, " %.6g%s", v->valuedouble, unit);
    }
    out_text(o, "\n");
}

static void write_stages(out *o, const cJSON *stages)
{
    const cJSON *s;
    if (!cJSON_GetArraySize(stages)) return;
    out_format(o, "\n%-11s %10s %10s %10s\n", "stage", "requests", "p50 ms", "p99 ms");
    cJSON_ArrayForEach(s, stages) out_format(o, "%-11s %10.0f %10.4g %10.4g\n", string(s, "stage"), number(s, "count"),
                                             number(s, "p50_ms"), number(s, "p99_ms"));
}

static const cJSON *longest(const cJSON *stages)
{
    const cJSON *most = NULL, *s;
    cJSON_ArrayForEach(s, stages) if (!most || s->valuedouble > most->valuedouble) most = s;
    return most;
}

static void write_slowest(out *o, const cJSON *slowest)
{
    const cJSON *r;
    if (!cJSON_GetArraySize(slowest)) return;
    out_format(o, "\n%10s %9s %7s %7s  slowest requests of the minute before\n", "ms", "s before", "status", "tokens");
    cJSON_ArrayForEach(r, slowest)
    {
        const cJSON *most = longest(at(r, "stages_ms"));
        out_format(o, "%10.1f %9.1f %7.0f %7.0f  ", number(r, "total_ms"), number(r, "ago_ms") * 1e-3,
                   number(r, "status"), number(r, "tokens"));
        say(o, string(r, "route"));
        out_text(o, " ");
        say(o, string(r, "request_id"));
        if (most) out_format(o, ", %.1f ms in %s", most->valuedouble, most->string);
        out_text(o, "\n");
    }
}

typedef struct {
    double ago_us;
    const char *thread;
    const cJSON *event;
} moment;

static int compare(const void *a, const void *b)
{
    const double x = ((const moment *)a)->ago_us, y = ((const moment *)b)->ago_us;
    return (x > y) - (x < y);
}

static void write_moment(out *o, const moment *m)
{
    const cJSON *v;
    out_format(o, "%10.1f  ", m->ago_us * 1e-3);
    cell(o, m->thread, LABEL);
    say(o, string(m->event, "event"));
    cJSON_ArrayForEach(v, m->event)
    {
        if (!cJSON_IsNumber(v) || !strcmp(v->string, "ago_us")) continue;
        out_text(o, " ");
        say(o, v->string);
        out_format(o, " %.15g", v->valuedouble);
    }
    out_text(o, "\n");
}

/* The last of all threads, in the order in which they came. */
static void write_flight(out *o, const cJSON *flight)
{
    const cJSON *ring, *e;
    size_t n = 0, all = 0;
    cJSON_ArrayForEach(ring, at(flight, "rings")) all += (size_t)cJSON_GetArraySize(at(ring, "events"));
    moment *moments = malloc((all + 1) * sizeof *moments);
    if (!moments) o->failed = true;
    if (!moments || !all) {
        free(moments);
        return;
    }
    cJSON_ArrayForEach(ring, at(flight, "rings")) cJSON_ArrayForEach(e, at(ring, "events")) moments[n++] =
        (moment){number(e, "ago_us"), string(ring, "thread"), e};
    qsort(moments, n, sizeof *moments, compare);
    if (n > INCIDENTS_TEXT_EVENTS) n = INCIDENTS_TEXT_EVENTS;
    out_format(o, "\n%10s  last events before it opened\n", "ms before");
    while (n) write_moment(o, &moments[--n]);
    free(moments);
}

void incident_text(out *o, const cJSON *i, double now_s)
{
    const cJSON *bundle = at(i, "bundle");
    line(o, "incident", string(i, "id"));
    line(o, "state", string(i, "state"));
    line(o, "cause", string(i, "cause"));
    line(o, "rule", string(i, "rule"));
    line(o, "what", string(i, "summary"));
    write_when(o, i, now_s);
    write_whom(o, "seen", i, "acknowledged_at", "acknowledged_by", "");
    write_whom(o, "resolved", i, "resolved_at", "resolved_by", string(i, "note"));
    write_version(o, i);
    write_numbers(o, "burn", at(at(bundle, "slo"), "burn"), "");
    write_numbers(o, "p99", at(bundle, "p99_ms"), " ms");
    write_numbers(o, "queue", at(bundle, "queue"), "");
    write_numbers(o, "device", at(bundle, "device"), "");
    write_stages(o, at(bundle, "stages"));
    write_slowest(o, at(bundle, "slowest"));
    write_flight(o, at(bundle, "flight"));
}
