/* test_door.c - heads as they arrive, and files of keys in a folder of this test. */
#include "server/door.h"
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ADMITTED = 0, NO_KEY = 401, NOBODY = 403, WRONG_HOST = 421 };
#define KEY_A "key-a-0123456789"
#define KEY_B "key-b-0123456789"
#define WHO "x-operator: ada\r\n"

static char folder[32], path[64];
static error why;

static void make_folder(void)
{
    strcpy(folder, "/tmp/door.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/keys", folder);
}

static void remove_folder(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void write_bytes(const char *text, size_t n)
{
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    close(fd);
}

static void write_keys(const char *text) { write_bytes(text, strlen(text)); }

static door *opened(const char *host, const char *file)
{
    door *d;
    CU_ASSERT_EQUAL_FATAL(door_open(&d, (door_options){host, file}, &why), OK);
    return d;
}

/* What the file of keys is refused for; "" where it is not. */
static const char *refusal(void)
{
    door *d;
    why.text[0] = 0;
    const status rc = door_open(&d, (door_options){"localhost", path}, &why);
    CU_ASSERT(rc == BAD_INPUT || rc == OK);
    CU_ASSERT((rc == OK) == (d != NULL));
    door_close(d);
    return rc == OK ? "" : why.text;
}

static bool refused_for(const char *wanted)
{
    const char *text = refusal();
    if (strstr(text, wanted)) return true;
    printf("\n    \"%s\", wanted \"%s\"", text, wanted);
    return false;
}

/* A head of this first line and these lines, as the parser understands it. */
static int asked(door *d, const char *first, const char *fields)
{
    char head[2048];
    http_request r;
    const char *malformed;
    const int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\n%s\r\n", first, fields);
    CU_ASSERT_EQUAL_FATAL(http_parse_head(head, (size_t)n, &r, &malformed), 0);
    return door_admits(d, &r, &why);
}

static int from_host(door *d, const char *host)
{
    char field[600];
    snprintf(field, sizeof field, "host: %s\r\n", host);
    return asked(d, "GET /admin/release", field);
}

static int with_key(door *d, const char *authorization)
{
    char fields[600];
    snprintf(fields, sizeof fields, "host: localhost\r\n%s%s%s", authorization ? "authorization: " : "",
             authorization ? authorization : "", authorization ? "\r\n" : "");
    return asked(d, "GET /admin/release", fields);
}

static int asked_by(door *d, const char *who)
{
    char fields[600];
    snprintf(fields, sizeof fields, "host: localhost\r\n%s%s%s", who ? "x-operator: " : "", who ? who : "",
             who ? "\r\n" : "");
    return asked(d, "POST /admin/release", fields);
}

/* ---- whose name ---- */

static void a_page_that_was_rebound_is_refused(void)
{
    static const char *const ours[] = {"127.0.0.1",      "127.0.0.1:9090",  "10.1.2.3:9090",
                                       "[::1]",          "[::1]:9090",      "localhost",
                                       "LocalHost:9090", "ops.example.org", "OPS.example.org:9090"};
    static const char *const others[] = {
        "evil.example",         "evil.example:9090", "127.0.0.1.evil.example", "localhost.evil.example",
        "ops.example.org.evil", "ops.example.or",    "[evil.example]",         "1.2.3"};
    door *d = opened("ops.example.org", "");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) CU_ASSERT_EQUAL(from_host(d, ours[i]), ADMITTED);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_EQUAL(from_host(d, others[i]), WRONG_HOST);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, others[i]));
    }
    CU_ASSERT_EQUAL(asked(d, "GET /health/live", "host: evil.example\r\n"), WRONG_HOST);
    door_close(d);
}

static void without_a_host_nobody_comes_in(void)
{
    const http_request none = {.method = {"GET", 3}, .path = {"/", 1}};
    door *d = opened("ops.example.org", "");
    CU_ASSERT_EQUAL(door_admits(d, &none, &why), WRONG_HOST);
    CU_ASSERT_EQUAL(from_host(d, ""), WRONG_HOST);
    door_close(d);
}

static void a_long_host_is_not_cut_to_a_right_one(void)
{
    char name[300];
    memset(name, 'a', sizeof name);
    name[255] = 0;
    door *d = opened(name, "");
    CU_ASSERT_EQUAL(from_host(d, name), ADMITTED);
    name[255] = 'a';
    name[256] = 0;
    CU_ASSERT_EQUAL(from_host(d, name), WRONG_HOST);
    door_close(d);
}

static void on_a_unix_socket_any_host_will_do(void)
{
    door *d = opened("", "");
    CU_ASSERT_EQUAL(from_host(d, "evil.example"), ADMITTED);
    CU_ASSERT_EQUAL(from_host(d, ""), ADMITTED);
    door_close(d);
}

/* ---- which key ---- */

static void a_key_opens_and_nothing_else_does(void)
{
    static const char *const wrong[] = {
        "Bearer key-a-012345678", "Bearer key-a-01234567890", "Bearer " KEY_A " " KEY_A,        "Bearer", KEY_A,
        "Digest " KEY_A,          "Bearer key-A-0123456789",  "Bearer # a comment line of keys"};
    make_folder();
    write_keys("# a comment line of keys\n\n" KEY_A "\r\n" KEY_B);
    door *d = opened("localhost", path);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_A), ADMITTED);
    CU_ASSERT_EQUAL(with_key(d, "bearer " KEY_B), ADMITTED);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CU_ASSERT_EQUAL(with_key(d, wrong[i]), NO_KEY);
    CU_ASSERT_EQUAL(with_key(d, NULL), NO_KEY);
    CU_ASSERT_PTR_NULL(strstr(why.text, KEY_A));
    CU_ASSERT_EQUAL(
        asked(d, "GET /metrics", "host: localhost\r\nauthorization: Bearer x\r\nauthorization: Bearer " KEY_A "\r\n"),
        NO_KEY);
    door_close(d);
    remove_folder();
}

static void health_needs_no_key(void)
{
    make_folder();
    write_keys(KEY_A "\n");
    door *d = opened("localhost", path);
    CU_ASSERT_EQUAL(asked(d, "GET /health/live", "host: localhost\r\n"), ADMITTED);
    CU_ASSERT_EQUAL(asked(d, "GET /health/ready?x", "host: localhost\r\n"), ADMITTED);
    CU_ASSERT_EQUAL(asked(d, "GET /health", "host: localhost\r\n"), NO_KEY);
    CU_ASSERT_EQUAL(asked(d, "GET /healthy/x", "host: localhost\r\n"), NO_KEY);
    CU_ASSERT_EQUAL(asked(d, "GET /metrics?/health/", "host: localhost\r\n"), NO_KEY);
    door_close(d);
    remove_folder();
}

static void the_order_is_host_key_and_who(void)
{
    make_folder();
    write_keys(KEY_A "\n");
    door *d = opened("localhost", path);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/release", "host: evil.example\r\n"), WRONG_HOST);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/release", "host: localhost\r\n" WHO), NO_KEY);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/release", "host: localhost\r\nauthorization: Bearer " KEY_A "\r\n"), NOBODY);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/release", "host: localhost\r\nauthorization: Bearer " KEY_A "\r\n" WHO),
                    ADMITTED);
    door_close(d);
    remove_folder();
}

/* ---- the file ---- */

static void keys_are_for_their_owners_eyes(void)
{
    static const mode_t open_to_others[] = {0640, 0604, 0620, 0601, 0660, 0644};
    make_folder();
    write_keys(KEY_A "\n");
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        CU_ASSERT_EQUAL(chmod(path, open_to_others[i]), 0);
        CU_ASSERT(refused_for("owner's eyes"));
    }
    CU_ASSERT_EQUAL(chmod(path, 0400), 0);
    CU_ASSERT_STRING_EQUAL(refusal(), "");
    if (geteuid() == 0) { /* others cannot give a file away */
        CU_ASSERT_EQUAL(chown(path, 65534, 65534), 0);
        CU_ASSERT(refused_for("another user's (65534)"));
    }
    remove_folder();
}

static void what_is_no_key_is_refused_with_its_line(void)
{
    char line[300];
    make_folder();
    write_keys(KEY_A "\n\n# short\nfifteen-letters\n");
    CU_ASSERT(refused_for("line 4 is no key"));
    write_keys("sixteen letters.\n");
    CU_ASSERT(refused_for("line 1 is no key"));
    write_keys("k\xc3\xa4se-0123456789abc\n");
    CU_ASSERT(refused_for("line 1 is no key"));
    write_keys(" # 0123456789abc\n");
    CU_ASSERT(refused_for("line 1 is no key"));
    memset(line, 'k', sizeof line);
    line[256] = 0;
    write_keys(line);
    CU_ASSERT_STRING_EQUAL(refusal(), "");
    line[256] = 'k';
    line[257] = 0;
    write_keys(line);
    CU_ASSERT(refused_for("line 1 is no key"));
    CU_ASSERT_PTR_NULL(strstr(why.text, "kkk"));
    write_bytes(KEY_A "\n\0" KEY_B "\n", 2 * sizeof KEY_A + 1);
    CU_ASSERT(refused_for("line 2 is no key"));
    write_keys("# nothing\n\n");
    CU_ASSERT(refused_for("holds no key"));
    write_keys("");
    CU_ASSERT(refused_for("holds no key"));
    remove_folder();
}

static void a_file_is_bounded(void)
{
    static char text[(32 << 10) + 2];
    size_t n = 0;
    make_folder();
    for (int i = 0; i < 64; i++) n += (size_t)snprintf(text + n, sizeof text - n, "key-%02d-0123456789\n", i);
    write_bytes(text, n);
    door *d = opened("localhost", path);
    CU_ASSERT_EQUAL(with_key(d, "Bearer key-00-0123456789"), ADMITTED);
    CU_ASSERT_EQUAL(with_key(d, "Bearer key-63-0123456789"), ADMITTED);
    door_close(d);
    n += (size_t)snprintf(text + n, sizeof text - n, "key-64-0123456789\n");
    write_bytes(text, n);
    CU_ASSERT(refused_for("more than 64 keys"));
    memset(text, '#', sizeof text);
    memcpy(text, KEY_A "\n", sizeof KEY_A);
    write_bytes(text, 32 << 10);
    CU_ASSERT_STRING_EQUAL(refusal(), "");
    write_bytes(text, (32 << 10) + 1);
    CU_ASSERT(refused_for("more than 32768 bytes"));
    remove_folder();
}

static void only_a_file_is_read(void)
{
    make_folder();
    CU_ASSERT(refused_for("No such file"));
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0); /* would be waited for for ever */
    CU_ASSERT(refused_for("is no file"));
    unlink(path);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    CU_ASSERT(refused_for("is no file"));
    rmdir(path);
    remove_folder();
}

static void new_keys_are_taken_whole_or_not_at_all(void)
{
    make_folder();
    write_keys(KEY_A "\n");
    door *d = opened("localhost", path);
    write_keys(KEY_B "\nshort\n");
    CU_ASSERT_EQUAL(door_reload(d, &why), BAD_INPUT);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_A), ADMITTED);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_B), NO_KEY);
    unlink(path);
    CU_ASSERT_EQUAL(door_reload(d, &why), BAD_INPUT);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_A), ADMITTED);
    write_keys(KEY_B "\n");
    CU_ASSERT_EQUAL(door_reload(d, &why), OK);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_A), NO_KEY);
    CU_ASSERT_EQUAL(with_key(d, "Bearer " KEY_B), ADMITTED);
    door_close(d);
    d = opened("localhost", "");
    CU_ASSERT_EQUAL(door_reload(d, &why), OK);
    CU_ASSERT_EQUAL(with_key(d, NULL), ADMITTED);
    door_close(d);
    door_close(NULL);
    remove_folder();
}

static void *asks_on(void *d)
{
    const http_request head = {.path = {"/metrics", 8},
                               .fields = 2,
                               .name = {{"host", 4}, {"authorization", 13}},
                               .value = {{"localhost", 9}, {"Bearer " KEY_A, 7 + sizeof KEY_A - 1}}};
    error mine;
    long refused = 0;
    for (int i = 0; i < 2000; i++) refused += door_admits(d, &head, &mine) != ADMITTED;
    return (void *)refused;
}

static void nobody_is_refused_while_keys_are_read(void)
{
    pthread_t loop;
    void *refused;
    make_folder();
    write_keys(KEY_B "\n" KEY_A "\n");
    door *d = opened("localhost", path);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&loop, NULL, asks_on, d), 0);
    for (int i = 0; i < 200; i++) CU_ASSERT_EQUAL(door_reload(d, &why), OK);
    pthread_join(loop, &refused);
    CU_ASSERT_EQUAL((long)refused, 0);
    door_close(d);
    remove_folder();
}

/* ---- who asks ---- */

static void who_changes_something_says_who_it_is(void)
{
    char long_name[81];
    door *d = opened("localhost", "");
    CU_ASSERT_EQUAL(asked_by(d, "Ada Lovelace <ada@host>"), ADMITTED);
    CU_ASSERT_EQUAL(asked_by(d, NULL), NOBODY);
    CU_ASSERT_EQUAL(asked_by(d, ""), NOBODY);
    CU_ASSERT_EQUAL(asked_by(d, "J\xc3\xbcrgen"), NOBODY);
    CU_ASSERT_EQUAL(asked_by(d, "ada\teve"), NOBODY);
    memset(long_name, 'a', sizeof long_name);
    long_name[79] = 0;
    CU_ASSERT_EQUAL(asked_by(d, long_name), ADMITTED);
    long_name[79] = 'a';
    long_name[80] = 0;
    CU_ASSERT_EQUAL(asked_by(d, long_name), NOBODY);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/release", "host: localhost\r\n" WHO WHO), NOBODY);
    CU_ASSERT_EQUAL(asked(d, "GET /admin/release", "host: localhost\r\n"), ADMITTED);
    door_close(d);
}

static void a_name_behind_a_unix_socket_is_the_users_own(void)
{
    char who[80], longest[90];
    call c = {.head = {.fields = 1, .name = {{"x-operator", 10}}, .value = {{"ada", 3}}}, .peer_uid = -1};
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "ada");
    c.peer_uid = 0;
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "root");
    c.peer_uid = 4200000000;
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "uid 4200000000");
    memset(longest, 'a', sizeof longest);
    c.peer_uid = -1;
    c.head.value[0] = (http_slice){longest, 79};
    door_operator(&c, who);
    CU_ASSERT(strlen(who) == 79 && !memcmp(who, longest, 79));
    c.head.fields = 0;
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "");
}

void door_suite(CU_pSuite s)
{
    CU_add_test(s, "a page that was rebound to us by DNS is refused by its name", a_page_that_was_rebound_is_refused);
    CU_add_test(s, "without a host nobody comes in", without_a_host_nobody_comes_in);
    CU_add_test(s, "a host that is too long is not cut to a right one", a_long_host_is_not_cut_to_a_right_one);
    CU_add_test(s, "on a unix socket any host will do", on_a_unix_socket_any_host_will_do);
    CU_add_test(s, "each key of the file opens, and nothing else does", a_key_opens_and_nothing_else_does);
    CU_add_test(s, "health needs no key, what looks like it does", health_needs_no_key);
    CU_add_test(s, "host, key and who asks are looked at in this order", the_order_is_host_key_and_who);
    CU_add_test(s, "a file of keys that others may read, or own, is refused", keys_are_for_their_owners_eyes);
    CU_add_test(s, "a line that is no key is refused with its number and without its text",
                what_is_no_key_is_refused_with_its_line);
    CU_add_test(s, "a file of keys is bounded, in keys and in bytes", a_file_is_bounded);
    CU_add_test(s, "keys are read from a file alone, never waited for", only_a_file_is_read);
    CU_add_test(s, "new keys are taken whole or not at all", new_keys_are_taken_whole_or_not_at_all);
    CU_add_test(s, "nobody is refused while keys are read again", nobody_is_refused_while_keys_are_read);
    CU_add_test(s, "who changes something says who it is", who_changes_something_says_who_it_is);
    CU_add_test(s, "behind a unix socket an operator is the socket's user",
                a_name_behind_a_unix_socket_is_the_users_own);
}
