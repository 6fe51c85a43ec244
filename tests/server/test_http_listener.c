#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "server/http_listener.h"
#include "tests/support/child.h"
#include "tests/support/live_server.h"

/* Begins to connect; true when that succeeds within ms. */
static bool connects(int fd, int port, int ms)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!connect(fd, (struct sockaddr *)&at, sizeof at)) return true;
    return errno == EINPROGRESS && poll(&writable, 1, ms) == 1 && !(writable.revents & (POLLERR | POLLHUP));
}

static int client_socket(void) { return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

static void who_waits_is_accepted_who_comes_late_is_not_heard(void)
{
    error err;
    int fd, port = 0, early = client_socket(), late = client_socket();
    CU_ASSERT_EQUAL_FATAL(http_listener_open(&fd, "127.0.0.1", &port, &err), OK);
    CU_ASSERT(port > 0);
    CU_ASSERT_EQUAL(http_listener_accept(fd), LISTENER_EMPTY);
    CU_ASSERT(connects(early, port, 1000));
    http_listener_deafen(fd);
    CU_ASSERT_FALSE(connects(late, port, 50));
    int accepted = http_listener_accept(fd);
    CU_ASSERT(accepted >= 0);
    CU_ASSERT_EQUAL(send(early, "x", 1, MSG_NOSIGNAL), 1); /* an established connection is heard as ever */
    char byte = 0;
    struct pollfd readable = {.fd = accepted, .events = POLLIN};
    CU_ASSERT(poll(&readable, 1, 1000) == 1 && recv(accepted, &byte, 1, 0) == 1 && byte == 'x');
    CU_ASSERT_EQUAL(http_listener_accept(fd), LISTENER_EMPTY);
    close(accepted);
    close(early);
    close(late);
    close(fd);
}

static void a_name_is_resolved(void)
{
    error err;
    int fd, port = 0;
    CU_ASSERT_EQUAL(http_listener_open(&fd, "localhost", &port, &err), OK);
    close(fd);
    CU_ASSERT_EQUAL(http_listener_open(&fd, "no.such.host.invalid", &port, &err), IO_FAILED);
    CU_ASSERT_EQUAL(fd, -1);
}

/* ---- at a path ------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/beeline-unix-XXXXXX";
static char path[64];

static void make_folder(void)
{
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
}

/* And nothing else lies in it. */
static void remove_folder(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static bool is_socket(void)
{
    struct stat what;
    return lstat(path, &what) == 0 && S_ISSOCK(what.st_mode);
}

static bool connects_to_path(void)
{
    client c;
    const bool good = client_open_unix(&c, path);
    client_close(&c);
    return good;
}

static void a_socket_is_for_its_owner(void)
{
    error err;
    struct stat what;
    int fd;
    make_folder();
    const mode_t before = umask(0);
    CU_ASSERT_EQUAL_FATAL(http_listener_open_unix(&fd, path, &err), OK);
    CU_ASSERT_EQUAL(umask(before), 0); /* it is given back */
    CU_ASSERT_EQUAL(lstat(path, &what), 0);
    CU_ASSERT(S_ISSOCK(what.st_mode));
    CU_ASSERT_EQUAL(what.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(http_listener_accept(fd), LISTENER_EMPTY);
    CU_ASSERT(connects_to_path());
    const int accepted = http_listener_accept(fd);
    CU_ASSERT(accepted >= 0);
    close(accepted);
    close(fd);
    remove_folder();
}

static void a_stale_socket_is_replaced_a_live_one_is_not(void)
{
    error err = {""};
    int first, second;
    make_folder();
    CU_ASSERT_EQUAL_FATAL(http_listener_open_unix(&first, path, &err), OK);
    CU_ASSERT_EQUAL(http_listener_open_unix(&second, path, &err), IO_FAILED);
    CU_ASSERT_EQUAL(second, -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT(connects_to_path());
    close(first); /* as a crash does: the socket stays */
    CU_ASSERT(is_socket());
    CU_ASSERT_FALSE(connects_to_path());
    CU_ASSERT_EQUAL(http_listener_open_unix(&second, path, &err), OK);
    CU_ASSERT(connects_to_path());
    close(second);
    remove_folder();
}

static void what_is_no_socket_is_left_alone(void)
{
    error err = {""};
    struct stat what;
    char elsewhere[80], text[8] = "";
    int fd;
    make_folder();
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("mine", f);
    fclose(f);
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, path, &err), IO_FAILED);
    CU_ASSERT_EQUAL(fd, -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no socket"));
    f = fopen(path, "r");
    CU_ASSERT(f && fgets(text, sizeof text, f) && !strcmp(text, "mine"));
    if (f) fclose(f);
    unlink(path);
    snprintf(elsewhere, sizeof elsewhere, "%s/stale", folder);
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, elsewhere, &err), OK);
    close(fd);
    CU_ASSERT_EQUAL(symlink(elsewhere, path), 0);
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, path, &err), IO_FAILED);
    CU_ASSERT(lstat(path, &what) == 0 && S_ISLNK(what.st_mode));
    CU_ASSERT_EQUAL(unlink(elsewhere), 0);
    snprintf(elsewhere, sizeof elsewhere, "%s/none/socket", folder);
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, elsewhere, &err), IO_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No such file"));
    remove_folder();
}

static void a_path_has_at_most_107_bytes(void)
{
    error err = {""};
    struct sockaddr_un at;
    char longest[sizeof at.sun_path + 1];
    int fd;
    make_folder();
    memset(longest, 'x', sizeof longest - 1);
    memcpy(longest, path, strlen(path));
    longest[sizeof longest - 1] = 0;
    CU_ASSERT_EQUAL(strlen(longest), 108);
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, longest, &err), IO_FAILED);
    CU_ASSERT_EQUAL(fd, -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "108 bytes, at most 107"));
    longest[107] = 0;
    CU_ASSERT_EQUAL(http_listener_open_unix(&fd, longest, &err), OK);
    CU_ASSERT_EQUAL(unlink(longest), 0);
    if (fd >= 0) close(fd);
    remove_folder();
}

static http_limits unix_limits(void)
{
    http_limits limits = live_limits();
    limits.unix_path = path;
    return limits;
}

static void says_uid(client *c, int64_t uid)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld", (long long)uid);
    client_text(c, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply r = client_read(c);
    CU_ASSERT(r.status == 200 && !strcmp(r.body, wanted));
}

static void a_call_knows_who_asks(void)
{
    client c;
    make_folder();
    live_start(unix_limits());
    CU_ASSERT_FATAL(client_open_unix(&c, path));
    says_uid(&c, geteuid());
    client_text(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    client_reply r = client_read(&c);
    CU_ASSERT(r.status == 200 && r.body_bytes == LIVE_BIG_BYTES);
    says_uid(&c, geteuid());
    client_close(&c);
    live_stop();
    remove_folder();
    live_start(live_limits());
    CU_ASSERT_FATAL(client_open(&c, live_port));
    says_uid(&c, -1);
    client_close(&c);
    live_stop();
}

/* The mode of the socket keeps others away already; here it is opened to them. */
static void ask_as_nobody(void)
{
    client c;
    if (setuid(65534) || !client_open_unix(&c, path)) _exit(1);
    _exit(client_ended(&c) ? 0 : 2);
}

static void nobody_else_is_let_in(void)
{
    char text[8];
    make_folder();
    live_start(unix_limits());
    CU_ASSERT_EQUAL(chmod(path, 0666), 0);
    CU_ASSERT_EQUAL(chmod(folder, 0755), 0);
    if (geteuid() == 0) { /* who else could become nobody */
        CU_ASSERT_EQUAL(child_run(ask_as_nobody, 30000, text, sizeof text), 0);
        CU_ASSERT_EQUAL(http_count(live_server).refused, 1);
        CU_ASSERT_EQUAL(http_count(live_server).accepted, 0);
    }
    live_stop();
    remove_folder();
}

static void a_server_removes_its_socket(void)
{
    make_folder();
    live_start(unix_limits());
    CU_ASSERT(is_socket());
    live_stop();
    CU_ASSERT_FALSE(is_socket());
    remove_folder();
}

static void a_server_that_cannot_begin_leaves_what_was_there(void)
{
    http_server *s;
    error err = {""};
    struct rlimit before, few;
    make_folder();
    live_start(unix_limits());
    CU_ASSERT_EQUAL(http_open(&s, unix_limits(), NULL, &err), IO_FAILED);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT(is_socket()); /* of the one that lives */
    live_stop();
    const int next = dup(0); /* the lowest number that is free */
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){(rlim_t)next + 1, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few); /* the socket, but no loop behind it */
    CU_ASSERT_EQUAL(http_open(&s, unix_limits(), NULL, &err), IO_FAILED);
    setrlimit(RLIMIT_NOFILE, &before);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "eventfd"));
    CU_ASSERT_FALSE(is_socket());
    remove_folder();
}

/* Whoever has connected is answered, and the path may already be somebody else's. */
static void a_drain_gives_the_path_to_a_successor(void)
{
    client c, waiting;
    http_server *before;
    make_folder();
    live_start(unix_limits());
    CU_ASSERT_FATAL(client_open_unix(&waiting, path));
    client_text(&waiting, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EVENTUALLY(live_parked() == 1);
    http_drain(live_server);
    EVENTUALLY(!is_socket());
    live_release();
    client_reply r = client_read_final(&waiting);
    CU_ASSERT(r.status == 200 && client_has(&r, "connection", "close"));
    client_close(&waiting);
    before = live_server;
    live_start(unix_limits());
    EVENTUALLY(http_idle(before));
    http_close(before);
    CU_ASSERT_FATAL(client_open_unix(&c, path));
    says_uid(&c, geteuid());
    client_close(&c);
    live_stop();
    remove_folder();
}

void http_listener_suite(CU_pSuite s)
{
    CU_add_test(s, "a deafened listener hands over who waits, and hears nobody new",
                who_waits_is_accepted_who_comes_late_is_not_heard);
    CU_add_test(s, "a listener takes a name, and refuses an unknown one", a_name_is_resolved);
    CU_add_test(s, "a socket at a path has mode 0600", a_socket_is_for_its_owner);
    CU_add_test(s, "a stale socket is replaced, a live one is not", a_stale_socket_is_replaced_a_live_one_is_not);
    CU_add_test(s, "what is no socket is refused, and left alone", what_is_no_socket_is_left_alone);
    CU_add_test(s, "a path has at most 107 bytes", a_path_has_at_most_107_bytes);
    CU_add_test(s, "a call knows the uid behind a unix socket, and none behind TCP", a_call_knows_who_asks);
    CU_add_test(s, "another user is not let in", nobody_else_is_let_in);
    CU_add_test(s, "a server removes its socket when it closes", a_server_removes_its_socket);
    CU_add_test(s, "a server that cannot begin removes its socket, and nobody else's",
                a_server_that_cannot_begin_leaves_what_was_there);
    CU_add_test(s, "a drain gives the path to a successor", a_drain_gives_the_path_to_a_successor);
}
