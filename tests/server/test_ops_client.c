/* test_ops_client.c - what our commands ask for, as whom, and what they make of a no. */
#include "server/ops_client.h"
#include <CUnit/CUnit.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/canned.h"

static char folder[32], path[64], other[64], ops[80];

static void make_folder(void)
{
    strcpy(folder, "/tmp/ops.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/one", folder);
    snprintf(other, sizeof other, "%s/two", folder);
}

static void remove_folder(void)
{
    unlink(path);
    unlink(other);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static options at(const canned *c)
{
    snprintf(ops, sizeof ops, "127.0.0.1:%d", canned_port(c));
    return (options){.ops = ops, .ops_keys = "", .ops_ca = ""};
}

static status ask(const options *o, const char *body, int *code, char text[256], error *err)
{
    out answer = {0};
    const status rc = ops_ask(o, body ? "POST" : "GET", "/admin/release", body, code, &answer, err);
    snprintf(text, 256, "%.*s", (int)answer.n, answer.n ? answer.p : "");
    out_free(&answer);
    return rc;
}

static void it_says_who_asks(void)
{
    static const canned_answer ok = {.text = "HTTP/1.1 202 Accepted\r\ncontent-length: 12\r\n\r\n{\"number\":3}"};
    char text[256], host[64] = "", wanted[256];
    error err;
    int code;
    canned *c = canned_open((canned_options){.answers = &ok, .n = 1});
    const options o = at(c);
    const struct passwd *me = getpwuid(geteuid());
    CU_ASSERT_EQUAL(ask(&o, "{\"version\":\"v2\"}", &code, text, &err), OK);
    CU_ASSERT_EQUAL(code, 202);
    CU_ASSERT_STRING_EQUAL(text, "{\"number\":3}");
    gethostname(host, sizeof host - 1);
    if (me) snprintf(wanted, sizeof wanted, "\r\nx-operator: %.40s@%.38s\r\n", me->pw_name, host);
    else snprintf(wanted, sizeof wanted, "\r\nx-operator: uid %u@%.38s\r\n", (unsigned)geteuid(), host);
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), wanted));
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "\r\n\r\n{\"version\":\"v2\"}"));
    CU_ASSERT_EQUAL(strncmp(canned_request(c, 0), "POST /admin/release HTTP/1.1\r\n", 30), 0);
    CU_ASSERT_PTR_NULL(strstr(canned_request(c, 0), "authorization"));
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), OK);
    CU_ASSERT_EQUAL(strncmp(canned_request(c, 1), "GET /admin/release HTTP/1.1\r\n", 29), 0);
    canned_close(c);
}

static void it_shows_the_first_key(void)
{
    static const canned_answer ok = {.text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"};
    char text[256], file[1024];
    error err;
    int code;
    make_folder();
    canned *c = canned_open((canned_options){.answers = &ok, .n = 1});
    options o = at(c);
    o.ops_keys = path;
    snprintf(file, sizeof file, "# %0600d no key\n\r\nfirst-of-the-keys\r\nsecond-of-the-keys\n", 0);
    put(file);
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(canned_request(c, 0), "\r\nauthorization: Bearer first-of-the-keys\r\n"));
    CU_ASSERT_PTR_NULL(strstr(canned_request(c, 0), "second"));
    put("# none\n");
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "holds no key"));
    put("key-with-\x01-in-it\n");
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(strstr(err.text, "key-with"));
    unlink(path);
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
    CU_ASSERT_EQUAL(canned_count(c), 1);
    canned_close(c);
    remove_folder();
}

static void a_no_is_told_in_the_servers_words(void)
{
    static const struct {
        const char *text;
        status why;
        int code;
        const char *says;
    } rows[] = {
        {"HTTP/1.1 409 Conflict\r\n\r\n{\"error\":\"release 7 is under way\",\"error_type\":\"Conflict\"}", CONFLICT,
         409, "release 7 is under way (409)"},
        {"HTTP/1.1 404 Not Found\r\n\r\n{\"error\":\"no previous version\"}", NOT_FOUND, 404,
         "no previous version (404)"},
        {"HTTP/1.1 503 No\r\n\r\n{\"error\":\"the model is loading\"}", UNAVAILABLE, 503, "the model is loading (503)"},
        {"HTTP/1.1 401 No\r\n\r\n{\"error\":\"a key is wanted\"}", BAD_INPUT, 401, "a key is wanted (401)"},
        {"HTTP/1.1 500 No\r\n\r\n<html>", BAD_INPUT, 500, "no reason was given (500)"},
        {"HTTP/1.1 500 No\r\n\r\n{\"error\":{\"message\":\"x\"}}", BAD_INPUT, 500, "no reason was given (500)"},
        {"HTTP/1.1 500 No\r\n\r\n[]", BAD_INPUT, 500, "no reason was given (500)"},
        {"HTTP/1.1 302 Elsewhere\r\n\r\n", BAD_INPUT, 302, "no reason was given (302)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const canned_answer a = {.text = rows[i].text};
        char text[256];
        error err;
        int code;
        canned *c = canned_open((canned_options){.answers = &a, .n = 1});
        const options o = at(c);
        CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), rows[i].why);
        CU_ASSERT_EQUAL(code, rows[i].code);
        CU_ASSERT_STRING_EQUAL(err.text, rows[i].says);
        canned_close(c);
    }
}

static void a_socket_and_tls_are_ways_too(void)
{
    static const canned_answer ok = {.text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"};
    char text[256], local[80];
    error err;
    int code;
    make_folder();
    canned *c = canned_open((canned_options){.unix_path = path, .answers = &ok, .n = 1});
    snprintf(local, sizeof local, "unix:%s", path);
    const options here = {.ops = local, .ops_unix = path, .ops_keys = "", .ops_ca = ""};
    CU_ASSERT_EQUAL(ask(&here, NULL, &code, text, &err), OK);
    canned_close(c);
    unlink(path);
    canned_certificate(path, other, "IP:127.0.0.1");
    c = canned_open((canned_options){.answers = &ok, .n = 1, .certificate = path, .private_key = other});
    options o = at(c);
    o.ops_ca = path;
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), OK);
    CU_ASSERT_STRING_EQUAL(text, "{}");
    canned_close(c);
    CU_ASSERT_EQUAL(ask(&o, NULL, &code, text, &err), IO_FAILED); /* nobody is there any more */
    CU_ASSERT_EQUAL(code, 0);
    remove_folder();
}

void ops_client_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, it_says_who_asks);
    CU_ADD_TEST(s, it_shows_the_first_key);
    CU_ADD_TEST(s, a_no_is_told_in_the_servers_words);
    CU_ADD_TEST(s, a_socket_and_tls_are_ways_too);
}
