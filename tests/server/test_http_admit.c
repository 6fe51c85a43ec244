/* test_http_admit.c - who may come in is settled by the head alone; and the names in a path reach its handler. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/live_server.h"

static atomic_int seen; /* heads that were asked about */

/* As x-admit says it; without, everyone. */
static int admit(void *app, const http_request *head, error *why)
{
    const http_slice wanted = http_field(head, "x-admit");
    CU_ASSERT_PTR_NULL(app);
    atomic_fetch_add(&seen, 1);
    if (!wanted.n) return 0;
    (void)!fail(why, BAD_INPUT, "not %.*s", (int)head->path.n, head->path.p);
    return (int)strtol(wanted.p, NULL, 10);
}

static http_limits admitting(void)
{
    http_limits limits = live_limits();
    atomic_store(&seen, 0);
    limits.admit = admit;
    return limits;
}

static void a_refusal_comes_before_the_body(void)
{
    static const struct {
        int code;
        const char *reason, *type, *authenticate;
    } refusals[] = {
        {401, "Unauthorized", "Unauthorized", "Bearer"},
        {403, "Forbidden", "Forbidden", NULL},
        {421, "Misdirected Request", "Misdirected", NULL},
    };
    static const char *const framings[] = {"Content-Length: 100", "Content-Length: 1000000000",
                                           "Transfer-Encoding: chunked"};
    char request[256], wanted[128], field[64];
    client c;
    live_start(admitting());
    for (int i = 0; i < 18; i++) {
        const int k = i / 6, openai = i % 2;
        const char *path = openai ? "/openai" : "/small";
        snprintf(request, sizeof request,
                 "POST %s HTTP/1.1\r\nHost: a\r\nX-Admit: %d\r\nExpect: 100-continue\r\n%s\r\n\r\n", path,
                 refusals[k].code, framings[i / 2 % 3]);
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, request);
        client_reply r = client_read(&c); /* the first: no 100 before it */
        CU_ASSERT_EQUAL_FATAL(r.status, refusals[k].code);
        snprintf(wanted, sizeof wanted, "HTTP/1.1 %d %s\r\n", refusals[k].code, refusals[k].reason);
        CU_ASSERT(!strncmp(r.head, wanted, strlen(wanted)));
        snprintf(wanted, sizeof wanted,
                 openai ? "{\"error\":{\"message\":\"not %s\",\"type\":\"%s\",\"param\":null,\"code\":%d}}"
                        : "{\"error\":\"not %s\",\"error_type\":\"%s\"}",
                 path, refusals[k].type, refusals[k].code);
        CU_ASSERT_STRING_EQUAL(r.body, wanted);
        const bool closes = client_has(&r, "connection", "close");
        CU_ASSERT(client_has(&r, "content-type", "application/json"));
        CU_ASSERT_EQUAL(client_field(&r, "www-authenticate", field, sizeof field), refusals[k].authenticate != NULL);
        if (refusals[k].authenticate) CU_ASSERT_STRING_EQUAL(field, refusals[k].authenticate);
        CU_ASSERT(closes && client_ended(&c));
        client_close(&c);
        EVENTUALLY(atomic_load(&live_ended) == i + 1);
        const call_record told = live_told(i);
        CU_ASSERT_EQUAL(told.status, refusals[k].code);
        CU_ASSERT(told.route && !strcmp(told.route->path, path));
    }
    CU_ASSERT_EQUAL(atomic_load(&live_run), 0);
    CU_ASSERT_EQUAL(atomic_load(&seen), 18);
    live_stop();
}

/* What came with the head is not taken for a request. */
static void a_refused_body_is_not_parsed(void)
{
    char request[256];
    client c;
    live_start(admitting());
    snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: a\r\nX-Admit: 401\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(live_hello), live_hello);
    client_reply r = client_ask(&c, live_port, request);
    CU_ASSERT_EQUAL(r.status, 401);
    CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(atomic_load(&seen), 1);
    live_stop();
}

static void without_a_body_the_connection_stays(void)
{
    client c;
    live_start(admitting());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nX-Admit: 403\r\n\r\n");
    client_text(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\nX-Admit: 421\r\n\r\n");
    client_text(&c, live_hello);
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 403 && client_has(&r, "connection", "keep-alive"));
    r = client_read_head(&c);
    CU_ASSERT_EQUAL(r.status, 421);
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    client_close(&c);
    CU_ASSERT_EQUAL(atomic_load(&seen), 3);
    live_stop();
}

/* Who may not come in learns nothing of what is there. */
static void heads_of_unknown_paths_are_seen(void)
{
    static const struct {
        const char *line;
        int code; /* for who may come in */
    } cases[] = {
        {"GET /none", 404},   {"POST /none", 404},          {"PUT /echo", 405},
        {"BREW /hello", 501}, {"GET /named/a/at/b/c", 404}, {"DELETE /named/a", 405},
    };
    char request[256];
    client c;
    live_start(admitting());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int refused = 0; refused < 2; refused++) {
            snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].line,
                     refused ? "X-Admit: 401\r\n" : "");
            client_reply r = client_ask(&c, live_port, request);
            CU_ASSERT_EQUAL(r.status, refused ? 401 : cases[i].code);
            CU_ASSERT_EQUAL(client_has(&r, "www-authenticate", "Bearer"), refused != 0);
            CU_ASSERT_EQUAL(atomic_load(&seen), 2 * (int)i + refused + 1);
            client_close(&c);
        }
    }
    client_reply r = client_ask(&c, live_port, "GET /hello HTTP/1.1\r\nX-Admit: 401\r\n\r\n"); /* no Host */
    CU_ASSERT_EQUAL(r.status, 400);
    CU_ASSERT_EQUAL(atomic_load(&seen), 12); /* of what was not understood nobody is asked */
    client_close(&c);
    live_stop();
}

static void who_is_let_in_is_served_as_ever(void)
{
    client c;
    live_start(admitting());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client_reply r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 100);
    client_text(&c, "abc");
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
    client_text(&c, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 413);
    client_close(&c);
    CU_ASSERT_EQUAL(atomic_load(&seen), 2);
    live_stop();
}

/* ---- names in a path ------------------------------------------------------------------------------------------- */

static void names_reach_the_handler(void)
{
    enum { LARGE = 100000 }; /* parsed by another thread than the loop */
    char *body = live_repeat('x', LARGE);
    client c;
    live_start(admitting());
    CU_ASSERT(live_answers("GET /named/abc HTTP/1.1\r\nHost: a\r\n\r\n", "abc"));
    CU_ASSERT(live_answers("GET /named/all-MiniLM.v1_2?x=/y HTTP/1.1\r\nHost: a\r\n\r\n", "all-MiniLM.v1_2"));
    CU_ASSERT(live_answers("POST /named/a/at/b.c HTTP/1.1\r\nHost: a\r\n\r\n", "a b.c"));
    CU_ASSERT_FATAL(client_open(&c, live_port));
    for (int i = 0; i < 2; i++) {
        client_text(&c, "POST /named/one/at/two HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        client_send(&c, body, LARGE);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "one two"));
    }
    client_text(&c, live_hello);
    client_reply r = client_read(&c);
    CU_ASSERT_EQUAL(r.status, 200);
    client_text(&c, "GET /named/b HTTP/1.1\r\nHost: a\r\n\r\n"); /* and nothing of the one before */
    r = client_read(&c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "b"));
    client_close(&c);
    free(body);
    live_stop();
}

static void a_path_with_names_says_no_in_its_own_shape(void)
{
    static const char *const requests[] = {
        "POST /named/a/at/b HTTP/1.1\r\nHost: a\r\nX-Admit: 403\r\n\r\n",
        "GET /named/a/at/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /named/a/at/b HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n",
    };
    static const int codes[] = {403, 405, 413};
    client c;
    live_start(admitting());
    for (int i = 0; i < 3; i++) {
        client_reply r = client_ask(&c, live_port, requests[i]);
        CU_ASSERT_EQUAL(r.status, codes[i]);
        CU_ASSERT(r.body && !strncmp(r.body, "{\"error\":{\"message\":", 20));
        if (codes[i] == 405) CU_ASSERT(client_has(&r, "allow", "POST"));
        client_close(&c);
    }
    client_reply r = client_ask(&c, live_port, "GET /named/.. HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT(r.status == 404 && strstr(r.body, "\"error_type\":\"NotFound\""));
    client_close(&c);
    live_stop();
}

void http_admit_suite(CU_pSuite s)
{
    CU_add_test(s, "401, 403 and 421 come before the body, in the route's shape", a_refusal_comes_before_the_body);
    CU_add_test(s, "a refused body is not parsed", a_refused_body_is_not_parsed);
    CU_add_test(s, "without a body a refusal keeps the connection", without_a_body_the_connection_stays);
    CU_add_test(s, "heads of unknown paths are asked about too", heads_of_unknown_paths_are_seen);
    CU_add_test(s, "who is let in is served as ever", who_is_let_in_is_served_as_ever);
    CU_add_test(s, "names in a path reach the handler", names_reach_the_handler);
    CU_add_test(s, "a path with names says no in its own shape", a_path_with_names_says_no_in_its_own_shape);
}
