#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include "server/http_listener.h"

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

void http_listener_suite(CU_pSuite s)
{
    CU_add_test(s, "a deafened listener hands over who waits, and hears nobody new",
                who_waits_is_accepted_who_comes_late_is_not_heard);
    CU_add_test(s, "a listener takes a name, and refuses an unknown one", a_name_is_resolved);
}
