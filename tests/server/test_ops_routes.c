/* test_ops_routes.c - the operator's port over a socket, of a server that has no model yet. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "server/app.h"
#include "server/http.h"
#include "server/incidents.h"
#include "server/monitor.h"
#include "server/ops_routes.h"
#include "tests/support/client.h"

static const route none[] = {{"GET", "/info", NULL, 0, SHAPE_TEI, "tells"}};
static bool no_route(const route *r) { return !r; }

typedef struct {
    const char *request;
    int code;
    const char *type, *part; /* of the body */
} row;
static const row rows[] = {
    {"GET /metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "\nbeeline_ready 0\n"},
    {"GET /metrics?x=1", 200, "text/plain; version=0.0.4; charset=utf-8", "\nprocess_open_fds "},
    {"GET /admin/flight", 200, "application/json", "{"},
    {"GET /admin/incidents", 200, "application/json", "[\n]\n"},
    {"GET /admin/incidents/none", 404, "application/json", "no incident none"},
    {"POST /admin/incidents/none/ack", 404, "application/json", "no incident none"},
    {"POST /admin/incidents/none/resolve", 415, "application/json", "wanted application/json"},
    {"GET /health/live", 200, "application/json", "live"},
    {"GET /health/ready", 503, "application/json", "the model is loading"},
    {"GET /health/startup", 503, "application/json", "the model is loading"},
    {"POST /metrics", 405, "application/json", "no such method here"},
    {"POST /embed", 404, "application/json", "no such path"},
    {"GET /info", 404, "application/json", "no such path"},
};

static void each_route_answers_before_the_model_does(void)
{
    static const options chosen = {.objective_ms = 100, .objective_ratio = 0.99};
    app a = {.options = &chosen};
    error err;
    const monitor_options o = {.loops = 1,
                               .objective_ns = 100000000,
                               .objective_ratio = 0.99,
                               .routes = none,
                               .n_routes = 1,
                               .computes = no_route};
    const http_limits limits = {.routes = ops_routes,
                                .n_routes = ops_routes_count,
                                .host = "127.0.0.1",
                                .loops = 1,
                                .parse_threads = 1,
                                .max_connections = 10,
                                .head_ms = 60000,
                                .body_ms = 60000,
                                .idle_ms = 60000,
                                .write_stall_ms = 60000,
                                .max_body_bytes = 1 << 20,
                                .max_parsing_bytes = 1 << 24,
                                .name = "ops"};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a.monitor, o, &err), OK);
    CU_ASSERT_EQUAL_FATAL(incidents_open(&a.incidents, &a, "", "", &err), OK);
    CU_ASSERT_EQUAL_FATAL(http_open(&a.ops, limits, &a, &err), OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[128];
        client c;
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nhost: x\r\n\r\n", rows[i].request);
        const client_reply r = client_ask(&c, http_port(a.ops), request);
        CU_ASSERT_EQUAL(r.status, rows[i].code);
        if (r.status) {
            CU_ASSERT(client_has(&r, "content-type", rows[i].type));
            CU_ASSERT_PTR_NOT_NULL(strstr(r.body, rows[i].part));
        }
        if (r.status != rows[i].code) printf("\n    %s: %d", rows[i].request, r.status);
        client_close(&c);
    }
    http_close(a.ops);
    incidents_close(a.incidents);
    monitor_close(a.monitor);
}

void ops_routes_suite(CU_pSuite s)
{
    CU_add_test(s, "numbers, flight recorder and probes answer before there is a model",
                each_route_answers_before_the_model_does);
}
