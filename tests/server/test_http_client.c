/* test_http_client.c - what is asked, over which transport, and how servers fail. */
#include "server/http_client.h"
#include <CUnit/CUnit.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/support/canned.h"
#include "tests/support/child.h"

enum { LONG_MS = 30000 };
#define HELLO "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
static const canned_answer hello = {.text = HELLO};
static char where[64], folder[32], path[64], key[64];

static canned *serve(const canned_answer *answer)
{
    canned *c = canned_open((canned_options){.answers = answer, .n = 1});
    snprintf(where, sizeof where, "http://127.0.0.1:%d", canned_port(c));
    return c;
}

static canned *serve_tls(const canned_answer *answer, const char *name, const char *host)
{
    canned_certificate(path, key, name);
    canned *c = canned_open((canned_options){.answers = answer, .n = 1, .certificate = path, .private_key = key});
    snprintf(where, sizeof where, "https://%s:%d", host, canned_port(c));
    return c;
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/client.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/one", folder);
    snprintf(key, sizeof key, "%s/two", folder);
}

static void remove_folder(void)
{
    unlink(path);
    unlink(key);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static http_question question(void)
{
    return (http_question){.where = where, .method = "GET", .target = "/x", .headers = "", .limit_ms = LONG_MS};
}

static void answers(const http_question *q, int wanted, const char *body)
{
    out answer = {0};
    error err = {""};
    int code = -1;
    const status rc = http_ask(q, &code, &answer, &err);
    if (rc != OK) printf("\n    %s", err.text);
    CU_ASSERT_EQUAL(rc, OK);
    CU_ASSERT_EQUAL(code, wanted);
    CU_ASSERT_EQUAL(answer.n, strlen(body));
    CU_ASSERT(answer.n == strlen(body) && !memcmp(answer.p ? answer.p : "", body, answer.n));
    out_free(&answer);
}

static void fails(const http_question *q, status why, const char *says)
{
    out answer = {0};
    error err = {""};
    int code = -1;
    CU_ASSERT_EQUAL(http_ask(q, &code, &answer, &err), why);
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT_PTR_NULL(answer.p);
    if (!strstr(err.text, says)) printf("\n    \"%s\" does not say \"%s\"", err.text, says);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
}

static void pause_ms(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static void a_request_is_what_was_asked(void)
{
    char wanted[512];
    canned *c = serve(&hello);
    http_question q = question();
    answers(&q, 200, "hello");
    snprintf(wanted, sizeof wanted, "GET /x HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n", where + 7);
    CU_ASSERT_STRING_EQUAL(canned_request(c, 0), wanted);
    q.method = "POST";
    q.target = "/a/b?c=d";
    q.headers = "x-operator: ada\r\nauthorization: Bearer k\r\n";
    q.body = "{\"a\":1} and what is not sent";
    q.body_bytes = 7;
    answers(&q, 200, "hello");
    snprintf(wanted, sizeof wanted,
             "POST /a/b?c=d HTTP/1.1\r\nhost: %s\r\nconnection: close\r\nx-operator: ada\r\nauthorization: Bearer k\r\n"
             "content-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
             where + 7);
    CU_ASSERT_STRING_EQUAL(canned_request(c, 1), wanted);
    q.body = NULL;
    q.headers = "";
    answers(&q, 200, "hello");
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 2), "\r\ncontent-length: 0\r\n\r\n"));
    canned_close(c);
}

static void a_server_that_does_not_close_keeps_nobody(void)
{
    static const canned_answer rows[] = {
        {.text = HELLO, .then = CANNED_HOLDS},
        {.text = HELLO, .then = CANNED_HOLDS, .piece = 1},
        {.text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
         .then = CANNED_HOLDS,
         .piece = 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        canned *c = serve(&rows[i]);
        const http_question q = question();
        answers(&q, 200, "hello");
        canned_close(c);
    }
}

static void an_answer_may_end_with_the_connection(void)
{
    const canned_answer a = {.text = "HTTP/1.0 503 No\r\n\r\nnot now"};
    canned *c = serve(&a);
    const http_question q = question();
    answers(&q, 503, "not now");
    canned_close(c);
}

static void a_long_body_goes_and_comes(void)
{
    enum { BODY = 900 << 10 };
    char *text = malloc(BODY + 64), *body = malloc(BODY);
    const int head = sprintf(text, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n", BODY);
    for (int i = 0; i < BODY; i++) text[head + i] = body[i] = (char)('a' + i % 23);
    const canned_answer a = {.text = text, .bytes = (size_t)head + BODY};
    canned *c = serve(&a);
    http_question q = question();
    q.method = "POST";
    q.body = body;
    q.body_bytes = BODY;
    out answer = {0};
    error err;
    int code = 0;
    CU_ASSERT_EQUAL(http_ask(&q, &code, &answer, &err), OK);
    CU_ASSERT(answer.n == BODY && !memcmp(answer.p, body, BODY));
    const char *sent = strstr(canned_request(c, 0), "\r\n\r\n");
    CU_ASSERT(sent && strlen(sent + 4) == BODY && !memcmp(sent + 4, body, BODY));
    out_free(&answer);
    canned_close(c);
    free(text);
    free(body);
}

static void a_name_and_a_unix_socket_are_found(void)
{
    char local[80];
    canned *c = serve(&hello);
    snprintf(where, sizeof where, "http://localhost:%d", canned_port(c)); /* ::1, where it is, refuses it first */
    http_question q = question();
    answers(&q, 200, "hello");
    canned_close(c);
    make_folder();
    c = canned_open((canned_options){.unix_path = path, .answers = &hello, .n = 1});
    snprintf(local, sizeof local, "unix:%s", path);
    q.where = local;
    answers(&q, 200, "hello");
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "\r\nhost: localhost\r\n"));
    canned_close(c);
    remove_folder();
    fails(&q, IO_FAILED, "cannot connect: No such file");
}

static void who_answers_badly_is_named(void)
{
    static const struct {
        canned_answer a;
        const char *says;
    } rows[] = {
        {{.text = "", .bytes = 0}, "the connection ended without an answer"},
        {{.text = "220 mail.example ESMTP\r\n"}, "answers no HTTP: \"220 mail.example ESMTP\" is no HTTP"},
        {{.text = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello"}, "half a body"},
        {{.text = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nhello", .then = CANNED_HOLDS},
         "a body of 99999999 bytes, the limit is 16777216"},
        {{.text = NULL, .then = CANNED_RESETS}, "Connection reset by peer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        canned *c = serve(&rows[i].a);
        const http_question q = question();
        fails(&q, IO_FAILED, rows[i].says);
        fails(&q, IO_FAILED, where);
        canned_close(c);
    }
}

static void nobody_listens(void)
{
    canned *c = serve(&hello);
    canned_close(c);
    const http_question q = question();
    fails(&q, IO_FAILED, "cannot connect: Connection refused");
}

static void no_descriptor_is_left(void)
{
    const int before = descriptors();
    canned *c = serve(&hello);
    http_question q = question();
    answers(&q, 200, "hello");
    snprintf(where, sizeof where, "https://127.0.0.1:%d", canned_port(c));
    q.ca_file = "/no/such/file";
    fails(&q, BAD_INPUT, "no certificate to trust");
    canned_close(c);
    fails(&q, IO_FAILED, "Connection refused");
    CU_ASSERT_EQUAL(descriptors(), before);
}

static void the_deadline_covers_all_of_it(void)
{
    static const canned_answer rows[] = {
        {.text = NULL, .then = CANNED_HOLDS},
        {.text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", .then = CANNED_HOLDS},
        {.text = "HTTP/1.1 200 OK\r\n\r\nhello", .then = CANNED_HOLDS},
        {.text = "", .then = CANNED_HOLDS, .unread = true}};
    char *body = calloc(1, 12 << 20); /* more than two sockets hold */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        canned *c = serve(&rows[i]);
        http_question q = question();
        q.limit_ms = 50;
        if (rows[i].unread) {
            q.method = "POST";
            q.body = memset(body, 'b', 12 << 20);
            q.body_bytes = 12 << 20;
        }
        fails(&q, EXPIRED, "has not answered within 50 ms");
        canned_close(c);
    }
    free(body);
}

static void what_comes_slowly_expires_too(void)
{
    static char slow[LONG_MS]; /* a byte each millisecond */
    memset(slow, 'x', sizeof slow - 1);
    memcpy(slow, "HTTP/1.1 200 OK\r\n\r\n", 19);
    const canned_answer a = {.text = slow, .piece = 1};
    canned *c = serve(&a);
    http_question q = question();
    q.limit_ms = 50;
    fails(&q, EXPIRED, "has not answered within 50 ms");
    canned_close(c);
}

static void heard(int sig) { (void)sig; }

static void *ask(void *arg)
{
    answers(arg, 200, "hello");
    return NULL;
}

/* Ctrl-Z and fg end a poll() as a handler does. */
static void a_signal_is_no_end(void)
{
    static const canned_answer gated = {.text = HELLO, .gated = true};
    const struct sigaction hears = {.sa_handler = heard};
    struct sigaction before;
    pthread_t thread;
    canned *c = serve(&gated);
    http_question q = question();
    sigaction(SIGUSR1, &hears, &before);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, ask, &q), 0);
    for (int ms = 0; ms < LONG_MS && !canned_count(c); ms++) pause_ms();
    for (int i = 0; i < 20; i++, pause_ms()) pthread_kill(thread, SIGUSR1);
    canned_open_gate(c);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    canned_close(c);
}

static void a_full_queue_of_connections_expires_too(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(listener, (struct sockaddr *)&at, n) && !listen(listener, 0));
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    int fd[8];
    for (int i = 0; i < 8; i++) { /* the kernel drops what does not fit */
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fd[i], (struct sockaddr *)&at, n);
    }
    snprintf(where, sizeof where, "http://127.0.0.1:%d", ntohs(at.sin_port));
    http_question q = question();
    q.limit_ms = 50;
    fails(&q, EXPIRED, "has not answered within 50 ms");
    for (int i = 0; i < 8; i++) close(fd[i]);
    close(listener);
}

static void nothing_is_smuggled(void)
{
    static const char *const targets[] = {"", "x", "/a b", "/a\r\nx: y", "/a\n", "/\x7f", "/\xc3\xa9", "*"},
                             *const headers[] = {"x: y",
                                                 "x: y\n",
                                                 "x: y\r\n\r\n",
                                                 "x y\r\n",
                                                 ": y\r\n",
                                                 "x: a\rb\r\n",
                                                 "x: a\nb: c\r\n",
                                                 " x: y\r\n",
                                                 "content-length: 3\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "host: evil\r\n",
                                                 "a: b\r\nConnection: keep-alive\r\n"},
                             *const methods[] = {"", "get", "GE T", "GET\r\n", "GET /y HTTP/1.1\r\n"};
    canned *c = serve(&hello);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        http_question q = question();
        q.target = targets[i];
        fails(&q, BAD_INPUT, "is no request");
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        http_question q = question();
        q.headers = headers[i];
        fails(&q, BAD_INPUT, "GET /x: its headers are no lines");
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        http_question q = question();
        q.method = methods[i];
        fails(&q, BAD_INPUT, "is no request");
    }
    CU_ASSERT_EQUAL(canned_count(c), 0);
    canned_close(c);
}

static void where_is_read_strictly(void)
{
    static const char *const rows[] = {"",
                                       "127.0.0.1:80",
                                       "ftp://127.0.0.1",
                                       "http://",
                                       "https://",
                                       "unix:",
                                       "http://:80",
                                       "http://127.0.0.1:",
                                       "http://127.0.0.1:0",
                                       "http://127.0.0.1:65536",
                                       "http://127.0.0.1:8x",
                                       "http://127.0.0.1:-1",
                                       "http://[::1",
                                       "http://[::1]80",
                                       "http://[]:80",
                                       "http://::1:80",
                                       "http://user@127.0.0.1:80",
                                       "http://127.0.0.1:80/",
                                       "http://127.0.0.1?x",
                                       "http://a b",
                                       "http://a\r\nx: y"};
    char longest[160];
    http_question q = question();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        q.where = rows[i];
        fails(&q, BAD_INPUT, "wanted http://HOST:PORT, https://HOST:PORT or unix:PATH");
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "unix:/", 6);
    longest[5 + 108] = 0;
    q.where = longest;
    fails(&q, BAD_INPUT, "a path of 108 bytes, at most 107");
}

static void a_url_has_a_server_and_a_target(void)
{
    static const struct {
        const char *url, *where, *target;
    } good[] = {
        {"https://hooks.example/T0/B1?k=v", "https://hooks.example", "/T0/B1?k=v"},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", "/"},
        {"http://[::1]:80/", "http://[::1]:80", "/"},
        {"https://h/to/@me", "https://h", "/to/@me"},
    };
    static const struct {
        const char *url, *says;
    } bad[] = {
        {"", "wanted http://HOST"},
        {"hooks.example/secret", "wanted http://HOST"},
        {"ftp://hooks.example/secret", "wanted http://HOST"},
        {"https:///secret", "no scheme, host and port"},
        {"https://user:secret@h/", "no scheme, host and port"},
        {"https://h:99999/secret", "\"https://h:99999\" is no scheme, host and port"},
        {"https://h/secret#x", "https://h...: wanted a path"},
        {"https://h/a secret", "wanted a path"},
        {"https://h/secret\r\nx: y", "wanted a path"},
        {"https://h?secret", "wanted a path"},
    };
    char server[256], longest[260];
    const char *target;
    error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CU_ASSERT_EQUAL(http_split_url(good[i].url, server, &target, &err), OK);
        CU_ASSERT_STRING_EQUAL(server, good[i].where);
        CU_ASSERT_STRING_EQUAL(target, good[i].target);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(http_split_url(bad[i].url, server, &target, &err), BAD_INPUT);
        if (!strstr(err.text, bad[i].says)) printf("\n    \"%s\" does not say \"%s\"", err.text, bad[i].says);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].says));
        if (!strstr(bad[i].url, "user")) CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    }
    memset(longest, 'h', sizeof longest);
    memcpy(longest, "http://", 7);
    longest[7 + 200] = 0;
    CU_ASSERT_EQUAL(http_split_url(longest, server, &target, &err), OK);
    CU_ASSERT_STRING_EQUAL(server, longest);
    longest[7 + 200] = 'h';
    longest[7 + 201] = 0;
    CU_ASSERT_EQUAL(http_split_url(longest, server, &target, &err), BAD_INPUT);
}

static void a_certificate_is_checked(void)
{
    static const struct {
        const char *name, *host;
        bool right;
    } rows[] = {{"DNS:localhost", "localhost", true},
                {"IP:127.0.0.1", "127.0.0.1", true},
                {"DNS:other.example", "localhost", false},
                {"IP:127.0.0.2", "127.0.0.1", false},
                {"DNS:127.0.0.1", "127.0.0.1", false}};
    make_folder();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        canned *c = serve_tls(&hello, rows[i].name, rows[i].host);
        http_question q = question();
        q.ca_file = path;
        if (rows[i].right) answers(&q, 200, "hello");
        else fails(&q, IO_FAILED, rows[i].host[0] == 'l' ? "TLS: hostname mismatch" : "TLS: IP address mismatch");
        CU_ASSERT_EQUAL(canned_count(c), rows[i].right); /* who is not trusted gets no request */
        q.ca_file = NULL;
        fails(&q, IO_FAILED, "TLS: self-signed certificate"); /* the system knows nothing of it */
        q.ca_file = key;
        fails(&q, BAD_INPUT, "holds no certificate to trust");
        canned_close(c);
    }
    remove_folder();
}

static void tls_that_breaks_is_an_error(void)
{
    static const canned_answer silent = {.text = NULL, .then = CANNED_HOLDS}, half = {.text = "HTTP/1.1 2"},
                               reset = {.text = NULL, .then = CANNED_RESETS},
                               quits = {.text = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
                                        .then = CANNED_QUITS};
    make_folder();
    canned *c = serve_tls(&silent, "DNS:localhost", "localhost");
    http_question q = question();
    q.ca_file = path;
    q.limit_ms = 500;
    fails(&q, EXPIRED, "has not answered within 500 ms");
    canned_close(c);
    q.limit_ms = LONG_MS;
    c = serve_tls(&half, "DNS:localhost", "localhost");
    fails(&q, IO_FAILED, "amid a head");
    canned_close(c);
    c = serve_tls(&quits, "DNS:localhost", "localhost");
    fails(&q, IO_FAILED, "half a body");
    canned_close(c);
    c = serve_tls(&reset, "DNS:localhost", "localhost");
    fails(&q, IO_FAILED, "TLS: Connection reset by peer");
    canned_close(c);
    c = serve(&hello); /* no TLS there */
    snprintf(where, sizeof where, "https://localhost:%d", canned_port(c));
    q.limit_ms = 500;
    out answer = {0};
    error err;
    int code;
    CU_ASSERT_NOT_EQUAL(http_ask(&q, &code, &answer, &err), OK);
    canned_close(c);
    remove_folder();
}

static void ask_of_one_who_leaves(void)
{
    enum { BODY = 8 << 20 };
    http_question q = question();
    out answer = {0};
    error err;
    int code;
    signal(SIGPIPE, SIG_DFL);
    q.method = "POST";
    q.ca_file = path;
    q.body = calloc(1, BODY);
    q.body_bytes = BODY;
    const status rc = http_ask(&q, &code, &answer, &err);
    fprintf(stderr, rc == IO_FAILED ? "no more than an error" : "odd");
    free((char *)q.body);
}

static void a_peer_that_leaves_ends_no_process(void)
{
    static const canned_answer leaves = {.text = NULL, .unread = true, .then = CANNED_LEAVES};
    char text[256];
    make_folder();
    canned *c = serve_tls(&leaves, "DNS:localhost", "localhost");
    CU_ASSERT_EQUAL(child_run(ask_of_one_who_leaves, 0, text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "no more than an error");
    canned_close(c);
    remove_folder();
}

void http_client_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_request_is_what_was_asked);
    CU_ADD_TEST(s, a_server_that_does_not_close_keeps_nobody);
    CU_ADD_TEST(s, an_answer_may_end_with_the_connection);
    CU_ADD_TEST(s, a_long_body_goes_and_comes);
    CU_ADD_TEST(s, a_name_and_a_unix_socket_are_found);
    CU_ADD_TEST(s, who_answers_badly_is_named);
    CU_ADD_TEST(s, nobody_listens);
    CU_ADD_TEST(s, no_descriptor_is_left);
    CU_ADD_TEST(s, the_deadline_covers_all_of_it);
    CU_ADD_TEST(s, what_comes_slowly_expires_too);
    CU_ADD_TEST(s, a_signal_is_no_end);
    CU_ADD_TEST(s, a_full_queue_of_connections_expires_too);
    CU_ADD_TEST(s, nothing_is_smuggled);
    CU_ADD_TEST(s, where_is_read_strictly);
    CU_ADD_TEST(s, a_url_has_a_server_and_a_target);
    CU_ADD_TEST(s, a_certificate_is_checked);
    CU_ADD_TEST(s, tls_that_breaks_is_an_error);
    CU_ADD_TEST(s, a_peer_that_leaves_ends_no_process);
}
