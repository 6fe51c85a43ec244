#include "ops_routes.h"
#include "admin.h"
#include "answer.h"
#include "exposition.h"
#include "flight_dump.h"
#include "handlers.h"
#include "metrics.h"

static void metrics_get(call *c)
{
    out o = {0};
    metrics_write(&o, app_of(c));
    call_reply(c, 200, EXPOSITION_TYPE, &o, "");
}

const route ops_routes[] = {
    {"GET", "/metrics", metrics_get, 0, SHAPE_TEI, "all numbers, as Prometheus reads them"},
    {"GET", "/admin/flight", flight_get, 0, SHAPE_TEI, "the last events of every thread"},
    {"POST", "/admin/release", release_post, 4096, SHAPE_TEI, "let another version answer, step by step"},
    {"GET", "/admin/release", release_get, 0, SHAPE_TEI, "how the release goes, or the last one went"},
    {"POST", "/admin/rollback", rollback_post, 4096, SHAPE_TEI, "the previous version answers again, at once"},
    {"GET", "/admin/versions", versions_get, 0, SHAPE_TEI, "what answers, what did before, and whose it is"},
    {"GET", "/admin/ledger", ledger_get, 0, SHAPE_TEI, "what was done to the versions, the last lines"},
    {"GET", "/admin/incidents", incidents_get, 0, SHAPE_TEI, "what went wrong, newest first"},
    {"GET", "/admin/incidents/*", incident_get, 0, SHAPE_TEI, "one incident, with all that was known as it opened"},
    {"POST", "/admin/incidents/*/ack", incident_acknowledge_post, 0, SHAPE_TEI, "somebody looks at it"},
    {"POST", "/admin/incidents/*/resolve", incident_resolve_post, 8192, SHAPE_TEI, "it is over, and what it was"},
    {"POST", "/admin/drain", drain_post, 4096, SHAPE_TEI, "answer what has come, and end"},
    {"GET", "/console/state", console_state_get, 0, SHAPE_TEI, "how the server is, in one document"},
    {"GET", "/health/live", health_live_get, 0, SHAPE_TEI, "200 as long as the process answers"},
    {"GET", "/health/ready", health_ready_get, 0, SHAPE_TEI, "200, or 503 with the reason"},
    {"GET", "/health/startup", health_ready_get, 0, SHAPE_TEI, "the same"},
};
const int ops_routes_count = sizeof ops_routes / sizeof *ops_routes;
