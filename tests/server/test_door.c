/* test_door.c - who may come in, head by head, and what a file of keys must be. */
#include "server/door.h"
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST "0123456789abcdef" /* as short as a key may be */
#define SECOND "second-key-of-this-file"
static char file[32];

static void put_bytes(const char *p, size_t n, mode_t mode)
{
    const int fd = open(file, O_WRONLY | O_TRUNC);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
    close(fd);
}

static void put(const char *text) { put_bytes(text, strlen(text), 0600); }

static void make_file(void)
{
    strcpy(file, "/tmp/door.XXXXXX");
    const int fd = mkstemp(file);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
}

static door *opened(const char *host, const char *keys)
{
    door *d;
    error err;
    CU_ASSERT_EQUAL_FATAL(door_open(&d, (door_options){host, keys}, &err), OK);
    return d;
}

/* What the door says to "METHOD PATH", this Host and these lines; -1: they are no head.  Any thread. */
static int asked(door *d, const char *line, const char *host, const char *more, error *why)
{
    char head[2048];
    http_request r;
    const char *malformed;
    const int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\nhost: %s\r\n%s\r\n", line, host, more);
    return http_parse_head(head, (size_t)n, &r, &malformed) ? -1 : door_admits(d, &r, why);
}

static void the_host_is_an_address_or_a_name_of_ours(void)
{
    static const char *const ours[] = {"127.0.0.1",   "127.0.0.1:9090", "10.1.2.3:80",      "[::1]",
                                       "[::1]:9090",  "[2001:db8::7]",  "localhost",        "localhost:9090",
                                       "LOCALHOST:1", "ops.example",    "OPS.example:9090", "[::ffff:10.0.0.1]:9"},
                             *const others[] = {"evil.example",
                                                "evil.example:9090",
                                                "localhost.evil.example",
                                                "127.0.0.1.evil.example",
                                                "ops.example.evil",
                                                "1.2.3",
                                                "xlocalhost",
                                                "localhos",
                                                "127.0.0.1.",
                                                "",
                                                ":9090"};
    door *d = opened("ops.example", "");
    error why;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        CU_ASSERT_EQUAL(asked(d, "GET /metrics", ours[i], "", &why), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_EQUAL(asked(d, "GET /metrics", others[i], "", &why), 421);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, others[i]));
    }
    door_close(d);
}

static void a_long_host_is_named_by_its_beginning(void)
{
    door *d = opened("127.0.0.1", "");
    char host[301];
    error why;
    memset(host, 'a', 300);
    host[300] = 0;
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", host, "", &why), 421);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "aaaaaaaa\", wanted an address, localhost or the name in --ops"));
    door_close(d);
}

static void a_long_host_is_not_cut_to_ours(void)
{
    char name[257];
    error why;
    memset(name, 'a', sizeof name);
    name[255] = 0;
    door *d = opened(name, "");
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", name, "", &why), 0);
    name[255] = 'a';
    name[256] = 0;
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", name, "", &why), 421);
    door_close(d);
}

static void on_a_unix_socket_the_host_says_nothing(void)
{
    door *d = opened("", "");
    error why;
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", "anything.example", "", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "anything.example", "", &why), 403);
    door_close(d);
}

static void a_post_says_who_asks(void)
{
    char longest[128], longer[128];
    door *d = opened("127.0.0.1", "");
    error why;
    snprintf(longest, sizeof longest, "x-operator: %079d\r\n", 1);
    snprintf(longer, sizeof longer, "x-operator: %080d\r\n", 1);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "", &why), 403);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "x-operator is \"\", wanted who asks, 1 to 79 printable characters"));
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "x-operator: \r\n", &why), 403);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "x-operator: ad\xc3\xa0\r\n", &why), 403);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "x-operator: a\tb\r\n", &why), 403);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "x-operator: a\r\nx-operator: b\r\n", &why), 403);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", longer, &why), 403);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", longest, &why), 0);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "X-Operator: Ada L@host\r\n", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "evil.example", "x-operator: ada\r\n", &why), 421);
    CU_ASSERT_EQUAL(asked(d, "GET /admin/ledger", "localhost", "", &why), 0);
    door_close(d);
}

static void each_key_of_the_file_opens_and_no_other(void)
{
    static const char *const wrong[] = {"",
                                        "authorization: Bearer\r\n",
                                        "authorization: Bearer \r\n",
                                        "authorization: Digest " FIRST "\r\n",
                                        "authorization: " FIRST "\r\n",
                                        "authorization: Bearer " FIRST "0\r\n",
                                        "authorization: Bearer 0123456789abcde\r\n",
                                        "authorization: Bearer 0123456789abcdeF\r\n",
                                        "authorization: Bearer # a comment, no key\r\n",
                                        "authorization: Bearer " FIRST "\r\nauthorization: Bearer " FIRST "\r\n",
                                        "x-authorization: Bearer " FIRST "\r\n"};
    make_file();
    put("# a comment, no key\n\n" FIRST "\r\n" SECOND);
    door *d = opened("127.0.0.1", file);
    error why;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(asked(d, "GET /metrics", "localhost", wrong[i], &why), 401);
        CU_ASSERT_PTR_NULL(strstr(why.text, "0123456789")); /* what was tried may be almost right */
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "authorization: Bearer KEY is wanted"));
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", "localhost", "authorization: Bearer " FIRST "\r\n", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "GET /metrics", "localhost", "Authorization: bearer " SECOND "\r\n", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "x-operator: ada\r\n", &why), 401);
    CU_ASSERT_EQUAL(asked(d, "POST /admin/drain", "localhost", "authorization: Bearer " FIRST "\r\n", &why), 403);
    door_close(d);
    unlink(file);
}

static void health_needs_no_key(void)
{
    make_file();
    put(FIRST "\n");
    door *d = opened("127.0.0.1", file);
    error why;
    CU_ASSERT_EQUAL(asked(d, "GET /health/live", "10.0.0.7:9090", "", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "HEAD /health/ready?x=1", "10.0.0.7", "", &why), 0);
    CU_ASSERT_EQUAL(asked(d, "GET /health", "10.0.0.7", "", &why), 401);
    CU_ASSERT_EQUAL(asked(d, "GET /healthy/live", "10.0.0.7", "", &why), 401);
    CU_ASSERT_EQUAL(asked(d, "GET /x/health/live", "10.0.0.7", "", &why), 401);
    CU_ASSERT_EQUAL(asked(d, "GET /metrics?/health/live", "10.0.0.7", "", &why), 401);
    door_close(d);
    unlink(file);
}

/* The open fails, and says this. */
static void refuses(const char *path, const char *says)
{
    door *d = NULL;
    error err;
    CU_ASSERT_EQUAL(door_open(&d, (door_options){"127.0.0.1", path}, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(d);
    if (!strstr(err.text, says)) printf("\n    \"%s\" does not say \"%s\"", err.text, says);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
}

static void a_file_of_keys_is_read_strictly(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "holds no key"},
        {"# only\n\n# comments\n", "holds no key"},
        {"0123456789abcde\n", "line 1 is no key: 16 to 256 printable characters without blanks"},
        {FIRST "\n#\n 0123456789abcdef\n", "line 3 is no key"},
        {FIRST " \n", "line 1 is no key"},
        {"0123456789\tabcdef\n", "line 1 is no key"},
        {"0123456789\xc3\xa9"
         "abcdef\n",
         "line 1 is no key"},
    };
    char key[300], many[65 * 18 + 1];
    door *d;
    error err;
    make_file();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(rows[i].text);
        refuses(file, rows[i].says);
    }
    put_bytes(FIRST "\n\0\n" SECOND, sizeof FIRST + 3 + sizeof SECOND - 1, 0600);
    refuses(file, "holds a NUL");
    memset(key, 'k', sizeof key);
    put_bytes(key, 257, 0600);
    refuses(file, "line 1 is no key");
    put_bytes(key, 256, 0400);
    door_close(opened("127.0.0.1", file));
    for (int i = 0; i < 65; i++) sprintf(many + i * 18, "key-number-%06d\n", i);
    put(many);
    refuses(file, "more than 64 keys");
    many[64 * 18] = 0;
    put(many);
    CU_ASSERT_EQUAL(door_open(&d, (door_options){"127.0.0.1", file}, &err), OK);
    CU_ASSERT_EQUAL(asked(d, "GET /x", "localhost", "authorization: Bearer key-number-000063\r\n", &err), 0);
    door_close(d);
    unlink(file);
    refuses(file, "No such file");
    refuses("/tmp", "is no file");
    CU_ASSERT_EQUAL(mkfifo(file, 0600), 0); /* would be waited for for ever */
    refuses(file, "is no file");
    unlink(file);
}

static void keys_are_for_their_owners_eyes(void)
{
    static const mode_t open_to_others[] = {0640, 0620, 0610, 0604, 0602, 0601, 0644};
    make_file();
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        char says[32];
        put_bytes(FIRST, sizeof FIRST - 1, open_to_others[i]);
        snprintf(says, sizeof says, "has mode %04o", (unsigned)open_to_others[i]);
        refuses(file, says);
    }
    put_bytes(FIRST, sizeof FIRST - 1, 0600);
    if (geteuid() == 0) { /* only root can give a file away, and root's are everyone's */
        CU_ASSERT_EQUAL(chown(file, 4711, (gid_t)-1), 0);
        refuses(file, "is another user's (4711)");
    }
    unlink(file);
}

static void a_file_may_be_too_long(void)
{
    static char text[(32 << 10) + 1];
    make_file();
    memset(text, '#', sizeof text);
    put_bytes(text, sizeof text, 0600);
    refuses(file, "has more than 32768 bytes");
    memcpy(text, FIRST "\n", sizeof FIRST);
    put_bytes(text, sizeof text - 1, 0600);
    door_close(opened("127.0.0.1", file));
    unlink(file);
}

static void a_reload_takes_the_new_keys_or_keeps_the_old(void)
{
    make_file();
    put(FIRST "\n");
    door *d = opened("127.0.0.1", file);
    error why;
    put("short\n");
    CU_ASSERT_EQUAL(door_reload(d, &why), BAD_INPUT);
    CU_ASSERT_EQUAL(asked(d, "GET /x", "localhost", "authorization: Bearer " FIRST "\r\n", &why), 0);
    put(SECOND "\n");
    CU_ASSERT_EQUAL(asked(d, "GET /x", "localhost", "authorization: Bearer " FIRST "\r\n", &why), 0);
    CU_ASSERT_EQUAL(door_reload(d, &why), OK);
    CU_ASSERT_EQUAL(asked(d, "GET /x", "localhost", "authorization: Bearer " FIRST "\r\n", &why), 401);
    CU_ASSERT_EQUAL(asked(d, "GET /x", "localhost", "authorization: Bearer " SECOND "\r\n", &why), 0);
    door_close(d);
    unlink(file);
    d = opened("127.0.0.1", "");
    CU_ASSERT_EQUAL(door_reload(d, &why), OK);
    door_close(d);
    door_close(NULL);
}

enum { LOOPS = 3, RELOADS = 100 };
static atomic_bool ending;
static _Atomic long admitted[LOOPS], odd;
typedef struct {
    door *d;
    int i;
} visitor;

static void *visit(void *arg)
{
    visitor *v = arg;
    error why;
    while (!ending) {
        /* FIRST is in both files, SECOND in one of them: it may be either, but nothing else. */
        if (asked(v->d, "GET /x", "localhost", "authorization: Bearer " FIRST "\r\n", &why)) odd++;
        const int code = asked(v->d, "GET /x", "localhost", "authorization: Bearer " SECOND "\r\n", &why);
        if (code && code != 401) odd++;
        admitted[v->i]++;
    }
    return NULL;
}

static void keys_change_while_loops_look(void)
{
    pthread_t thread[LOOPS];
    visitor who[LOOPS];
    error why;
    make_file();
    put(FIRST "\n");
    door *d = opened("127.0.0.1", file);
    ending = false;
    for (int i = 0; i < LOOPS; i++) {
        who[i] = (visitor){d, i};
        admitted[i] = 0;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, visit, &who[i]), 0);
    }
    for (int i = 0; i < RELOADS || !admitted[0] || !admitted[1] || !admitted[2]; i++) {
        put(i % 2 ? FIRST "\n" : SECOND "\n" FIRST "\n");
        CU_ASSERT_EQUAL_FATAL(door_reload(d, &why), OK);
    }
    ending = true;
    for (int i = 0; i < LOOPS; i++) pthread_join(thread[i], NULL);
    CU_ASSERT_EQUAL(odd, 0);
    door_close(d);
    unlink(file);
}

static void the_ledger_knows_who_asked(void)
{
    static const char head[] = "POST /x HTTP/1.1\r\nhost: localhost\r\nx-operator: ada@host\r\n\r\n";
    char who[80];
    const char *malformed;
    const struct passwd *me = getpwuid(geteuid());
    call c = {.peer_uid = -1};
    CU_ASSERT_EQUAL_FATAL(http_parse_head(head, sizeof head - 1, &c.head, &malformed), 0);
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "ada@host");
    c.peer_uid = geteuid(); /* the kernel's word for it */
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, me ? me->pw_name : "");
    c.peer_uid = 3999999999;
    door_operator(&c, who);
    CU_ASSERT_STRING_EQUAL(who, "uid 3999999999");
}

void door_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, the_host_is_an_address_or_a_name_of_ours);
    CU_ADD_TEST(s, a_long_host_is_named_by_its_beginning);
    CU_ADD_TEST(s, a_long_host_is_not_cut_to_ours);
    CU_ADD_TEST(s, on_a_unix_socket_the_host_says_nothing);
    CU_ADD_TEST(s, a_post_says_who_asks);
    CU_ADD_TEST(s, each_key_of_the_file_opens_and_no_other);
    CU_ADD_TEST(s, health_needs_no_key);
    CU_ADD_TEST(s, a_file_of_keys_is_read_strictly);
    CU_ADD_TEST(s, keys_are_for_their_owners_eyes);
    CU_ADD_TEST(s, a_file_may_be_too_long);
    CU_ADD_TEST(s, a_reload_takes_the_new_keys_or_keeps_the_old);
    CU_ADD_TEST(s, keys_change_while_loops_look);
    CU_ADD_TEST(s, the_ledger_knows_who_asked);
}
