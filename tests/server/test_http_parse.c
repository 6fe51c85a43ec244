/* test_http_parse.c - the parser on memory alone; what a connection does with its verdicts is in test_http.c. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "server/http_parse.h"

static http_request r;

static int parse(const char *head)
{
    const char *why = NULL;
    int code = http_parse_head(head, strlen(head), &r, &why);
    CU_ASSERT((code == 0) == (why == NULL));
    return code;
}

static int parse_field_of(const char *field)
{
    static char head[1024]; /* r keeps slices of it */
    strcpy(head, "POST / HTTP/1.1\r\nHost: a\r\n");
    strncat(head, field, 900);
    strcat(head, "\r\n\r\n");
    return parse(head);
}

static int parse_line(const char *line)
{
    static char head[512];
    head[0] = 0;
    strncat(head, line, 400);
    strcat(head, "\r\nHost: a\r\n\r\n");
    return parse(head);
}

static bool is(http_slice s, const char *text) { return s.n == strlen(text) && !memcmp(s.p, text, s.n); }

static void a_head_is_cut_where_it_was_found(void)
{
    const char *p = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    size_t n = strlen(p), end = n - 4;
    CU_ASSERT_EQUAL(http_head_end(p, n, 0), (long)end);
    for (size_t have = 1; have < n; have++)
        CU_ASSERT_EQUAL(http_head_end(p, have, have - 1), have == end ? (long)end : 0);
    CU_ASSERT_EQUAL(http_head_end("a\n", 2, 0), -1);
    CU_ASSERT_EQUAL(http_head_end("a\r\nb\n", 5, 4), -1);
    CU_ASSERT_EQUAL(http_head_end("a\0", 2, 0), -1);
    CU_ASSERT_EQUAL(http_head_end("\x16\x03\x01", 3, 0), -1);
}

static void fields_come_out_trimmed(void)
{
    CU_ASSERT_EQUAL(parse("POST /a?b=c HTTP/1.1\r\nHost: a:80\r\n"
                          "X-One: \t v w \t\r\nx-two:\r\nX-ONE2:x\xff\r\n\r\n"), 0);
    CU_ASSERT(is(r.method, "POST"));
    CU_ASSERT(is(r.target, "/a?b=c"));
    CU_ASSERT(is(r.path, "/a"));
    CU_ASSERT_EQUAL(r.fields, 4);
    CU_ASSERT(is(http_field(&r, "x-one"), "v w"));
    CU_ASSERT(http_field(&r, "x-two").p != NULL);
    CU_ASSERT_EQUAL(http_field(&r, "x-two").n, 0);
    CU_ASSERT_PTR_NULL(http_field(&r, "x-three").p);
    CU_ASSERT(http_is(r.name[1], "x-ONE"));
    CU_ASSERT_FALSE(http_is(r.name[1], "x-on"));
}

static void a_field_given_twice_has_no_value(void)
{
    CU_ASSERT_EQUAL(parse_field_of("X-A: 1\r\nx-a: 2"), 0);
    CU_ASSERT_PTR_NULL(http_field(&r, "x-a").p);
}

static void targets_and_paths(void)
{
    static const struct { const char *target, *path; } good[] = {
        {"/", "/"}, {"/?", "/"}, {"/a/b?c?d", "/a/b"}, {"http://h", "/"}, {"http://h/", "/"}, {"HTTP://h:1/x?y", "/x"},
        {"https://[::1]:8/x", "/x"}, {"http://h?q", "/"}, {"//x", "//x"}, {"/%2e%2e/", "/%2e%2e/"},
    };
    static const char *const bad[] = {"", "a", "*", "?", "http:/", "http:///x", "http://a b/", "http://u@h/x",
                                      "ftp://h/", "/a#b", "/\x80", "/\x7f", "h:443"};
    char line[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(line, sizeof line, "GET %s HTTP/1.1", good[i].target);
        CU_ASSERT_EQUAL(parse_line(line), 0);
        CU_ASSERT(is(r.path, good[i].path));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "GET %s HTTP/1.1", bad[i]);
        CU_ASSERT_EQUAL(parse_line(line), 400);
    }
    CU_ASSERT_EQUAL(parse_line("OPTIONS * HTTP/1.1"), 0);
    CU_ASSERT(is(r.path, "*"));
}

static void versions(void)
{
    CU_ASSERT_EQUAL(parse_line("GET / HTTP/1.0"), 0);
    CU_ASSERT_EQUAL(r.minor, 0);
    CU_ASSERT_EQUAL(parse("GET / HTTP/1.0\r\n\r\n"), 0);
    CU_ASSERT_EQUAL(parse("GET / HTTP/1.1\r\n\r\n"), 400);
    static const char *const unknown[] = {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9"};
    static const char *const garbage[] = {"HTTP/1.1x", "HTTP/+1.1", "HTTP/1.-1", "http/1.1", "HTTP/11", "HTTP/1", "",
                                          "HTTP/1.1 ", " HTTP/1.1"};
    char line[64];
    for (size_t i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "GET / %s", unknown[i]);
        CU_ASSERT_EQUAL(parse_line(line), 505);
    }
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        snprintf(line, sizeof line, "GET / %s", garbage[i]);
        CU_ASSERT_EQUAL(parse_line(line), 400);
    }
}

static void framing_is_one_length_or_exactly_chunked(void)
{
    CU_ASSERT_EQUAL(parse_field_of("Content-Length: 0012"), 0);
    CU_ASSERT(r.has_length && r.length == 12 && !r.chunked);
    CU_ASSERT_EQUAL(parse_field_of("Content-Length: 999999999999999999"), 0);
    CU_ASSERT_EQUAL(r.length, 999999999999999999u);
    CU_ASSERT_EQUAL(parse_field_of("Transfer-Encoding: Chunked"), 0);
    CU_ASSERT(r.chunked && !r.has_length);
    static const struct { int code; const char *field; } bad[] = {
        {400, "Content-Length: 5\r\nContent-Length: 5"}, {400, "Content-Length: 5\r\ncontent-length: 6"},
        {400, "Content-Length: 5, 5"}, {400, "Content-Length: +5"}, {400, "Content-Length: -5"},
        {400, "Content-Length: 0x5"}, {400, "Content-Length: 5 5"}, {400, "Content-Length: 5.0"},
        {400, "Content-Length: 1e2"}, {400, "Content-Length:"}, {400, "Content-Length: 18446744073709551621"},
        {400, "Content-Length: 1000000000000000000000000000000"},
        {400, "Content-Length: 5\r\nTransfer-Encoding: chunked"},
        {400, "Transfer-Encoding: chunked\r\nContent-Length: 5"}, {400, "Transfer-Encoding: identity"},
        {400, "Transfer-Encoding: gzip"}, {400, "Transfer-Encoding: xchunked"}, {400, "Transfer-Encoding:"},
        {400, "Transfer-Encoding: chunked, gzip"}, {501, "Transfer-Encoding: gzip, chunked"},
        {400, "Transfer-Encoding: chunked, chunked"}, {400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"},
        {400, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"}, {400, "Transfer-Encoding: chunked,"},
        {400, "Transfer-Encoding: \"chunked\""}, {400, "Transfer-Encoding: chunked;q=1"},
        {400, "Transfer-Encoding:\x0b" "chunked"}, {400, "Transfer-Encoding : chunked"},
        {400, " Transfer-Encoding: chunked"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CU_ASSERT_EQUAL(parse_field_of(bad[i].field), bad[i].code);
    CU_ASSERT_EQUAL(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

static void close_wins_in_the_list_of_connection(void)
{
    static const struct { const char *field; bool keep; } cases[] = {
        {"X: y", true}, {"Connection: close", false}, {"Connection: keep-alive, close", false},
        {"Connection: Close, keep-alive", false}, {"Connection: , ,\tclose ,", false}, {"Connection: closed", true},
        {"Connection: keep-alive\r\nConnection: close", false}, {"Connection: upgrade", true}, {"Connection:", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT_EQUAL(parse_field_of(cases[i].field), 0);
        CU_ASSERT_EQUAL(r.keep_alive, cases[i].keep);
    }
    CU_ASSERT_EQUAL(parse("GET / HTTP/1.0\r\n\r\n"), 0);
    CU_ASSERT_FALSE(r.keep_alive);
    CU_ASSERT_EQUAL(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    CU_ASSERT(r.keep_alive);
}

static void hosts(void)
{
    static const char *const good[] = {"a", "a.b-c", "a:80", "[::1]", "[::1]:80", "127.0.0.1:65535", "", "a:"};
    static const char *const bad[] = {"a b", "a/b", "a@b", "a:b", "a:123456", "[::1", "[]", "[::1]x", "a\"",
                                      "a:1:2", "<a>"};
    char head[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        CU_ASSERT_EQUAL(parse(head), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        CU_ASSERT_EQUAL(parse(head), 400);
    }
    CU_ASSERT_EQUAL(parse_field_of("Host: a"), 400);
}

static void expectations(void)
{
    CU_ASSERT_EQUAL(parse_field_of("Expect: 100-Continue"), 0);
    CU_ASSERT(r.expects_continue);
    CU_ASSERT_EQUAL(parse_field_of("Expect: 200-ok"), 417);
    CU_ASSERT_EQUAL(parse("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), 0);
    CU_ASSERT_FALSE(r.expects_continue);
}

static void bounds_of_a_head(void)
{
    char *head = malloc(HTTP_HEAD_MAX + 100);
    const char *why;
    strcpy(head, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < HTTP_FIELDS_MAX; i++) strcat(head, "a:b\r\n");
    size_t n = strlen(head);
    strcpy(head + n, "\r\n");
    CU_ASSERT_EQUAL(parse(head), 0);
    strcpy(head + n, "a:b\r\n\r\n");
    CU_ASSERT_EQUAL(parse(head), 431);
    memset(head, 'a', HTTP_HEAD_MAX + 100);
    CU_ASSERT_EQUAL(http_parse_head(head, HTTP_HEAD_MAX + 1, &r, &why), 431);
    memcpy(head, "GET /", 5);
    for (size_t target = HTTP_TARGET_MAX; target <= HTTP_TARGET_MAX + 1; target++) {
        memset(head + 5, 'a', target);
        strcpy(head + 4 + target, " HTTP/1.0\r\n\r\n");
        CU_ASSERT_EQUAL(parse(head), target > HTTP_TARGET_MAX ? 414 : 0);
    }
    free(head);
}

static void cuts_and_changed_bytes(void)
{
    static const char whole[] = "POST /embed?x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 12\r\n"
                                "Connection: a, close\r\n\r\n";
    size_t n = sizeof whole - 1;
    const char *why;
    for (size_t cut = 0; cut <= n; cut++) {
        char *copy = malloc(cut + 1); /* exact, for AddressSanitizer */
        memcpy(copy, whole, cut);
        copy = realloc(copy, cut ? cut : 1);
        CU_ASSERT_EQUAL(http_parse_head(copy, cut, &r, &why), cut == n ? 0 : 400);
        free(copy);
    }
    for (size_t at = 0; at < n; at++) {
        char copy[sizeof whole];
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, whole, n);
            copy[at] = (char)byte;
            int code = http_parse_head(copy, n, &r, &why);
            CU_ASSERT(code == 0 || code == 400 || code == 501 || code == 505);
            if (byte < 0x20 && byte != '\t' && byte != whole[at]) CU_ASSERT_EQUAL(code, 400);
        }
    }
}

static bool size_of(const char *line, uint64_t *size) { return http_parse_chunk_size(line, strlen(line), size); }

static void chunk_sizes(void)
{
    uint64_t size = 1;
    CU_ASSERT(size_of("0", &size) && size == 0);
    CU_ASSERT(size_of("00aF", &size) && size == 0xaf);
    CU_ASSERT(size_of("fffffffffffffff", &size) && size == 0xfffffffffffffff);
    CU_ASSERT(size_of("5;a=b", &size) && size == 5);
    CU_ASSERT(size_of("5 \t; a=\"b c\"", &size) && size == 5);
    static const char *const bad[] = {"", "0x5", "+5", "-5", " 5", "5 ", "g", "5g", "5 junk", "1ffffffffffffffff",
                                      "10000000000000000", "0000000000000005", ";a", "5;\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CU_ASSERT_FALSE(size_of(bad[i], &size));
}

void http_parse_suite(CU_pSuite s)
{
    CU_add_test(s, "a head is cut at its blank line, however it arrives", a_head_is_cut_where_it_was_found);
    CU_add_test(s, "fields come out whole and trimmed", fields_come_out_trimmed);
    CU_add_test(s, "a field given twice has no single value", a_field_given_twice_has_no_value);
    CU_add_test(s, "a path comes from the origin and the absolute form, and from nothing else", targets_and_paths);
    CU_add_test(s, "only HTTP/1.1 and HTTP/1.0 are spoken", versions);
    CU_add_test(s, "framing is one length of digits or exactly chunked", framing_is_one_length_or_exactly_chunked);
    CU_add_test(s, "close wins wherever it stands in Connection", close_wins_in_the_list_of_connection);
    CU_add_test(s, "a Host is one name or address with a port", hosts);
    CU_add_test(s, "100-continue is the only expectation", expectations);
    CU_add_test(s, "a head is bounded in bytes, in fields and in its target", bounds_of_a_head);
    CU_add_test(s, "every cut is refused, every changed byte is judged", cuts_and_changed_bytes);
    CU_add_test(s, "a chunk size is 1 to 15 hexadecimal digits", chunk_sizes);
}
