#include "console_state.h"
#include <string.h>
#include <time.h>
#include "build.h"
#include "incidents.h"
#include "monitor.h"
#include "process.h"
#include "release.h"
#include "runtime/base/clock.h"

static void member(out *o, const char *name, const char *value)
{
    out_format(o, ",\"%s\":", name);
    out_json_string(o, value, strlen(value));
}

static void write_process(out *o, int phase)
{
    static const char *const phases[] = {
        [APP_LOADING] = "loading", [APP_READY] = "ready", [APP_DRAINING] = "draining", [APP_LOST] = "lost"};
    error err;
    process_facts p = {0};
    const bool known = process_read(&p, &err) == OK;
    const double now_s = (double)time(NULL), lived_s = known ? now_s - p.start_unix_s : 0;
    out_format(o, "{\"state\":\"%s\",\"build\":\"%s %s\",\"now\":%.0f,\"uptime_s\":%.0f,\"resident_bytes\":%lld",
               phases[phase], build_version(), build_commit(), now_s, lived_s > 0 ? lived_s : 0, /* clocks differ */
               (long long)p.resident_bytes);
}

static void write_latency(out *o, monitor *m)
{
    int64_t took_ns[MONITOR_WINDOWS][MONITOR_QUANTILES];
    monitor_lately(m, clock_ns(), took_ns);
    out_text(o, ",\"latency_ms\":{");
    for (int w = 0; w < MONITOR_WINDOWS; w++) {
        out_format(o, "%s\"%s\":{", w ? "," : "", monitor_windows[w]);
        for (int q = 0; q < MONITOR_QUANTILES; q++)
            out_format(o, "%s\"%s\":%.3f", q ? "," : "", monitor_quantiles[q], (double)took_ns[w][q] * 1e-6);
        out_text(o, "}");
    }
    out_text(o, "}");
}

static void write_objective(out *o, const app *a)
{
    double burn[MONITOR_BURN_WINDOWS];
    monitor_sum sum;
    monitor_burn(a->monitor, burn);
    monitor_add_up(a->monitor, &sum);
    out_format(o, ",\"objective\":{\"ms\":%d,\"ratio\":%g},\"requests\":{\"good\":%lld,\"bad\":%lld},\"burn\":{",
               a->options->objective_ms, a->options->objective_ratio, (long long)sum.good, (long long)sum.bad);
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++)
        out_format(o, "%s\"%s\":%.3f", i ? "," : "", monitor_burn_windows[i], burn[i]);
    out_text(o, "}");
}

static void write_load(out *o, const app *a, const version *v)
{
    const queue_counts n = batcher_count(a->queue);
    const double knee = v->capacity ? v->capacity->knee_tokens_per_s : 0;
    const double most = knee > 0 ? knee : 1e9 / batcher_plan(a->queue).ns_per_token;
    const double offered = monitor_offered_per_s(a->monitor);
    const double oldest_ms = n.oldest_ns ? (double)(clock_ns() - n.oldest_ns) * 1e-6 : 0;
    out_format(o, ",\"load\":{\"offered_tokens_per_s\":%.1f,\"capacity_tokens_per_s\":%.1f,\"ratio\":%.4f}", offered,
               most, offered / most);
    out_format(o, ",\"queue\":{\"requests\":%lld,\"tokens\":%lld,\"oldest_ms\":%.3f}", (long long)n.queued_requests,
               (long long)n.queued_tokens, oldest_ms);
    out_format(o, ",\"device\":{\"backend\":\"%s\"", v->engine->ops->name);
    member(o, "name", v->engine->ops->describe(v->engine->device));
    member(o, "precision", v->engine->ops->precision(v->engine->device));
    out_text(o, "}");
}

void console_state_write(out *o, const app *a)
{
    const int phase = atomic_load_explicit(&a->phase, memory_order_acquire);
    write_process(o, phase);
    write_objective(o, a);
    write_latency(o, a->monitor);
    if (phase != APP_LOADING) {
        version *v = versions_acquire(a->versions);
        write_load(o, a, v);
        versions_release(a->versions, v);
        out_text(o, ",\"versions\":");
        release_write_versions(o, a->release);
        out_text(o, ",\"release\":");
        release_write(o, a->release);
    }
    out_text(o, ",\"incidents\":");
    incidents_write(o, a->incidents);
    out_text(o, "}\n");
}
