/* test_health.c - what the phases of a server look like from outside: the real routes, without a model behind them. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "server/app.h"
#include "server/http.h"
#include "server/routes.h"
#include "tests/support/client.h"
#include "tests/support/versions_of.h"

typedef struct { int phase; const char *reason; } row;
static const row rows[] = {{APP_LOADING, "the model is loading"}, {APP_READY, NULL},
                           {APP_DRAINING, "the server is stopping"}, {APP_LOST, "an illegal address (700)"}};

static void device_close(backend *b) { (void)b; }
static const backend_ops device = {.name = "none", .close = device_close};

static void says(int port, const char *request, int code, const char *part)
{
    client c;
    char wait[16] = "";
    client_reply r = client_ask(&c, port, request);
    CU_ASSERT_EQUAL(r.status, code);
    if (r.status == code && part) CU_ASSERT_PTR_NOT_NULL(strstr(r.body, part));
    CU_ASSERT_EQUAL(client_field(&r, "retry-after", wait, sizeof wait), code == 503);
    if (r.status != code) printf("\n    %.60s: %d", request, r.status);
    client_close(&c);
}

static void every_phase_says_what_it_is(void)
{
    app a = {.lost = {"an illegal address (700)"}};
    const http_limits limits = {.routes = routes, .n_routes = routes_count, .host = "127.0.0.1", .loops = 1,
                                .parse_threads = 1, .max_connections = 100, .head_ms = 5000, .body_ms = 5000,
                                .idle_ms = 60000, .write_stall_ms = 10000, .max_body_bytes = 1 << 20,
                                .max_parsing_bytes = 1 << 24, .name = "loop"};
    http_server *s;
    error err;
    CU_ASSERT_EQUAL_FATAL(http_open(&s, limits, &a, &err), OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int port = http_port(s), code = rows[i].phase == APP_READY ? 200 : 503;
        atomic_store(&a.phase, rows[i].phase);
        says(port, "GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n", code, rows[i].reason);
        says(port, "GET /health/startup HTTP/1.1\r\nhost: x\r\n\r\n", code, rows[i].reason);
        says(port, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n", code, rows[i].reason);
        says(port, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", 200, "live");
        if (rows[i].phase != APP_LOADING && rows[i].phase != APP_LOST) continue; /* the others need a model */
        says(port, "GET /info HTTP/1.1\r\nhost: x\r\n\r\n", 503, rows[i].reason);
        says(port, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n"
             "{\"inputs\":\"x\"}", 503, rows[i].reason);
    }
    http_close(s);
}

/* Asks until the answer is 503: of a ready server it is 415, which takes no model. */
static atomic_int asked;
static void *ask_until_lost(void *port)
{
    for (int code = 415; code == 415;) {
        client c;
        code = client_ask(&c, *(int *)port, "POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").status;
        client_close(&c);
        atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
    }
    return NULL;
}

/* A race would be ThreadSanitizer's to see: this thread must not touch a socket, which to it are synchronised. */
static void a_device_may_be_lost_while_requests_come(void)
{
    engine *model = calloc(1, sizeof *model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    model->ops = &device;
    app a = {.phase = APP_READY, .versions = versions_of(model)};
    const http_limits limits = {.routes = routes, .n_routes = routes_count, .host = "127.0.0.1", .loops = 1,
                                .max_connections = 100, .head_ms = 5000, .body_ms = 5000, .idle_ms = 60000,
                                .write_stall_ms = 10000, .max_body_bytes = 1 << 20, .max_parsing_bytes = 1 << 24,
                                .name = "loop"};
    http_server *s;
    error err;
    pthread_t asks;
    CU_ASSERT_EQUAL_FATAL(http_open(&s, limits, &a, &err), OK);
    int port = http_port(s);
    atomic_store(&asked, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&asks, NULL, ask_until_lost, &port), 0);
    for (int i = 0; i < 30000 && atomic_load_explicit(&asked, memory_order_relaxed) < 20; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    a.lost = (error){"an illegal address (700)"};
    atomic_store_explicit(&a.phase, APP_LOST, memory_order_release);
    pthread_join(asks, NULL);
    CU_ASSERT_TRUE(atomic_load(&asked) > 20);
    says(port, "POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}", 503, "an illegal address (700)");
    http_close(s);
    versions_close(a.versions);
}

void health_suite(CU_pSuite s)
{
    CU_add_test(s, "loading, ready, stopping, device lost: readiness and routes say which, with Retry-After",
                every_phase_says_what_it_is);
    CU_add_test(s, "why a device was lost is told once it is, and is not looked at before",
                a_device_may_be_lost_while_requests_come);
}
