#include "incident_bundle.h"
#include <stdlib.h>
#include <string.h>
#include "build.h"
#include "flight_dump.h"
#include "monitor.h"
#include "process.h"

static double ms_of(int64_t ns) { return (double)ns * 1e-6; }

static void member(out *o, const char *before, const char *value)
{
    out_text(o, before);
    out_json_string(o, value, strlen(value));
}

static void write_process(out *o)
{
    process_facts p;
    error err;
    member(o, "{\"build\":{\"version\":", build_version());
    member(o, ",\"commit\":", build_commit());
    member(o, ",\"flags\":", build_flags());
    if (process_read(&p, &err) != OK) p = (process_facts){0};
    out_format(o,
               "},\"process\":{\"started_unix_s\":%.0f,\"cpu_s\":%.2f,\"resident_bytes\":%lld,\"virtual_bytes\":%lld,"
               "\"threads\":%lld,\"open_fds\":%lld,\"max_fds\":%lld}",
               p.start_unix_s, p.cpu_s, (long long)p.resident_bytes, (long long)p.virtual_bytes, (long long)p.threads,
               (long long)p.open_fds, (long long)p.max_fds);
}

static void write_options(out *o, const options *chosen)
{
    char line[160], text[160];
    const char *before = "";
    out_text(o, ",\"options\":[");
    for (int i = 0; options_line(chosen, COMMAND_SERVE, i, line); i++) {
        if (!strncmp(line, "incident-url=", strlen("incident-url="))) continue;
        incident_copy(text, sizeof text, line); /* a value that is cut may end with half a letter */
        member(o, before, text);
        before = ",";
    }
    out_text(o, "]");
}

static void write_version(out *o, const char *before, const version *v)
{
    out_text(o, before);
    if (!v) {
        out_text(o, "null");
        return;
    }
    member(o, "{\"version\":", v->name);
    member(o, ",\"directory\":", v->directory);
    member(o, ",\"digest\":", v->engine->digest);
    member(o, ",\"model\":", v->model_name);
    out_format(o, ",\"since_unix_s\":%lld}", (long long)v->since_unix_s);
}

static void write_versions(out *o, versions *vs)
{
    version *v = vs ? versions_acquire(vs) : NULL, *before = vs ? versions_acquire_previous(vs) : NULL;
    write_version(o, ",\"versions\":{\"active\":", v);
    write_version(o, ",\"previous\":", before);
    out_text(o, "}");
    versions_release(vs, before);
    versions_release(vs, v);
}

static void write_objective(out *o, const app *a, int64_t now_ns)
{
    double burn[MONITOR_BURN_WINDOWS];
    int64_t took_ns[MONITOR_WINDOWS][MONITOR_QUANTILES];
    monitor_burn(a->monitor, burn);
    monitor_lately(a->monitor, now_ns, took_ns);
    out_format(o, ",\"slo\":{\"objective_ms\":%d,\"objective_ratio\":%.9g,\"burn\":{", a->options->objective_ms,
               a->options->objective_ratio);
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++)
        out_format(o, "%s\"%s\":%.2f", i ? "," : "", monitor_burn_windows[i], burn[i]);
    out_text(o, "}},\"p99_ms\":{");
    for (int i = 0; i < MONITOR_WINDOWS; i++)
        for (int q = 0; q < MONITOR_QUANTILES; q++)
            if (!strcmp(monitor_quantiles[q], "0.99"))
                out_format(o, "%s\"%s\":%.3f", i ? "," : "", monitor_windows[i], ms_of(took_ns[i][q]));
    out_text(o, "}");
}

static void write_work(out *o, const app *a, int64_t now_ns)
{
    if (atomic_load_explicit(&a->phase, memory_order_acquire) == APP_LOADING) {
        out_text(o, ",\"queue\":null,\"device\":null");
        return;
    }
    const queue_counts n = batcher_count(a->queue);
    const executor_counts d = executor_count(a->executor);
    out_format(o,
               ",\"queue\":{\"in_hand\":%lld,\"queued_requests\":%lld,\"queued_tokens\":%lld,\"oldest_ms\":%.3f,"
               "\"answered\":%lld,\"overloaded\":%lld,\"expired\":%lld,\"failed\":%lld}",
               (long long)n.in_hand, (long long)n.queued_requests, (long long)n.queued_tokens,
               n.oldest_ns ? ms_of(now_ns - n.oldest_ns) : 0, (long long)n.answered, (long long)n.overloaded,
               (long long)n.expired, (long long)n.failed);
    out_format(o,
               ",\"device\":{\"in_flight\":%lld,\"errors\":%lld,\"watchdog_trips\":%lld,\"golden_ok\":%lld,"
               "\"golden_failed\":%lld,\"busy_s\":%.3f}",
               (long long)d.in_flight, (long long)d.device_errors, (long long)d.watchdog_trips, (long long)d.golden_ok,
               (long long)d.golden_failed, d.busy_s);
}

/* The edge at or below which a share q of all lies; of the longest, which have none, the last edge. */
static int64_t edge_of(const monitor_durations *d, const int64_t *edges_ns, int64_t total, double q)
{
    int64_t below = 0;
    int i = 0;
    while (i < MONITOR_EDGES - 1 && (double)(below + d->count[i]) < q * (double)total) below += d->count[i++];
    return total ? edges_ns[i] : 0;
}

static void write_stages(out *o, const monitor *m)
{
    monitor_sum *sum = malloc(sizeof *sum);
    const int64_t *edges_ns = monitor_edges_ns(m);
    if (!sum) {
        o->failed = true;
        return;
    }
    monitor_add_up(m, sum);
    out_text(o, ",\"edges_ms\":[");
    for (int i = 0; i < MONITOR_EDGES; i++) out_format(o, "%s%.6g", i ? "," : "", ms_of(edges_ns[i]));
    out_text(o, "],\"stages\":[");
    for (int s = 0; s < STAGES; s++) {
        const monitor_durations *d = &sum->stages[s];
        int64_t total = 0;
        for (int i = 0; i <= MONITOR_EDGES; i++) total += d->count[i];
        out_format(o, "%s{\"stage\":\"%s\",\"count\":%lld,\"sum_ms\":%.3f,\"p50_ms\":%.6g,\"p99_ms\":%.6g,\"counts\":[",
                   s ? ",\n" : "\n", stage_names[s], (long long)total, d->sum_s * 1e3,
                   ms_of(edge_of(d, edges_ns, total, 0.5)), ms_of(edge_of(d, edges_ns, total, 0.99)));
        for (int i = 0; i <= MONITOR_EDGES; i++) out_format(o, "%s%lld", i ? "," : "", (long long)d->count[i]);
        out_text(o, "]}");
    }
    out_text(o, "]");
    free(sum);
}

static int64_t total_ns(const call_record *r) { return r->times.at[STAGES] - r->times.at[STAGE_READ]; }

static int compare(const void *a, const void *b)
{
    const int64_t x = total_ns(&((const monitor_slow *)a)->record), y = total_ns(&((const monitor_slow *)b)->record);
    return (x < y) - (x > y);
}

static void write_slowest(out *o, monitor *m, int64_t now_ns)
{
    monitor_slow slow[MONITOR_SLOWEST];
    int n = monitor_slowest(m, now_ns, slow, MONITOR_SLOWEST);
    qsort(slow, (size_t)n, sizeof *slow, compare);
    if (n > INCIDENT_SLOWEST) n = INCIDENT_SLOWEST;
    out_text(o, ",\"slowest\":[");
    for (int i = 0; i < n; i++) {
        const call_record *r = &slow[i].record;
        member(o, i ? ",\n{\"request_id\":" : "\n{\"request_id\":", r->request_id);
        member(o, ",\"route\":", r->route ? r->route->path : "");
        out_format(o, ",\"status\":%d,\"ago_ms\":%.3f,\"total_ms\":%.3f,\"stages_ms\":{", r->status,
                   ms_of(now_ns - slow[i].ended_ns), ms_of(total_ns(r)));
        for (int s = 0; s < STAGES; s++)
            out_format(o, "%s\"%s\":%.3f", s ? "," : "", stage_names[s], ms_of(stage_ns(&r->times, s)));
        out_format(o, "},\"sequences\":%lld,\"tokens\":%lld}", (long long)r->sequences, (long long)r->tokens);
    }
    out_text(o, "]");
}

static void name_version(incident *n, versions *vs)
{
    version *v = vs ? versions_acquire(vs) : NULL;
    if (!v) return;
    incident_copy(n->version, sizeof n->version, v->name);
    incident_copy(n->digest, sizeof n->digest, v->engine->digest);
    incident_copy(n->model, sizeof n->model, v->model_name);
    const manifest *m = v->engine->manifest;
    if (m) {
        incident_copy(n->team, sizeof n->team, m->team);
        incident_copy(n->contact, sizeof n->contact, m->contact);
        incident_copy(n->runbook, sizeof n->runbook, m->runbook);
    }
    versions_release(vs, v);
}

void incident_bundle_take(incident *n, const app *a, int64_t now_ns)
{
    out o = {0};
    name_version(n, a->versions);
    write_process(&o);
    write_options(&o, a->options);
    write_versions(&o, a->versions);
    write_objective(&o, a, now_ns);
    write_work(&o, a, now_ns);
    write_stages(&o, a->monitor);
    write_slowest(&o, a->monitor, now_ns);
    out_text(&o, ",\"flight\":");
    flight_dump(&o, INCIDENT_EVENTS);
    out_text(&o, "}");
    if (o.failed) out_free(&o);
    n->bundle = o.p; /* NULL, once it was freed */
    n->bundle_bytes = o.n;
}
