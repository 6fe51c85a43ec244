/* test_http_client.c - against a server that answers with bytes of this test. */
#include "server/http_client.h"
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/support/scripted_server.h"

enum { PATIENCE_MS = 30000, SHORT_MS = 150, MOST = 16 << 20 };

static char where[128];
static error why;
static int code;
static out body;

static scripted_server *says(const char *answer)
{
    static const char *answers[2];
    answers[0] = answer;
    scripted_server *s = scripted_open((script){.answers = answers});
    snprintf(where, sizeof where, "http://127.0.0.1:%d", scripted_port(s));
    return s;
}

/* What becomes of a question; `code` and `body` are its answer. */
static status ask(http_question q)
{
    out_free(&body);
    body = (out){0};
    code = -1;
    why.text[0] = 0;
    if (!q.where) q.where = where;
    if (!q.method) q.method = "GET";
    if (!q.target) q.target = "/";
    if (!q.headers) q.headers = "";
    if (!q.limit_ms) q.limit_ms = PATIENCE_MS;
    const status rc = http_ask(&q, &code, &body, &why);
    CU_ASSERT(rc == OK || (code == 0 && body.n == 0 && why.text[0])); /* on failure outputs are zero */
    return rc;
}

static bool is_body(const char *wanted)
{
    const bool right = body.n == strlen(wanted) && !memcmp(body.p ? body.p : "", wanted, body.n);
    if (!right) printf("\n    body is \"%.*s\", wanted \"%s\"", (int)body.n, body.p ? body.p : "", wanted);
    return right;
}

static bool answered(const char *answer, int wanted, const char *text)
{
    scripted_server *s = says(answer);
    const status rc = ask((http_question){0});
    scripted_close(s);
    if (rc == OK && code == wanted) return is_body(text);
    printf("\n    %d, code %d: %s", rc, code, why.text);
    return false;
}

/* Refused as an answer, and for this. */
static bool refused(const char *answer, const char *reason)
{
    scripted_server *s = says(answer);
    const status rc = ask((http_question){0});
    scripted_close(s);
    if (rc == IO_FAILED && strstr(why.text, reason)) return true;
    printf("\n    %d \"%s\", wanted \"%s\" for \"%.40s\"", rc, why.text, reason, answer);
    return false;
}

/* ---- the question ---- */

static void a_question_is_sent_as_it_stands(void)
{
    char wanted[256];
    scripted_server *s = says("HTTP/1.1 200 OK\r\n\r\n");
    CU_ASSERT_EQUAL(ask((http_question){.target = "/a?b=c", .headers = "x-operator: ada\r\n"}), OK);
    snprintf(wanted, sizeof wanted,
             "GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: close\r\nx-operator: ada\r\n\r\n",
             scripted_port(s));
    CU_ASSERT_STRING_EQUAL(scripted_request(s, 0), wanted);
    CU_ASSERT_EQUAL(ask((http_question){.method = "POST", .body = "{\"a\":1} ", .body_bytes = 7}), OK);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(scripted_request(s, 1), "\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}"));
    CU_ASSERT_EQUAL(strlen(strstr(scripted_request(s, 1), "\r\n\r\n")), 4 + 7);
    CU_ASSERT_EQUAL(ask((http_question){.method = "POST"}), OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(scripted_request(s, 2), "\r\ncontent-length: 0\r\n\r\n"));
    scripted_close(s);
}

static void what_would_be_another_request_is_not_sent(void)
{
    static const char *const targets[] = {"/a\r\nx-operator: eve", "/a\n", "/a\r", "/a HTTP/1.1", "admin", ""};
    scripted_server *s = says("HTTP/1.1 200 OK\r\n\r\n");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        CU_ASSERT_EQUAL(ask((http_question){.target = targets[i]}), BAD_INPUT);
    CU_ASSERT_EQUAL(ask((http_question){.method = "GET / HTTP/1.1\r\n"}), BAD_INPUT);
    CU_ASSERT_EQUAL(ask((http_question){.target = "/last"}), OK);
    CU_ASSERT(!strncmp(scripted_request(s, 0), "GET /last ", 10));
    CU_ASSERT_EQUAL(scripted_asked(s), 1);
    scripted_close(s);
}

static void where_is_one_of_three(void)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1:80",
                                      "ftp://127.0.0.1",
                                      "http://",
                                      "https://",
                                      "unix:",
                                      "http://127.0.0.1:80/",
                                      "http://a@127.0.0.1:80",
                                      "http://127.0.0.1:80\r\nx: y",
                                      "unix:/a\rb"};
    char path[200] = "unix:/";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(ask((http_question){.where = bad[i]}), BAD_INPUT);
    memset(path + 6, 'x', 120);
    CU_ASSERT_EQUAL(ask((http_question){.where = path}), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "121 bytes, at most 107"));
}

static void a_url_is_split_before_its_path(void)
{
    static const struct {
        const char *url, *where, *target;
    } good[] = {
        {"http://a", "http://a", "/"},
        {"https://a:1/b/c?d=e/f", "https://a:1", "/b/c?d=e/f"},
        {"http://[::1]:8080/", "http://[::1]:8080", "/"},
    };
    static const char *const bad[] = {"",           "a",           "ftp://a/",      "http://",      "https:///b",
                                      "http://a?b", "http://a/#b", "http://u:p@a/", "http://a/b c", "http://a/\r\nb"};
    char place[256], url[300] = "http://";
    const char *target;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CU_ASSERT_EQUAL(http_split_url(good[i].url, place, &target, &why), OK);
        CU_ASSERT_STRING_EQUAL(place, good[i].where);
        CU_ASSERT_STRING_EQUAL(target, good[i].target);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(http_split_url(bad[i], place, &target, &why), BAD_INPUT);
    memset(url + 7, 'a', 201);
    CU_ASSERT_EQUAL(http_split_url(url, place, &target, &why), BAD_INPUT);
    CU_ASSERT_EQUAL(http_split_url(strcpy(url + 206, "/") - 206, place, &target, &why), OK);
}

/* ---- the answer ---- */

static void an_answer_ends_as_it_says(void)
{
    CU_ASSERT(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", 200, "hello"));
    CU_ASSERT(answered("HTTP/1.0 409 Conflict\r\n\r\nto the end\r\n\r\n", 409, "to the end\r\n\r\n"));
    CU_ASSERT(answered("HTTP/1.1 204 No Content\r\n\r\n", 204, ""));
    CU_ASSERT(answered("HTTP/1.1 503 \r\nx: content-length: 1\r\nx-content-length: 1\r\ncontent-lengthy: "
                       "1\r\ncontent-length:0\r\n\r\nx",
                       503, ""));
    CU_ASSERT(answered("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\ncontent-length: 3\r\n\r\n"
                       "5\r\nhello\r\n00A;x=y\r\n 123456\r\n8\r\n0\r\nx: y\r\n\r\n",
                       200, "hello 123456\r\n8"));
}

static void an_interim_answer_comes_before(void)
{
    CU_ASSERT(answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\ncontent-length: 1\r\n\r\n"
                       "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
                       201, "ok"));
    CU_ASSERT(refused("HTTP/1.1 100 Continue\r\n\r\n", "no HTTP"));
}

static void half_an_answer_is_none(void)
{
    static const char *const halves[] = {"5\r\nhello\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n5", "0\r\n", ""};
    char answer[100];
    CU_ASSERT(refused("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "half a body"));
    CU_ASSERT(refused("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\nhell", "half a body"));
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%s", halves[i]);
        CU_ASSERT(refused(answer, "half a body"));
    }
}

static void broken_framing_is_refused(void)
{
    static const char *const broken[] = {"x\r\n",
                                         "5\r\nhelloXX0\r\n\r\n",
                                         "4\r\nhello\r\n0\r\n\r\n",
                                         "-1\r\nx\r\n0\r\n\r\n",
                                         "\r\n5\r\nhello\r\n0\r\n\r\n",
                                         "fffffffffffffffff\r\nx"};
    char answer[100];
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%s", broken[i]);
        CU_ASSERT(refused(answer, "broken chunk"));
    }
    CU_ASSERT(refused("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello", "broken length"));
    CU_ASSERT(refused("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello", "broken length"));
}

static void what_is_no_http_is_refused(void)
{
    static const char *const others[] = {"",
                                         "SSH-2.0-OpenSSH_9.2\r\n",
                                         "HTTP/2 200 OK\r\n\r\n",
                                         "HTTP/1.1 OK\r\n\r\n",
                                         "HTTP/1.1 099 x\r\n\r\n",
                                         "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\n\n",
                                         "\x15\x03\x01"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) CU_ASSERT(refused(others[i], "no HTTP"));
}

static void an_answer_is_bounded(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    char *answer = malloc(MOST + 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    memset(answer, 'x', MOST + 1);
    memcpy(answer, head, sizeof head - 1);
    answer[MOST + 1] = 0;
    CU_ASSERT(refused(answer, "more than 16777216 bytes"));
    answer[MOST] = 0;
    scripted_server *s = says(answer);
    CU_ASSERT_EQUAL(ask((http_question){0}), OK);
    CU_ASSERT_EQUAL(body.n, MOST - (sizeof head - 1));
    scripted_close(s);
    free(answer);
    out_free(&body);
    body = (out){0};
}

/* ---- the limit ---- */

static void silence_ends_at_the_limit(void)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\n\r\n", NULL};
    scripted_server *s = scripted_open((script){.answers = answers, .silent = true});
    snprintf(where, sizeof where, "http://127.0.0.1:%d", scripted_port(s));
    CU_ASSERT_EQUAL(ask((http_question){.limit_ms = SHORT_MS}), EXPIRED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "within 150 ms"));
    snprintf(where, sizeof where, "https://127.0.0.1:%d", scripted_port(s)); /* a greeting is no whole request */
    CU_ASSERT_EQUAL(ask((http_question){.limit_ms = SHORT_MS}), EXPIRED);
    CU_ASSERT_EQUAL(scripted_asked(s), 1);
    scripted_close(s);
}

static void the_limit_is_for_all_of_it(void)
{
    static char answer[6000];
    static const char *const answers[] = {answer, NULL};
    memset(answer, 'x', sizeof answer - 1);
    memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
    scripted_server *s = scripted_open((script){.answers = answers, .drip_ms = 5}); /* for half a minute */
    snprintf(where, sizeof where, "http://127.0.0.1:%d", scripted_port(s));
    CU_ASSERT_EQUAL(ask((http_question){.limit_ms = SHORT_MS}), EXPIRED);
    scripted_close(s);
}

static void *asks(void *into)
{
    const http_question q = {.where = where, .method = "GET", .target = "/", .headers = "", .limit_ms = PATIENCE_MS};
    *(status *)into = http_ask(&q, &code, &body, &why);
    return NULL;
}

static void nothing(int sig) { (void)sig; }

static void a_signal_is_not_the_end(void)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\n\r\n", NULL};
    struct sigaction heard = {.sa_handler = nothing}, before;
    pthread_t thread;
    status rc = IO_FAILED;
    scripted_server *s = scripted_open((script){.answers = answers, .silent = true});
    snprintf(where, sizeof where, "http://127.0.0.1:%d", scripted_port(s));
    sigaction(SIGUSR1, &heard, &before);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, asks, &rc), 0);
    scripted_request(s, 0);
    for (int i = 0; i < 20; i++) {
        pthread_kill(thread, SIGUSR1);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT_EQUAL(scripted_left(s), 0);
    scripted_speak(s);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(rc, OK);
    sigaction(SIGUSR1, &before, NULL);
    scripted_close(s);
}

/* ---- other ways ---- */

static void nobody_listens(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    const int taken = socket(AF_INET, SOCK_STREAM, 0); /* and does not listen */
    CU_ASSERT_FATAL(!bind(taken, (struct sockaddr *)&at, n) && !getsockname(taken, (struct sockaddr *)&at, &n));
    snprintf(where, sizeof where, "http://127.0.0.1:%d", ntohs(at.sin_port));
    CU_ASSERT_EQUAL(ask((http_question){0}), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "Connection refused"));
    CU_ASSERT_EQUAL(ask((http_question){.where = "unix:/no/such/socket"}), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "No such file"));
    CU_ASSERT_EQUAL(ask((http_question){.where = "http://127.0.0.1:http"}),
                    IO_FAILED); /* found by nobody, without a network */
    close(taken);
}

static char folder[40], socket_path[80], certificate[2][80], private_key[2][80];

static void make_folder(void)
{
    strcpy(folder, "/tmp/http_client.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(socket_path, sizeof socket_path, "%s/socket", folder);
    for (int i = 0; i < 2; i++) {
        snprintf(certificate[i], sizeof *certificate, "%s/%d.certificate.pem", folder, i);
        snprintf(private_key[i], sizeof *private_key, "%s/%d.key.pem", folder, i);
    }
}

static void remove_folder(void)
{
    for (int i = 0; i < 2; i++) {
        unlink(certificate[i]);
        unlink(private_key[i]);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void a_unix_socket_is_asked(void)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", NULL};
    make_folder();
    scripted_server *s = scripted_open((script){.answers = answers, .unix_path = socket_path});
    snprintf(where, sizeof where, "unix:%s", socket_path);
    CU_ASSERT_EQUAL(ask((http_question){0}), OK);
    CU_ASSERT(is_body("hi"));
    CU_ASSERT_PTR_NOT_NULL(strstr(scripted_request(s, 0), "\r\nhost: localhost\r\n"));
    scripted_close(s);
    remove_folder();
}

/* ---- TLS ---- */

/* A certificate for this name alone, signed by itself. */
static void certify(int i, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    CU_ASSERT_FATAL(key && x && names);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), i + 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"a test", -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    X509_add_ext(x, names, -1);
    CU_ASSERT_FATAL(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(certificate[i], "w");
    CU_ASSERT_FATAL(f && PEM_write_X509(f, x));
    fclose(f);
    f = fopen(private_key[i], "w");
    CU_ASSERT_FATAL(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    X509_EXTENSION_free(names);
    X509_free(x);
    EVP_PKEY_free(key);
}

static scripted_server *encrypted(int i, const char *const *answers, bool breaks_off)
{
    return scripted_open((script){
        .answers = answers, .certificate = certificate[i], .private_key = private_key[i], .breaks_off = breaks_off});
}

/* https of this name, which has to be the server's by this file. */
static status ask_securely(const scripted_server *s, const char *name, const char *ca_file)
{
    snprintf(where, sizeof where, "https://%s:%d", name, scripted_port(s));
    return ask((http_question){.ca_file = ca_file});
}

static bool distrusted(const char *reason)
{
    if (strstr(why.text, reason)) return true;
    printf("\n    \"%s\", wanted \"%s\"", why.text, reason);
    return false;
}

static void only_a_trusted_server_of_this_name_is_asked(void)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", NULL};
    make_folder();
    certify(0, "IP:127.0.0.1");
    certify(1, "DNS:localhost");
    scripted_server *address = encrypted(0, answers, false), *name = encrypted(1, answers, false);
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", NULL), IO_FAILED);
    CU_ASSERT(distrusted("certificate"));
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", ""), IO_FAILED);
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", certificate[1]), IO_FAILED);
    CU_ASSERT(distrusted("certificate"));
    CU_ASSERT_EQUAL(ask_securely(address, "localhost", certificate[0]), IO_FAILED);
    CU_ASSERT(distrusted("ostname mismatch"));
    CU_ASSERT_EQUAL(ask_securely(name, "127.0.0.1", certificate[1]), IO_FAILED);
    CU_ASSERT(distrusted("IP address mismatch"));
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", "/no/such/file"), BAD_INPUT);
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", private_key[0]), BAD_INPUT);
    CU_ASSERT(scripted_asked(address) == 0 && scripted_asked(name) == 0);
    CU_ASSERT_EQUAL(ask_securely(address, "127.0.0.1", certificate[0]), OK);
    CU_ASSERT(code == 200 && is_body("hi"));
    CU_ASSERT_EQUAL(ask_securely(name, "localhost", certificate[1]), OK);
    CU_ASSERT(code == 200 && is_body("hi"));
    scripted_close(address);
    scripted_close(name);
    remove_folder();
}

static void much_goes_through_tls_both_ways(void)
{
    enum { MUCH = 1 << 20 };
    static char answer[MUCH + 1], question[MUCH];
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    static const char *const answers[] = {answer, NULL};
    memset(answer, 'a', MUCH);
    memcpy(answer, head, sizeof head - 1);
    memset(question, 'q', MUCH);
    make_folder();
    certify(0, "IP:127.0.0.1");
    scripted_server *s = encrypted(0, answers, false);
    snprintf(where, sizeof where, "https://127.0.0.1:%d", scripted_port(s));
    CU_ASSERT_EQUAL(
        ask((http_question){.ca_file = certificate[0], .method = "POST", .body = question, .body_bytes = MUCH}), OK);
    CU_ASSERT_EQUAL(body.n, MUCH - (sizeof head - 1));
    const char *sent = strstr(scripted_request(s, 0), "\r\n\r\n");
    CU_ASSERT(sent && strspn(sent + 4, "q") == MUCH && strlen(sent + 4) == MUCH);
    scripted_close(s);
    remove_folder();
}

static void framing_shows_whether_a_broken_connection_had_it_all(void)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
                                          "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", NULL};
    make_folder();
    certify(0, "IP:127.0.0.1");
    scripted_server *s = encrypted(0, answers, true);
    CU_ASSERT_EQUAL(ask_securely(s, "127.0.0.1", certificate[0]), OK);
    CU_ASSERT(is_body("hi"));
    CU_ASSERT_EQUAL(ask_securely(s, "127.0.0.1", certificate[0]), IO_FAILED);
    CU_ASSERT(distrusted("half a body"));
    scripted_close(s);
    remove_folder();
}

void http_client_suite(CU_pSuite s)
{
    CU_add_test(s, "a question is sent as it stands", a_question_is_sent_as_it_stands);
    CU_add_test(s, "what would be another request is not sent", what_would_be_another_request_is_not_sent);
    CU_add_test(s, "where is http, https or a unix socket, and nothing behind it", where_is_one_of_three);
    CU_add_test(s, "a URL is split before its path", a_url_is_split_before_its_path);
    CU_add_test(s, "an answer ends as it says: by length, by chunks, by the end", an_answer_ends_as_it_says);
    CU_add_test(s, "interim answers come before the one", an_interim_answer_comes_before);
    CU_add_test(s, "half an answer is none", half_an_answer_is_none);
    CU_add_test(s, "broken framing is refused", broken_framing_is_refused);
    CU_add_test(s, "what is no HTTP is refused", what_is_no_http_is_refused);
    CU_add_test(s, "an answer has at most 16 MiB", an_answer_is_bounded);
    CU_add_test(s, "silence ends at the limit", silence_ends_at_the_limit);
    CU_add_test(s, "the limit is for all of it, however often something comes", the_limit_is_for_all_of_it);
    CU_add_test(s, "a signal is not the end", a_signal_is_not_the_end);
    CU_add_test(s, "where nobody listens the reason is said", nobody_listens);
    CU_add_test(s, "a unix socket is asked", a_unix_socket_is_asked);
    CU_add_test(s, "by TLS only a trusted server of this name is asked", only_a_trusted_server_of_this_name_is_asked);
    CU_add_test(s, "much goes through TLS, both ways", much_goes_through_tls_both_ways);
    CU_add_test(s, "framing shows whether a connection that broke off had said all",
                framing_shows_whether_a_broken_connection_had_it_all);
}
