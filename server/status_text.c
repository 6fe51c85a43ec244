#include "status_text.h"
#include <string.h>

static const cJSON *at(const cJSON *object, const char *name) { return cJSON_GetObjectItemCaseSensitive(object, name); }

static double number(const cJSON *object, const char *name)
{
    const cJSON *v = at(object, name);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const char *string(const cJSON *object, const char *name)
{
    const cJSON *v = at(object, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

void status_age(out *o, double seconds)
{
    static const struct { double s; const char *unit; } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    int i = 0;
    while (i < 3 && seconds < units[i].s) i++;
    const double whole = seconds > 0 ? (double)(int64_t)(seconds / units[i].s) : 0;
    out_format(o, "%.0f %s", whole, units[i].unit);
    if (i == 3) return;
    const double rest = (double)(int64_t)((seconds - whole * units[i].s) / units[i + 1].s);
    if (rest > 0) out_format(o, " %.0f %s", rest, units[i + 1].unit);
}

static void write_head(out *o, const cJSON *s, const char *where)
{
    out_format(o, "beeline     %s for ", string(s, "state"));
    status_age(o, number(s, "uptime_s"));
    out_format(o, " at %s, %s, %.0f MiB\n", where, string(s, "build"), number(s, "resident_bytes") / (1 << 20));
}

static void write_objective(out *o, const cJSON *s)
{
    const cJSON *objective = at(s, "objective"), *burn = at(s, "burn"), *lately = at(at(s, "latency_ms"), "1m");
    const double limit_ms = number(objective, "ms"), p99_ms = number(lately, "0.99");
    out_format(o, "objective   %g %% within %g ms: last minute p50 %.1f ms, p99 %.1f ms%s\n",
               number(objective, "ratio") * 100, limit_ms, number(lately, "0.5"), p99_ms,
               p99_ms > limit_ms ? ", TOO LATE" : "");
    out_format(o, "budget      burns at %.1f over 5 min, %.1f over 1 h, %.1f over 6 h (1: just as much as is allowed)\n",
               number(burn, "5m"), number(burn, "1h"), number(burn, "6h"));
}

static void write_load(out *o, const cJSON *s)
{
    const cJSON *load = at(s, "load"), *queue = at(s, "queue"), *device = at(s, "device");
    if (!load) return;
    out_format(o, "load        %.2f of capacity: %.0f of %.0f tokens/s; %.0f requests wait, the oldest for %.0f ms\n",
               number(load, "ratio"), number(load, "offered_tokens_per_s"), number(load, "capacity_tokens_per_s"),
               number(queue, "requests"), number(queue, "oldest_ms"));
    out_format(o, "device      %s, %s, %s\n", string(device, "backend"), string(device, "name"),
               string(device, "precision"));
}

static void write_version(out *o, const char *what, const cJSON *v, double now_s)
{
    if (!cJSON_IsObject(v)) {
        out_format(o, "%-11s none\n", what);
        return;
    }
    out_format(o, "%-11s %s %s in %s, digest %.12s, for ", what, string(v, "model"), string(v, "version"),
               string(v, "directory"), string(v, "digest"));
    status_age(o, now_s - number(v, "since"));
    out_text(o, "\n");
}

static void write_versions(out *o, const cJSON *s)
{
    const cJSON *versions = at(s, "versions"), *active = at(versions, "active"), *owner = at(active, "owner");
    if (!versions) return;
    write_version(o, "active", active, number(s, "now"));
    write_version(o, "previous", at(versions, "previous"), number(s, "now"));
    if (*string(owner, "team"))
        out_format(o, "owner       %s, %s, %s\n", string(owner, "team"), string(owner, "contact"),
                   string(owner, "runbook"));
    else out_text(o, "owner       none: the version is not packed\n");
}

static void write_release(out *o, const cJSON *s)
{
    const cJSON *release = at(s, "release"), *step;
    if (!release || !strcmp(string(release, "state"), "idle")) return;
    out_format(o, "release     %.0f of %s: %s", number(release, "number"), string(release, "version"),
               string(release, "state"));
    cJSON_ArrayForEach(step, at(release, "steps"))
    {
        const char *how = string(step, "state");
        if (!strcmp(how, "running") || !strcmp(how, "failed"))
            out_format(o, ", %s: %s", string(step, "step"), string(step, "detail"));
    }
    out_format(o, " (%s, %s)\n", string(release, "who"), string(release, "reason"));
}

static void write_incidents(out *o, const cJSON *s)
{
    int open = 0;
    const cJSON *i;
    cJSON_ArrayForEach(i, at(s, "incidents")) open += strcmp(string(i, "state"), "resolved") != 0;
    out_format(o, "incidents   %d open\n", open);
    cJSON_ArrayForEach(i, at(s, "incidents"))
    {
        if (!strcmp(string(i, "state"), "resolved")) continue;
        out_format(o, "            %s, %.0f x, %s: %s\n", string(i, "id"), number(i, "count"), string(i, "state"),
                   string(i, "summary"));
    }
}

void status_text(out *o, const cJSON *state, const char *where)
{
    write_head(o, state, where);
    write_objective(o, state);
    write_load(o, state);
    write_versions(o, state);
    write_release(o, state);
    write_incidents(o, state);
}
