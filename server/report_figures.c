/* report_figures.c - one pass; a sample is an array of times, a pain a name that is counted. */
#include "report_figures.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAIN_ROOM = 48, STEP_SAMPLES = 9 };

/* The first nine are a release's steps (release.h), in order. */
typedef enum {
    TO_SWITCH = STEP_SAMPLES,
    TO_DONE,
    BACK_AUTOMATIC,
    BACK_BY_HAND,
    ACKNOWLEDGED,
    RESOLVED,
    MITIGATED,
    SAMPLES
} sample_kind;
typedef struct {
    const char *key, *words;
} sample_row;
static const sample_row sample_rows[SAMPLES] = {
    {"check", "check"},
    {"contract", "contract"},
    {"memory", "memory"},
    {"load", "load"},
    {"golden", "golden"},
    {"warm", "warm"},
    {"shadow", "shadow"},
    {"switch", "switch"},
    {"bake", "bake"},
    {"order_to_switch", "order to switch"},
    {"order_to_done", "order to done"},
    {"automatic", "automatic"},
    {"by_hand", "by hand"},
    {"acknowledge", "until acknowledged"},
    {"resolve", "until resolved"},
    {"mitigate", "until mitigated"},
};
typedef enum { DONE, REFUSED, FAILED, ROLLED_BACK, INTERRUPTED, UNDER_WAY, ENDS } end_kind;
static const char *const end_names[ENDS] = {"done", "refused", "failed", "rolled_back", "interrupted", "under_way"};

typedef struct {
    double *at;
    int n, cap;
} sample;
typedef struct {
    char name[PAIN_ROOM];
    int64_t times;
} pain;

struct report_figures {
    bool failed;
    sample samples[SAMPLES], rollbacks; /* rollbacks: when, ms since 1970 */
    int64_t ends[ENDS], back_automatic, back_by_hand, incidents, open;
    pain *pains; /* [n_pains] */
    pain *causes; /* [n_causes], of incidents */
    int n_pains, n_causes;
    double release, began, switched; /* of the release that the lines are in; when somebody last switched; NAN: not */
    bool ended;
};

report_figures *report_figures_new(void)
{
    report_figures *f = calloc(1, sizeof *f);
    if (f) *f = (report_figures){.release = NAN, .began = NAN, .switched = NAN, .ended = true};
    return f;
}

void report_figures_free(report_figures *f)
{
    if (!f) return;
    for (int i = 0; i < SAMPLES; i++) free(f->samples[i].at);
    free(f->rollbacks.at);
    free(f->pains);
    free(f->causes);
    free(f);
}

static void add(report_figures *f, sample *s, double v)
{
    if (!(v >= 0)) return;
    if (s->n == s->cap) {
        const int cap = s->cap ? 2 * s->cap : 64;
        double *grown = realloc(s->at, (size_t)cap * sizeof *grown);
        if (!grown) {
            f->failed = true;
            return;
        }
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->n++] = v;
}

static void count(report_figures *f, pain **list, int *n, const char *name)
{
    for (int i = 0; i < *n; i++) {
        if (strcmp((*list)[i].name, name)) continue;
        (*list)[i].times++;
        return;
    }
    pain *grown = realloc(*list, (size_t)(*n + 1) * sizeof *grown);
    if (!grown) {
        f->failed = true;
        return;
    }
    *list = grown;
    snprintf(grown[*n].name, sizeof grown[*n].name, "%s", name);
    grown[(*n)++].times = 1;
}

static void hurt(report_figures *f, const char *what, const char *name)
{
    char whole[PAIN_ROOM];
    snprintf(whole, sizeof whole, "%s%.28s", what, name);
    count(f, &f->pains, &f->n_pains, whole);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return s ? s : "";
}

/* "2026-11-25T09:00:00.123Z" in ms since 1970, else NAN. */
static double time_of(const cJSON *object, const char *name)
{
    struct tm utc = {0};
    double fraction = 0;
    const char *rest = strptime(text_of(object, name), "%Y-%m-%dT%H:%M:%S", &utc);
    if (!rest) return NAN;
    if (*rest == '.') fraction = strtod(rest, NULL);
    return (double)timegm(&utc) * 1e3 + fraction * 1e3;
}

static void rolled_back(report_figures *f, sample_kind how, double at)
{
    add(f, &f->samples[how], at - f->switched);
    add(f, &f->rollbacks, at);
    f->switched = NAN;
}

/* A rule's name is what stands before the colon.  Else somebody did it by hand, which is a line of its own. */
static void taken_back(report_figures *f, const char *detail, double at)
{
    char rule[PAIN_ROOM];
    const size_t n = strspn(detail, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (n == 0 || detail[n] != ':') return;
    snprintf(rule, sizeof rule, "%.*s", n > 28 ? 28 : (int)n, detail);
    hurt(f, "rolled back by rule ", rule);
    f->back_automatic++;
    rolled_back(f, BACK_AUTOMATIC, at);
}

static void end_with(report_figures *f, end_kind how)
{
    if (!f->ended) f->ends[how]++;
    f->ended = true;
}

static void release_line(report_figures *f, const cJSON *line, double at)
{
    const char *step = text_of(line, "step"), *outcome = text_of(line, "outcome");
    const cJSON *took = cJSON_GetObjectItemCaseSensitive(line, "ms");
    const double ms = cJSON_GetNumberValue(took),
                 number = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(line, "release"));
    if (isnan(number)) return;
    if (number != f->release) {
        end_with(f, INTERRUPTED); /* another one has begun, so it was */
        f->release = number;
        f->ended = false;
        f->began = strcmp(outcome, "begun") && ms >= 0 ? at - ms : at; /* a line comes when its step has ended */
    }
    if (!strcmp(outcome, "ok")) {
        for (int i = 0; i < STEP_SAMPLES; i++)
            if (!strcmp(step, sample_rows[i].key)) add(f, &f->samples[i], ms);
        if (!strcmp(step, "switch")) {
            f->switched = at;
            add(f, &f->samples[TO_SWITCH], at - f->began);
        }
        if (strcmp(step, "done")) return;
        add(f, &f->samples[TO_DONE], at - f->began);
        end_with(f, DONE);
    } else if (!strcmp(outcome, "refused")) {
        hurt(f, "release refused at ", step);
        end_with(f, REFUSED);
    } else if (!strcmp(outcome, "failed")) {
        hurt(f, "release failed at ", step);
        end_with(f, FAILED);
    } else if (!strcmp(outcome, "rolled_back")) {
        taken_back(f, text_of(line, "detail"), at);
        end_with(f, ROLLED_BACK);
    } else if (!strcmp(outcome, "interrupted")) {
        hurt(f, "release interrupted at ", step);
        end_with(f, INTERRUPTED);
    }
}

void report_figures_line(report_figures *f, const cJSON *line)
{
    const double at = time_of(line, "at");
    const char *action = text_of(line, "action");
    if (!strcmp(action, "release")) release_line(f, line, at);
    if (strcmp(action, "rollback") || strcmp(text_of(line, "outcome"), "ok")) return;
    f->back_by_hand++;
    rolled_back(f, BACK_BY_HAND, at);
}

/* A rollback's own incident is opened when the harm has ended: it has no time to mitigate, and its rule is told. */
void report_figures_incident(report_figures *f, const cJSON *incident)
{
    const double opened = time_of(incident, "opened_at"), resolved = time_of(incident, "resolved_at");
    const char *cause = text_of(incident, "cause");
    f->incidents++;
    count(f, &f->causes, &f->n_causes, cause);
    if (strcmp(text_of(incident, "state"), "resolved")) f->open++;
    add(f, &f->samples[ACKNOWLEDGED], time_of(incident, "acknowledged_at") - opened);
    add(f, &f->samples[RESOLVED], resolved - opened);
    if (!strcmp(cause, "rollback")) return;
    hurt(f, "incident: ", cause);
    double ended = resolved;
    for (int i = 0; i < f->rollbacks.n; i++)
        if (f->rollbacks.at[i] >= opened) ended = fmin(ended, f->rollbacks.at[i]); /* fmin takes what is no NAN */
    add(f, &f->samples[MITIGATED], ended - opened);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_times(const void *a, const void *b)
{
    const pain *x = a, *y = b;
    return x->times != y->times ? (x->times < y->times ? 1 : -1) : strcmp(x->name, y->name);
}

bool report_figures_end(report_figures *f)
{
    end_with(f, UNDER_WAY);
    for (int i = 0; i < SAMPLES; i++)
        if (f->samples[i].n) qsort(f->samples[i].at, (size_t)f->samples[i].n, sizeof(double), by_size);
    if (f->n_pains) qsort(f->pains, (size_t)f->n_pains, sizeof *f->pains, by_times);
    if (f->n_causes) qsort(f->causes, (size_t)f->n_causes, sizeof *f->causes, by_times);
    return !f->failed;
}

static double median(const sample *s) { return (s->at[(s->n - 1) / 2] + s->at[s->n / 2]) / 2; }

static int64_t releases(const report_figures *f)
{
    int64_t n = 0;
    for (int i = 0; i < ENDS; i++) n += f->ends[i];
    return n;
}

static const char *duration(double ms, char text[24])
{
    if (ms < 1e3) snprintf(text, 24, "%.1f ms", ms);
    else if (ms < 120e3) snprintf(text, 24, "%.1f s", ms / 1e3);
    else if (ms < 7200e3) snprintf(text, 24, "%.1f min", ms / 60e3);
    else snprintf(text, 24, "%.1f h", ms / 3600e3);
    return text;
}

static void heading(out *o, const char *words, const char *first)
{
    out_format(o, "\n%-28s %8s %14s %14s\n", words, first, "median", "longest");
}

static void sample_text(out *o, const report_figures *f, int i, int64_t times)
{
    char middle[24], longest[24];
    const sample *s = &f->samples[i];
    if (!times) return;
    out_format(o, "  %-26s %8lld", sample_rows[i].words, (long long)times);
    if (s->n) out_format(o, " %14s %14s", duration(median(s), middle), duration(s->at[s->n - 1], longest));
    out_text(o, "\n");
}

static void pains_text(out *o, const report_figures *f, const char *words, bool twice)
{
    bool any = false;
    for (int i = 0; i < f->n_pains; i++) {
        if ((f->pains[i].times > 1) != twice) continue;
        if (!any) out_format(o, "\n%s\n", words);
        any = true;
        out_format(o, "%6lld  %s\n", (long long)f->pains[i].times, f->pains[i].name);
    }
}

void report_figures_text(out *o, const report_figures *f)
{
    if (!releases(f) && !f->back_by_hand && !f->incidents) {
        out_text(o, "No release, no rollback and no incident has been recorded yet.\n");
        return;
    }
    out_format(o, "%-28s %8lld\n", "Releases", (long long)releases(f));
    for (int i = 0; i < ENDS; i++)
        if (f->ends[i]) out_format(o, "  %-26s %8lld\n", end_names[i], (long long)f->ends[i]);
    heading(o, "Lead time", "releases");
    for (int i = 0; i <= TO_DONE; i++) sample_text(o, f, i, f->samples[i].n);
    heading(o, "Rollbacks, since the switch", "times");
    sample_text(o, f, BACK_AUTOMATIC, f->back_automatic);
    sample_text(o, f, BACK_BY_HAND, f->back_by_hand);
    heading(o, "Incidents", "times");
    out_format(o, "  %-26s %8lld\n  %-26s %8lld\n", "opened", (long long)f->incidents, "open now", (long long)f->open);
    for (int i = 0; i < f->n_causes; i++)
        out_format(o, "  %-26.26s %8lld\n", f->causes[i].name, (long long)f->causes[i].times);
    for (int i = ACKNOWLEDGED; i < SAMPLES; i++) sample_text(o, f, i, f->samples[i].n);
    pains_text(o, f, "Hurt twice or more: worth generalising", true);
    pains_text(o, f, "Hurt once: worth remembering", false);
}

static void samples_json(out *o, const report_figures *f, int from, int to)
{
    for (int i = from; i <= to; i++) {
        const sample *s = &f->samples[i];
        out_format(o, "%s\"%s\":{\"count\":%d", i > from ? "," : "", sample_rows[i].key, s->n);
        if (s->n) out_format(o, ",\"median\":%.1f,\"longest\":%.1f", median(s), s->at[s->n - 1]);
        out_text(o, "}");
    }
}

static void pains_json(out *o, const report_figures *f, const char *name, bool twice)
{
    bool any = false;
    out_format(o, ",\"%s\":[", name);
    for (int i = 0; i < f->n_pains; i++) {
        if ((f->pains[i].times > 1) != twice) continue;
        out_format(o, "%s{\"times\":%lld,\"what\":", any ? "," : "", (long long)f->pains[i].times);
        out_json_string(o, f->pains[i].name, strlen(f->pains[i].name));
        out_text(o, "}");
        any = true;
    }
    out_text(o, "]");
}

void report_figures_json(out *o, const report_figures *f)
{
    out_format(o, "{\"releases\":{\"total\":%lld", (long long)releases(f));
    for (int i = 0; i < ENDS; i++) out_format(o, ",\"%s\":%lld", end_names[i], (long long)f->ends[i]);
    out_text(o, "},\"lead_time_ms\":{");
    samples_json(o, f, 0, TO_DONE);
    out_format(o, "},\"rollbacks\":{\"automatic\":%lld,\"by_hand\":%lld},\"switch_to_rollback_ms\":{",
               (long long)f->back_automatic, (long long)f->back_by_hand);
    samples_json(o, f, BACK_AUTOMATIC, BACK_BY_HAND);
    out_format(o, "},\"incidents\":{\"total\":%lld,\"open\":%lld,\"by_cause\":{", (long long)f->incidents,
               (long long)f->open);
    for (int i = 0; i < f->n_causes; i++) {
        out_text(o, i ? "," : "");
        out_json_string(o, f->causes[i].name, strlen(f->causes[i].name));
        out_format(o, ":%lld", (long long)f->causes[i].times);
    }
    out_text(o, "}},\"incident_ms\":{");
    samples_json(o, f, ACKNOWLEDGED, MITIGATED);
    out_text(o, "}");
    pains_json(o, f, "hurt_twice_or_more", true);
    pains_json(o, f, "hurt_once", false);
    out_text(o, "}\n");
}
