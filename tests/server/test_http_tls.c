/* test_http_tls.c - connections that are encrypted: what holds for plain ones, certificates and how they change. */
#include <CUnit/CUnit.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "server/http_tls.h"
#include "tests/support/certificate.h"
#include "tests/support/live_server.h"
#include "tests/support/tls_client.h"

static const char wait_request[] = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
static const char big_and_close[] = "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static char folder[] = "/tmp/beeline-tls-XXXXXX";
static char certificate[64], private_key[64], other_certificate[64], other_key[64];

/* Before each test, so that none sees what another did to the files. */
static void make_files(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(private_key, sizeof private_key, "%s/key.pem", folder);
    snprintf(other_certificate, sizeof other_certificate, "%s/other-cert.pem", folder);
    snprintf(other_key, sizeof other_key, "%s/other-key.pem", folder);
    certificate_write(certificate, private_key, "EC", "first");
}

static void remove_files(void)
{
    unlink(certificate);
    unlink(private_key);
    unlink(other_certificate);
    unlink(other_key);
    rmdir(folder);
}

static http_limits tls_limits(void)
{
    http_limits limits = live_limits();
    limits.certificate = certificate;
    limits.private_key = private_key;
    return limits;
}

static void starts(http_limits limits)
{
    make_files();
    live_start(limits);
}

static void stops(void)
{
    live_stop();
    remove_files();
}

/* A new connection is answered, with the certificate of this name. */
static bool serves_as(const char *wanted)
{
    client c;
    char name[64];
    client_reply r = tls_client_ask(&c, live_port, live_hello);
    bool good = r.status == 200 && !strcmp(r.body, "hello");
    if (good) tls_client_name(&c, name, sizeof name);
    good = good && !strcmp(name, wanted);
    client_close(&c);
    return good;
}

static bool is_big(const client_reply *r)
{
    return r->status == 200 && r->body_bytes == LIVE_BIG_BYTES && r->body[0] == 'b' &&
           !memcmp(r->body, r->body + 1, LIVE_BIG_BYTES - 1);
}

/* ---- requests and replies -------------------------------------------------------------------------------------- */

static void bodies_of_any_size(void)
{
    enum { N = 1 << 20 };
    client c;
    char *body = live_repeat('x', N);
    for (size_t i = 0; i < N; i++) body[i] = (char)('a' + i % 23);
    starts(tls_limits());
    CU_ASSERT_FATAL(tls_client_open(&c, live_port));
    for (int round = 0; round < 3; round++) { /* on one connection */
        client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
        CU_ASSERT(client_send(&c, body, N));
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && r.body_bytes == N && !memcmp(r.body, body, N));
        CU_ASSERT(client_has(&r, "connection", "keep-alive"));
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        r = client_read(&c);
        CU_ASSERT(is_big(&r));
        client_text(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "abcde"));
    }
    CU_ASSERT_EQUAL(http_count(live_server).accepted, 1);
    client_close(&c);
    free(body);
    stops();
}

static void pipelined_requests_are_answered_in_order(void)
{
    enum { N = 30 };
    client c;
    char all[N * 128] = "", wanted[16];
    starts(tls_limits());
    CU_ASSERT_FATAL(tls_client_open(&c, live_port));
    for (int i = 0; i < N; i++) {
        snprintf(wanted, sizeof wanted, "%d", i);
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                 i % 3 == 1 ? "wait" : "echo", strlen(wanted), wanted);
    }
    client_text(&c, all); /* in one record */
    for (int i = 0; i < N; i++) {
        if (i % 3 == 1) {
            EVENTUALLY(live_parked() == 1);
            CU_ASSERT_EQUAL(atomic_load(&live_run), i + 1);
            live_release();
        }
        snprintf(wanted, sizeof wanted, "%d", i);
        client_reply r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, wanted));
    }
    client_close(&c);
    stops();
}

/* Behind a reply that does not fit the socket, and in records that came before it was read. */
static void a_request_behind_a_large_reply_is_answered(void)
{
    client c;
    starts(tls_limits());
    CU_ASSERT_FATAL(tls_client_open(&c, live_port));
    for (int i = 0; i < 2; i++) {
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        client_text(&c, live_hello);
    }
    for (int i = 0; i < 2; i++) {
        client_reply r = client_read(&c);
        CU_ASSERT(is_big(&r));
        r = client_read(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
    }
    client_close(&c);
    stops();
}

static void an_idle_connection_outlives_the_time_of_a_stalled_one(void)
{
    http_limits limits = tls_limits();
    client c;
    limits.write_stall_ms = 40;
    starts(limits);
    CU_ASSERT_FATAL(tls_client_open(&c, live_port));
    for (int i = 0; i < 2; i++) {
        usleep(120000);
        client_text(&c, live_hello);
        client_reply r = client_read(&c);
        CU_ASSERT_EQUAL(r.status, 200);
        client_text(&c, wait_request);
        EVENTUALLY(live_parked() == 1);
        usleep(120000);
        live_release();
        r = client_read_final(&c);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"); /* and is not read */
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT_EQUAL(http_count(live_server).slow_closed, 1);
    client_close(&c);
    stops();
}

/* ---- handshakes ------------------------------------------------------------------------------------------------ */

static void a_stalled_handshake_is_closed(void)
{
    static const char part_of_a_hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    http_limits limits = tls_limits();
    client c;
    limits.head_ms = 60;
    starts(limits);
    for (int parts = 0; parts < 2; parts++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_send(&c, part_of_a_hello, parts ? sizeof part_of_a_hello - 1 : 0);
        CU_ASSERT(client_ended(&c));
        client_close(&c);
    }
    CU_ASSERT_FATAL(client_open(&c, live_port)); /* shakes hands, and says nothing */
    if (tls_client_handshake(&c, 0) == 0) CU_ASSERT(client_ended(&c));
    client_close(&c);
    CU_ASSERT_EQUAL(http_count(live_server).requests, 0);
    stops();
}

static void what_is_not_tls_is_closed(void)
{
    client c;
    starts(tls_limits());
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, i ? live_hello : "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n");
        client_reply r = client_read(&c); /* at most an alert */
        CU_ASSERT_EQUAL(r.status, 0);
        CU_ASSERT(c.n < 16);
        client_close(&c);
    }
    CU_ASSERT(serves_as("first"));
    CU_ASSERT_EQUAL(http_count(live_server).requests, 1);
    EVENTUALLY(atomic_load(&live_ended) == 1);
    stops();
}

static void old_versions_are_refused(void)
{
    static const int taken[] = {TLS1_2_VERSION, TLS1_3_VERSION}, refused[] = {TLS1_VERSION, TLS1_1_VERSION};
    client c;
    starts(tls_limits());
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_FATAL(client_open(&c, live_port));
        CU_ASSERT_EQUAL(tls_client_handshake(&c, taken[i]), 0);
        client_text(&c, live_hello);
        client_reply r = client_read(&c);
        CU_ASSERT_EQUAL(r.status, 200);
        client_close(&c);
        CU_ASSERT_FATAL(client_open(&c, live_port));
        CU_ASSERT_EQUAL(tls_client_handshake(&c, refused[i]), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
        client_close(&c);
    }
    stops();
}

static void one_too_many_gets_no_plain_bytes(void)
{
    http_limits limits = tls_limits();
    client c, more;
    limits.max_connections = 1;
    starts(limits);
    client_reply r = tls_client_ask(&c, live_port, live_hello);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_FATAL(client_open(&more, live_port));
    CU_ASSERT(client_ended(&more));
    CU_ASSERT_EQUAL(http_count(live_server).refused, 1);
    client_close(&more);
    client_close(&c);
    stops();
}

/* ---- ends ------------------------------------------------------------------------------------------------------ */

static void (*const endings[])(client *) = {client_finish, tls_client_notify};

/* A client that has finished sending is answered all the same, whether it said so or not. */
static void a_finished_client_is_answered(void)
{
    client c;
    starts(tls_limits());
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_FATAL(tls_client_open(&c, live_port));
        client_text(&c, live_hello);
        endings[i](&c);
        client_reply r = client_read_final(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "hello"));
        CU_ASSERT(client_ended(&c));
        client_close(&c);

        CU_ASSERT_FATAL(tls_client_open(&c, live_port));
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        endings[i](&c);
        r = client_read_final(&c);
        CU_ASSERT(is_big(&r));
        CU_ASSERT(client_ended(&c));
        client_close(&c);

        CU_ASSERT_FATAL(tls_client_open(&c, live_port)); /* while the reply is on its way, and it is the last one */
        client_text(&c, big_and_close);
        static char some[16 << 10];
        CU_ASSERT(c.layer->receive(c.session, some, 1) == 1);
        endings[i](&c);
        size_t n = 1;
        for (ssize_t got; (got = c.layer->receive(c.session, some, sizeof some)) > 0;) n += (size_t)got;
        CU_ASSERT(n > LIVE_BIG_BYTES);
        client_close(&c);

        CU_ASSERT_FATAL(tls_client_open(&c, live_port));
        client_text(&c, wait_request);
        EVENTUALLY(live_parked() == 1);
        endings[i](&c);
        usleep(60000);
        live_release();
        r = client_read_final(&c);
        CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc"));
        CU_ASSERT(client_ended(&c));
        client_close(&c);
    }
    CU_ASSERT_EQUAL(atomic_load(&live_gone), 0);
    stops();
}

static void the_server_says_that_it_ends(void)
{
    client c;
    starts(tls_limits());
    client_reply r = tls_client_ask(&c, live_port, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT(client_ended(&c) && tls_client_notified(&c));
    client_close(&c);
    r = tls_client_ask(&c, live_port, big_and_close);
    CU_ASSERT(is_big(&r));
    CU_ASSERT(client_ended(&c) && tls_client_notified(&c));
    client_close(&c);
    stops();
}

static void notify_and_close(client *c)
{
    tls_client_notify(c);
    client_close(c);
}

static void who_leaves_while_its_request_is_worked_on_is_gone(void)
{
    static void (*const departures[])(client *) = {client_close, client_reset, notify_and_close};
    client c;
    for (size_t i = 0; i < sizeof departures / sizeof *departures; i++) {
        starts(tls_limits());
        CU_ASSERT_FATAL(tls_client_open(&c, live_port));
        client_text(&c, wait_request);
        EVENTUALLY(live_parked() == 1);
        departures[i](&c);
        EVENTUALLY(atomic_load(&live_gone) == 1);
        EVENTUALLY(http_count(live_server).connections == 0);
        CU_ASSERT_EQUAL(http_count(live_server).gone, 1);
        CU_ASSERT_EQUAL(atomic_load(&live_freed), 0);
        live_release();
        EVENTUALLY(atomic_load(&live_freed) == 1);
        EVENTUALLY(atomic_load(&live_ended) == 1);
        CU_ASSERT_EQUAL(live_told(0).failure, FAILURE_CANCELLED);
        CU_ASSERT(serves_as("first"));
        stops();
    }
}

static void who_leaves_amid_a_reply_or_a_handshake_harms_nobody(void)
{
    client c;
    char byte;
    starts(tls_limits());
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_FATAL(tls_client_open(&c, live_port));
        client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        CU_ASSERT_EQUAL(c.layer->receive(c.session, &byte, 1), 1);
        client_reset(&c);
        CU_ASSERT_FATAL(client_open(&c, live_port));
        client_text(&c, "\x16\x03\x01");
        client_reset(&c);
    }
    EVENTUALLY(http_count(live_server).connections == 0);
    CU_ASSERT(serves_as("first"));
    stops();
}

static void a_drain_answers_who_waits_and_closes_who_is_idle(void)
{
    client idle, waits, reads;
    starts(tls_limits());
    client_reply r = tls_client_ask(&idle, live_port, live_hello);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_FATAL(tls_client_open(&reads, live_port));
    client_text(&reads, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    CU_ASSERT_FATAL(tls_client_open(&waits, live_port));
    client_text(&waits, wait_request);
    EVENTUALLY(live_parked() == 1);
    http_drain(live_server);
    CU_ASSERT(client_ended(&idle));
    CU_ASSERT_FALSE(http_idle(live_server));
    live_release();
    r = client_read_final(&waits);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, "abc") && client_has(&r, "connection", "close"));
    CU_ASSERT(client_ended(&waits) && tls_client_notified(&waits));
    r = client_read(&reads);
    CU_ASSERT(is_big(&r));
    CU_ASSERT(client_ended(&reads));
    client_close(&idle);
    client_close(&waits);
    client_close(&reads);
    EVENTUALLY(http_idle(live_server));
    stops();
}

/* ---- certificates ---------------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void a_new_certificate_is_for_new_connections(void)
{
    client before;
    char name[64];
    error err;
    starts(tls_limits());
    CU_ASSERT(serves_as("first"));
    CU_ASSERT_FATAL(tls_client_open(&before, live_port));
    certificate_write(certificate, private_key, "ED25519", "second");
    CU_ASSERT(serves_as("first")); /* until it is told */
    CU_ASSERT_EQUAL(http_reload(live_server, &err), OK);
    CU_ASSERT(serves_as("second"));
    client_text(&before, live_hello); /* a connection keeps what it began with */
    client_reply r = client_read(&before);
    CU_ASSERT_EQUAL(r.status, 200);
    tls_client_name(&before, name, sizeof name);
    CU_ASSERT_STRING_EQUAL(name, "first");
    client_close(&before);
    stops();
}

/* BAD_INPUT with the file and the reason in the message, and the old certificate stays. */
static void reload_is_refused(const char *file, const char *why)
{
    error err = {""};
    CU_ASSERT_EQUAL(http_reload(live_server, &err), BAD_INPUT);
    CU_ASSERT(!strncmp(err.text, file, strlen(file)) && err.text[strlen(file)] == ':');
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
    if (!strstr(err.text, why)) printf("\n%s", err.text);
    CU_ASSERT(serves_as("first"));
}

/* Of the right certificate, but under a password: nobody is asked for it. */
static void lock_key(void)
{
    FILE *f = fopen(private_key, "r");
    EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    fclose(f);
    f = fopen(private_key, "w");
    CU_ASSERT_EQUAL(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
}

static void what_is_refused_changes_nothing(void)
{
    error err;
    starts(tls_limits());
    write_text(certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    reload_is_refused(certificate, "asn1");
    write_text(certificate, "");
    reload_is_refused(certificate, "no start line");
    unlink(certificate);
    reload_is_refused(certificate, "No such file");
    certificate_write(certificate, other_key, "EC", "another"); /* whose key is not private_key */
    reload_is_refused(private_key, "key values mismatch");
    certificate_write(certificate, other_key, "ED25519", "another"); /* nor of its type */
    reload_is_refused(private_key, "no certificate assigned");
    write_text(private_key, "no key");
    reload_is_refused(private_key, "unsupported");
    unlink(private_key);
    reload_is_refused(private_key, "No such file");
    certificate_write(certificate, private_key, "EC", "second");
    lock_key();
    reload_is_refused(private_key, "bad decrypt");
    certificate_write(certificate, private_key, "EC", "second");
    CU_ASSERT_EQUAL(http_reload(live_server, &err), OK);
    CU_ASSERT(serves_as("second"));
    stops();
}

static void a_server_does_not_begin_with_bad_files(void)
{
    http_server *s;
    error err = {""};
    make_files();
    certificate_write(other_certificate, other_key, "EC", "other");
    http_limits limits = tls_limits();
    limits.private_key = other_key;
    CU_ASSERT_EQUAL(http_open(&s, limits, NULL, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT(!strncmp(err.text, other_key, strlen(other_key)));
    limits.private_key = private_key;
    limits.certificate = "/nowhere/cert.pem";
    CU_ASSERT_EQUAL(http_open(&s, limits, NULL, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nowhere/cert.pem: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
    remove_files();
}

static atomic_bool reloading;

static void *reload_on(void *times)
{
    error err;
    while (atomic_load(&reloading))
        if (http_reload(live_server, &err) == OK) atomic_fetch_add((atomic_int *)times, 1);
    return NULL;
}

static void connections_may_begin_while_it_is_read(void)
{
    pthread_t thread;
    atomic_int times = 0;
    starts(tls_limits());
    atomic_store(&reloading, true);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, reload_on, &times), 0);
    for (int i = 0; i < 40 || atomic_load(&times) < 40; i++) CU_ASSERT(serves_as("first"));
    atomic_store(&reloading, false);
    pthread_join(thread, NULL);
    stops();
}

static void a_plain_server_has_nothing_to_reload(void)
{
    error err;
    live_start(live_limits());
    CU_ASSERT_EQUAL(http_reload(live_server, &err), OK);
    CU_ASSERT(live_serves());
    live_stop();
}

void http_tls_suite(CU_pSuite s)
{
    CU_add_test(s, "bodies and replies of any size pass, on one connection", bodies_of_any_size);
    CU_add_test(s, "requests in one record are answered in order", pipelined_requests_are_answered_in_order);
    CU_add_test(s, "a request behind a large reply is answered", a_request_behind_a_large_reply_is_answered);
    CU_add_test(s, "who stalls amid a reply is cut, who is idle is not",
                an_idle_connection_outlives_the_time_of_a_stalled_one);
    CU_add_test(s, "a handshake that stalls is closed after head_ms", a_stalled_handshake_is_closed);
    CU_add_test(s, "plain HTTP on an encrypted port is closed", what_is_not_tls_is_closed);
    CU_add_test(s, "TLS 1.2 and 1.3 are taken, 1.0 and 1.1 are not", old_versions_are_refused);
    CU_add_test(s, "a connection too many is closed without plain bytes", one_too_many_gets_no_plain_bytes);
    CU_add_test(s, "a client that has finished sending is answered, with and without a close_notify",
                a_finished_client_is_answered);
    CU_add_test(s, "the server ends with a close_notify", the_server_says_that_it_ends);
    CU_add_test(s, "who leaves while its request is worked on is gone",
                who_leaves_while_its_request_is_worked_on_is_gone);
    CU_add_test(s, "who leaves amid a reply or a handshake harms nobody",
                who_leaves_amid_a_reply_or_a_handshake_harms_nobody);
    CU_add_test(s, "a drain answers who waits, and closes who is idle",
                a_drain_answers_who_waits_and_closes_who_is_idle);
    CU_add_test(s, "a new certificate is for new connections", a_new_certificate_is_for_new_connections);
    CU_add_test(s, "a refused certificate or key is named, and the old one stays", what_is_refused_changes_nothing);
    CU_add_test(s, "a server does not begin with bad files", a_server_does_not_begin_with_bad_files);
    CU_add_test(s, "connections may begin while a certificate is read", connections_may_begin_while_it_is_read);
    CU_add_test(s, "a plain server has nothing to reload", a_plain_server_has_nothing_to_reload);
}
