/* test_incident_routes.c - incidents over a socket, as the operator's commands ask for them. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/admin.h"
#include "server/app.h"
#include "server/incidents.h"
#include "server/monitor.h"
#include "tests/support/client.h"

static const route table[] = {
    {"GET", "/admin/incidents", incidents_get, 0, SHAPE_TEI, ""},
    {"GET", "/admin/incidents/*", incident_get, 0, SHAPE_TEI, ""},
    {"POST", "/admin/incidents/*/ack", incident_acknowledge_post, 0, SHAPE_TEI, ""},
    {"POST", "/admin/incidents/*/resolve", incident_resolve_post, 8192, SHAPE_TEI, ""},
};
static bool no_route(const route *r) { return !r; }

static void open_app(app *a, const options *chosen)
{
    error err;
    const monitor_options seen = {.loops = 1,
                                  .objective_ns = 100000000,
                                  .objective_ratio = 0.99,
                                  .routes = table,
                                  .n_routes = 4,
                                  .computes = no_route};
    const http_limits limits = {.routes = table,
                                .n_routes = 4,
                                .host = "127.0.0.1",
                                .loops = 1,
                                .max_connections = 10,
                                .head_ms = 60000,
                                .body_ms = 60000,
                                .idle_ms = 60000,
                                .write_stall_ms = 60000,
                                .max_body_bytes = 1 << 20,
                                .max_parsing_bytes = 1 << 24,
                                .name = "ops"};
    *a = (app){.phase = APP_LOADING, .options = chosen};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a->monitor, seen, &err), OK);
    CU_ASSERT_EQUAL_FATAL(incidents_open(&a->incidents, a, "", "", &err), OK);
    CU_ASSERT_EQUAL_FATAL(http_open(&a->ops, limits, a, &err), OK);
}

static void close_app(app *a)
{
    http_close(a->ops);
    incidents_close(a->incidents);
    monitor_close(a->monitor);
}

/* The reply's body into `tree`, the caller's to delete, and its status. */
static int ask(const app *a, const char *line, const char *body, cJSON **tree)
{
    char request[2048];
    client c;
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nhost: x\r\nx-operator: ada@host\r\ncontent-type: application/json\r\ncontent-length: "
             "%zu\r\n\r\n"
             "%s",
             line, strlen(body), body);
    const client_reply r = client_ask(&c, http_port(a->ops), request);
    *tree = r.status ? cJSON_ParseWithLength(r.body, r.body_bytes) : NULL;
    CU_ASSERT_PTR_NOT_NULL(*tree);
    client_close(&c);
    return r.status;
}

static const char *text(const cJSON *tree, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));
    return s ? s : "(none)";
}

static void an_incident_is_listed_acknowledged_and_resolved(void)
{
    static const options none;
    app a;
    cJSON *tree;
    char line[128], id[64];
    open_app(&a, &none);
    CU_ASSERT_TRUE(incidents_report(a.incidents, CAUSE_GPU_FAULT, "", "a fault"));
    CU_ASSERT_EQUAL(ask(&a, "GET /admin/incidents", "", &tree), 200);
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(tree), 1);
    snprintf(id, sizeof id, "%s", text(tree->child, "id"));
    cJSON_Delete(tree);
    snprintf(line, sizeof line, "GET /admin/incidents/%s", id);
    CU_ASSERT_EQUAL(ask(&a, line, "", &tree), 200);
    CU_ASSERT_STRING_EQUAL(text(tree, "summary"), "a fault");
    CU_ASSERT_TRUE(cJSON_IsObject(cJSON_GetObjectItem(tree, "bundle")));
    cJSON_Delete(tree);
    snprintf(line, sizeof line, "POST /admin/incidents/%s/ack", id);
    CU_ASSERT_EQUAL(ask(&a, line, "", &tree), 200);
    CU_ASSERT_STRING_EQUAL(text(tree, "id"), id);
    CU_ASSERT_STRING_EQUAL(text(tree, "state"), "acknowledged");
    cJSON_Delete(tree);
    snprintf(line, sizeof line, "POST /admin/incidents/%s/resolve", id);
    CU_ASSERT_EQUAL(ask(&a, line, "{\"note\":\"the cat\"}", &tree), 200);
    CU_ASSERT_STRING_EQUAL(text(tree, "state"), "resolved");
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(ask(&a, "GET /admin/incidents", "", &tree), 200);
    CU_ASSERT_STRING_EQUAL(text(tree->child, "state"), "resolved");
    CU_ASSERT_STRING_EQUAL(text(tree->child, "acknowledged_by"), "ada@host");
    CU_ASSERT_STRING_EQUAL(text(tree->child, "resolved_by"), "ada@host");
    CU_ASSERT_STRING_EQUAL(text(tree->child, "note"), "the cat");
    cJSON_Delete(tree);
    close_app(&a);
}

static void what_cannot_be_is_refused(void)
{
    static const options none;
    app a;
    cJSON *tree;
    char resolve[128], ack[128];
    open_app(&a, &none);
    incidents_report(a.incidents, CAUSE_GOLDEN, "", "wrong rows");
    CU_ASSERT_EQUAL(ask(&a, "GET /admin/incidents", "", &tree), 200);
    snprintf(resolve, sizeof resolve, "POST /admin/incidents/%s/resolve", text(tree->child, "id"));
    snprintf(ack, sizeof ack, "POST /admin/incidents/%s/ack", text(tree->child, "id"));
    cJSON_Delete(tree);
    const struct {
        const char *line, *body;
        int code;
        const char *said;
    } rows[] = {
        {"GET /admin/incidents/20260101-000000-golden", "", 404, "no incident 20260101-000000-golden"},
        {"GET /admin/incidents/..", "", 404, "no such path"},
        {"POST /admin/incidents/x/ack", "", 404, "no incident x"},
        {"POST /admin/incidents/x/resolve", "{\"note\":\"y\"}", 404, "no incident x"},
        {resolve, "{}", 422, "the note is blank"},
        {resolve, "{\"note\":\"  \"}", 422, "the note is blank"},
        {resolve, "{\"note\":7}", 422, "note"},
        {resolve, "note", 400, "JSON"},
        {resolve, "{\"note\":\"done\"}", 200, NULL},
        {resolve, "{\"note\":\"done\"}", 409, "resolved already, by ada@host"},
        {ack, "", 409, "resolved already"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int code = ask(&a, rows[i].line, rows[i].body, &tree);
        CU_ASSERT_EQUAL(code, rows[i].code);
        if (rows[i].said) CU_ASSERT_PTR_NOT_NULL(strstr(text(tree, "error"), rows[i].said));
        if (code != rows[i].code || (rows[i].said && !strstr(text(tree, "error"), rows[i].said)))
            printf("\n    %s: %d %s", rows[i].line, code, text(tree, "error"));
        cJSON_Delete(tree);
    }
    close_app(&a);
}

void incident_routes_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, an_incident_is_listed_acknowledged_and_resolved);
    CU_ADD_TEST(s, what_cannot_be_is_refused);
}
