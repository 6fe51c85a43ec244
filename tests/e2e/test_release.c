/* Another version comes to answer, and goes again, under load: nobody notices but by the headers. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/support/broken_bundles.h"
#include "tests/support/bundle.h"
#include "tests/support/operator.h"

enum { CLIENTS = 3, SWAPS = 50, VECTOR = 8192 };
static server_process server;
static char *root, text[OPERATOR_TEXT];

static void begin_with(const char *const *more)
{
    const char *words[16] = {"--versions", root, "--max-wait", "300s"};
    for (int n = 4; more && *more && n < 15; more++) words[n++] = *more;
    char *first = tiny_path(root, "one");
    CU_ASSERT_TRUE_FATAL(server_start(&server, first, words));
    free(first);
}

static void begin(const char *const *more)
{
    root = tiny_folder_make();
    operator_pack(root, "one", (tiny_model){.seed = 1}, 0);
    operator_pack(root, "two", (tiny_model){.seed = 2}, 0);
    begin_with(more);
}

static void end(void)
{
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
    tiny_folder_remove(root);
}

static client_reply embed(client *c)
{
    static const char request[] = "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                                  "content-length: 28\r\n\r\n{\"inputs\":\"a b c d e f g h\"}";
    client_text(c, request);
    return client_read(c);
}

typedef struct { char version[64], digest[80], vector[VECTOR]; } answer;

static bool answer_of(answer *a, const client_reply *r)
{
    memset(a, 0, sizeof *a);
    if (r->status != 200 || r->body_bytes >= sizeof a->vector) return false;
    memcpy(a->vector, r->body, r->body_bytes);
    return client_field(r, "x-model-version", a->version, sizeof a->version) &&
           client_field(r, "x-model-digest", a->digest, sizeof a->digest);
}

static answer now(void)
{
    answer a;
    client c;
    CU_ASSERT_TRUE_FATAL(client_open(&c, server.port));
    const client_reply r = embed(&c);
    CU_ASSERT_TRUE(answer_of(&a, &r));
    client_close(&c);
    return a;
}

static bool is(const answer *a, const answer *b) { return !memcmp(a, b, sizeof *a); }

static bool contains(const char *part)
{
    if (!strstr(text, part)) printf("\n    no %s in %s", part, text);
    return strstr(text, part);
}

/* ---- one */

static void a_version_comes_and_goes(void)
{
    begin((const char *const[]){"--model-name", "tiny", NULL});
    const answer one = now();
    CU_ASSERT_STRING_EQUAL(one.version, "1-one");
    CU_ASSERT_EQUAL(operator_look(&server, "/admin/versions", text), 200);
    CU_ASSERT(contains("{\"active\":{\"version\":\"1-one\",\"directory\":\"one\",") && contains("\"previous\":null"));
    CU_ASSERT_EQUAL(operator_rollback(&server, text), 404);
    CU_ASSERT(contains("no previous version is loaded"));

    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"done\",\"who\":\"ada@test\",\"reason\":\"because\""));
    CU_ASSERT(contains("{\"step\":\"golden\",\"state\":\"ok\"") && contains("{\"step\":\"bake\",\"state\":\"skipped\""));
    const answer two = now();
    CU_ASSERT_STRING_EQUAL(two.version, "1-two");
    CU_ASSERT_STRING_NOT_EQUAL(two.digest, one.digest);
    CU_ASSERT_STRING_NOT_EQUAL(two.vector, one.vector);

    CU_ASSERT_EQUAL(operator_rollback(&server, text), 200);
    CU_ASSERT(contains("{\"version\":\"1-one\",\"previous\":\"1-two\",\"ms\":"));
    const answer again = now();
    CU_ASSERT(is(&again, &one));
    CU_ASSERT_EQUAL(operator_rollback(&server, text), 200); /* and forth */
    const answer forth = now();
    CU_ASSERT(is(&forth, &two));

    CU_ASSERT_EQUAL(operator_look(&server, "/metrics", text), 200);
    CU_ASSERT(contains("beeline_releases_total{action=\"activate\",result=\"ok\"} 1\n"));
    CU_ASSERT(contains("beeline_releases_total{action=\"rollback\",result=\"ok\"} 2\n"));
    CU_ASSERT(contains("beeline_owner_info{owner=\"search\",contact=\"search@example.org\",runbook=\"https://example.org/run\"} 1\n"));
    CU_ASSERT(contains("slot=\"active\"") && contains("slot=\"previous\""));
    CU_ASSERT_EQUAL(operator_look(&server, "/admin/ledger", text), 200);
    CU_ASSERT(contains("\"step\":\"done\",\"outcome\":\"ok\",\"version\":\"1-two\""));
    CU_ASSERT(contains("\"action\":\"rollback\",\"outcome\":\"ok\",\"version\":\"1-one\""));
    end();
}

static void without_keeping_there_is_no_way_back(void)
{
    begin((const char *const[]){"--keep", "0", NULL});
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"done\""));
    CU_ASSERT_EQUAL(operator_look(&server, "/admin/versions", text), 200);
    CU_ASSERT(contains("\"previous\":null"));
    CU_ASSERT_EQUAL(operator_rollback(&server, text), 404);
    CU_ASSERT(contains("--keep is 0"));
    end();
}

/* ---- what is refused */

static void refused(const char *body, int code, const char *part)
{
    client c;
    const client_reply r = operator_post(&c, &server, "/admin/release", body);
    CU_ASSERT_EQUAL(r.status, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.body, part));
    if (r.status != code || !strstr(r.body, part)) printf("\n    %s: %d %s", body, r.status, r.body);
    client_close(&c);
}

static void orders_are_read_strictly(void)
{
    begin(NULL);
    refused("{\"reason\":\"x\"}", 422, "\\\"version\\\" is missing or empty");
    refused("{\"version\":\"two\"}", 422, "\\\"reason\\\" is missing or empty");
    refused("{\"version\":\"two\",\"reason\":\"\"}", 422, "\\\"reason\\\" is missing or empty");
    refused("{\"version\":\"../two\",\"reason\":\"x\"}", 400, "wanted the name of a directory");
    refused("{\"version\":\"two\",\"reason\":\"x\",\"bake_s\":-1}", 422, "bake_s");
    refused("{\"version\":\"two\",\"reason\":\"x\",\"bake_s\":3601}", 422, "3600");
    refused("{\"version\":\"two\",\"reason\":\"x\",\"breaking\":1}", 422, "breaking");
    refused("{\"version\":\"two\",\"reason\":\"x\",\"version\":\"one\"}", 400, "version");
    refused("{", 400, "");
    CU_ASSERT_EQUAL(operator_release(&server, "three", "", text), 202);
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("three"));
    CU_ASSERT_EQUAL(operator_look(&server, "/metrics", text), 200);
    CU_ASSERT(contains("beeline_releases_total{action=\"activate\",result=\"refused\"} 1\n"));
    const answer still = now();
    CU_ASSERT_STRING_EQUAL(still.version, "1-one");
    end();
}

static void a_broken_contract_wants_to_be_meant(void)
{
    begin(NULL);
    operator_pack(root, "wide", (tiny_model){.hidden = 64}, 0);
    CU_ASSERT_EQUAL(operator_release(&server, "wide", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("{\"step\":\"contract\",\"state\":\"failed\""));
    CU_ASSERT(contains("{\"step\":\"load\",\"state\":\"waiting\""));
    CU_ASSERT_EQUAL(operator_release(&server, "wide", ",\"bake_s\":0,\"breaking\":true", text), 202);
    CU_ASSERT(contains("\"state\":\"done\"") && contains("broken, as ordered: "));
    const answer wide = now();
    CU_ASSERT_STRING_EQUAL(wide.version, "1-wide");
    end();
}

/* All versions share the room of a batch, which is as large as the server was started with. */
static void inputs_too_long_for_a_batch_are_refused(void)
{
    begin((const char *const[]){"--batch-tokens", "64", NULL});
    operator_pack(root, "long", (tiny_model){.positions = 128}, 0);
    CU_ASSERT_EQUAL(operator_release(&server, "long", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("{\"step\":\"load\",\"state\":\"failed\""));
    CU_ASSERT(contains("start it with --batch-tokens 128"));
    const answer still = now();
    CU_ASSERT_STRING_EQUAL(still.version, "1-one");
    end();
}

static void one_at_a_time(void)
{
    client c;
    begin(NULL);
    client_reply r = operator_post(&c, &server, "/admin/release", "{\"version\":\"two\",\"reason\":\"x\",\"bake_s\":60}");
    CU_ASSERT_EQUAL(r.status, 202);
    client_close(&c);
    refused("{\"version\":\"two\",\"reason\":\"x\"}", 409, "release 1 of two is under way");
    for (int naps = 0; naps < 30000 && !strstr(text, "\"bake\",\"state\":\"running\""); naps++) {
        operator_look(&server, "/admin/release", text);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT_EQUAL(operator_rollback(&server, text), 200); /* out of a bake one may come at once */
    CU_ASSERT(contains("\"version\":\"1-one\""));
    for (int naps = 0; naps < 30000 && !strstr(text, "\"rolled_back\""); naps++) {
        operator_look(&server, "/admin/release", text);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT(contains("\"state\":\"rolled_back\"") && contains("by ada@test: back"));
    const answer one = now();
    CU_ASSERT_STRING_EQUAL(one.version, "1-one");
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"done\""));
    CU_ASSERT_EQUAL(operator_release(&server, "three", "", text), 202); /* of the one before no step is left */
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("{\"step\":\"load\",\"state\":\"waiting\""));
    end();
}

/* ---- under load */

static atomic_bool stopping;
static atomic_int asked, wrong;
static answer known[2];

static void *ask(void *unused)
{
    client c;
    (void)unused;
    if (!client_open(&c, server.port)) atomic_fetch_add(&wrong, 1);
    while (!atomic_load(&stopping)) {
        static _Thread_local answer a;
        const client_reply r = embed(&c);
        if (!answer_of(&a, &r) || (!is(&a, &known[0]) && !is(&a, &known[1]))) {
            if (atomic_fetch_add(&wrong, 1) == 0) printf("\n    %d %s: %.300s", r.status, a.version, r.status ? r.body : "");
        }
        atomic_fetch_add(&asked, 1);
        if (!r.status) break;
        if (!client_has(&r, "connection", "close")) continue; /* a connection has so many requests, then another begins */
        client_close(&c);
        if (!client_open(&c, server.port)) atomic_fetch_add(&wrong, 1);
    }
    client_close(&c);
    return NULL;
}

/* Asks and leaves, again and again: who is gone when a version is swapped holds none of the two. */
static void *ask_and_leave(void *unused)
{
    (void)unused;
    while (!atomic_load(&stopping)) {
        client c;
        if (!client_open(&c, server.port)) continue;
        client_text(&c, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
                        "14\r\n\r\n{\"inputs\":\"a\"}");
        client_reset(&c);
    }
    return NULL;
}

/* Each reply is of one version wholly: its vector goes with its headers. */
static void nobody_notices(void)
{
    pthread_t clients[CLIENTS], leaving;
    long before_kib = 0;
    begin(NULL);
    known[0] = now();
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    known[1] = now();
    CU_ASSERT_STRING_EQUAL_FATAL(known[1].version, "1-two");
    atomic_store(&stopping, false);
    atomic_store(&wrong, 0);
    atomic_store(&asked, 0);
    for (int i = 0; i < CLIENTS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&clients[i], NULL, ask, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&leaving, NULL, ask_and_leave, NULL), 0);
    for (int i = 0; i < SWAPS; i++) {
        CU_ASSERT_EQUAL(operator_release(&server, i % 2 ? "two" : "one", ",\"bake_s\":0", text), 202);
        CU_ASSERT(contains("\"state\":\"done\""));
        CU_ASSERT_EQUAL(operator_rollback(&server, text), 200);
        CU_ASSERT_EQUAL(operator_rollback(&server, text), 200);
        if (i == SWAPS / 5) before_kib = server_resident_kib(&server);
    }
    atomic_store(&stopping, true);
    for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i], NULL);
    pthread_join(leaving, NULL);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    CU_ASSERT(atomic_load(&asked) > SWAPS);
    if (!*BEELINE_SANITIZED) CU_ASSERT(server_resident_kib(&server) - before_kib < 8192); /* sanitizers keep what was freed */
    CU_ASSERT_EQUAL(operator_look(&server, "/metrics", text), 200);
    CU_ASSERT(contains("beeline_releases_total{action=\"activate\",result=\"ok\"} 51\n"));
    end();
}

/* The detail of the step that failed; the caller's to free. */
static char *why_refused(void)
{
    cJSON *tree = cJSON_Parse(text), *step;
    char *why = NULL;
    cJSON_ArrayForEach(step, cJSON_GetObjectItem(tree, "steps"))
    {
        const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(step, "state"));
        const char *detail = cJSON_GetStringValue(cJSON_GetObjectItem(step, "detail"));
        if (!why && state && !strcmp(state, "failed")) why = strdup(detail ? detail : "");
    }
    cJSON_Delete(tree);
    return why;
}

/* Whatever is wrong with it: refused for that reason, while requests go on; the live version is as it was. */
static void broken_bundles_are_refused(void)
{
    pthread_t asking;
    long before_kib = 0;
    root = tiny_folder_make();
    operator_pack(root, "one", (tiny_model){.seed = 1}, 0);
    char *good = tiny_path(root, "one");
    bundle_pack(good, "1-one");
    begin_with((const char *const[]){"--model-name", "tiny", NULL});
    known[0] = known[1] = now();
    atomic_store(&stopping, false);
    atomic_store(&wrong, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&asking, NULL, ask, NULL), 0);
    for (int i = 0; i < broken_bundles_count(); i++) {
        char name[32];
        snprintf(name, sizeof name, "broken-%d", i);
        char *path = tiny_path(root, name);
        broken_bundle_make(i, good, path);
        CU_ASSERT_EQUAL(operator_release(&server, name, ",\"bake_s\":0", text), 202);
        CU_ASSERT(contains("\"state\":\"refused\""));
        char *why = why_refused();
        CU_ASSERT_PTR_NOT_NULL(why);
        const bool contract = broken_bundle_found(i) == FOUND_BY_CONTRACT || !strncmp(broken_bundle_reason(i), "contract", 8);
        if (why && !strstr(why, contract ? "of the contract" : broken_bundle_reason(i))) {
            printf("\n    %s: \"%s\", wanted \"%s\"", broken_bundle_name(i), why, broken_bundle_reason(i));
            CU_FAIL("refused for another reason");
        }
        free(why);
        free(path);
        if (i == 10) before_kib = server_resident_kib(&server);
    }
    atomic_store(&stopping, true);
    pthread_join(asking, NULL);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    if (!*BEELINE_SANITIZED) CU_ASSERT(server_resident_kib(&server) - before_kib < 8192);
    const answer still = now();
    CU_ASSERT(is(&still, &known[0]));
    free(good);
    end();
}

/* A sample of what the clients ask is compared; a version that answers otherwise is refused. */
static void a_shadow_compares(void)
{
    pthread_t clients[CLIENTS];
    begin(NULL);
    operator_pack(root, "same", (tiny_model){.seed = 1}, 0);
    known[0] = known[1] = now();
    atomic_store(&stopping, false);
    atomic_store(&wrong, 0);
    for (int i = 0; i < CLIENTS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&clients[i], NULL, ask, NULL), 0);
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0,\"shadow_s\":2", text), 202);
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("{\"step\":\"shadow\",\"state\":\"failed\"") && contains("cosine"));
    atomic_store(&stopping, true);
    for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&wrong), 0);
    atomic_store(&stopping, false);
    for (int i = 0; i < CLIENTS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&clients[i], NULL, ask, NULL), 0);
    CU_ASSERT_EQUAL(operator_release(&server, "same", ",\"bake_s\":0,\"shadow_s\":1", text), 202);
    CU_ASSERT(contains("\"state\":\"done\"") && contains("samples agree: cosine 1.0000"));
    atomic_store(&stopping, true);
    for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i], NULL);
    end();
}

static void too_little_memory_is_known_before(void)
{
    static const char *const variables[] = {"LD_LIBRARY_PATH=" BEELINE_SLEEPING_DIR,
                                            "SLEEPING_DEVICE=base_us=100,room_mib=1", NULL};
    server_environment(variables);
    begin((const char *const[]){"--backend", "cuda", NULL});
    CU_ASSERT_EQUAL(operator_release(&server, "two", ",\"bake_s\":0", text), 202);
    CU_ASSERT(contains("\"state\":\"refused\"") && contains("{\"step\":\"memory\",\"state\":\"failed\"") &&
              contains("1 MiB are free") && contains("{\"step\":\"load\",\"state\":\"waiting\""));
    server_environment(NULL);
    end();
}

/* While it ends, nothing new is begun. */
static void not_while_it_drains(void)
{
    client c, slow;
    begin(NULL);
    CU_ASSERT_TRUE_FATAL(client_open(&slow, server.port)); /* a request that is on its way keeps the server */
    client_text(&slow, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n");
    CU_ASSERT_EQUAL(operator_post(&c, &server, "/admin/drain", "{}").status, 202);
    client_close(&c);
    for (int naps = 0; naps < 30000; naps++) {
        operator_look(&server, "/health/ready", text);
        if (strstr(text, "stopping")) break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    refused("{\"version\":\"two\",\"reason\":\"x\"}", 503, "the server is stopping");
    client_text(&slow, "{\"inputs\":\"a b c d e f g h\"}");
    CU_ASSERT_EQUAL(client_read(&slow).status, 200);
    client_close(&slow);
    CU_ASSERT_EQUAL(server_end(&server, 0), 0);
    tiny_folder_remove(root);
}

static void who_ordered_may_leave(void)
{
    client c;
    begin(NULL);
    CU_ASSERT_TRUE_FATAL(client_open(&c, server.ops_port));
    client_text(&c, "POST /admin/release HTTP/1.1\r\nhost: localhost\r\nx-operator: ada@test\r\ncontent-type: "
                    "application/json\r\ncontent-length: 41\r\n\r\n{\"version\":\"two\",\"reason\":\"x\",\"bake_s\":0}");
    for (int naps = 0; naps < 30000; naps++) {
        operator_look(&server, "/admin/release", text);
        if (naps == 0) client_reset(&c);
        if (strstr(text, "\"state\":\"done\"")) break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    const answer two = now();
    CU_ASSERT_STRING_EQUAL(two.version, "1-two");
    end();
}

void release_suite(CU_pSuite s)
{
    CU_add_test(s, "S101 who ordered a release may leave", who_ordered_may_leave);
    CU_add_test(s, "S98 every broken version is refused for its reason while requests go on, and leaves nothing behind",
                broken_bundles_are_refused);
    CU_add_test(s, "a shadow lets a version pass that agrees, and none that does not", a_shadow_compares);
    CU_add_test(s, "S99 too little memory is known before anything is loaded", too_little_memory_is_known_before);
    CU_add_test(s, "S100 nothing new is begun while the server drains", not_while_it_drains);
    CU_add_test(s, "a version comes and goes: headers, vectors, ledger and metrics say so", a_version_comes_and_goes);
    CU_add_test(s, "with --keep 0 there is no way back", without_keeping_there_is_no_way_back);
    CU_add_test(s, "orders are read strictly, and what is not there is refused", orders_are_read_strictly);
    CU_add_test(s, "a broken contract is refused unless it is meant", a_broken_contract_wants_to_be_meant);
    CU_add_test(s, "inputs that are too long for a batch are refused", inputs_too_long_for_a_batch_are_refused);
    CU_add_test(s, "S96 one release at a time, and out of a bake at once", one_at_a_time);
    CU_add_test(s, "S95 S97 S103 D76 150 swaps under load, clients leave: no request fails, each reply is of one version, memory stays",
                nobody_notices);
}
