/* small_server.h - a server of one thread for the load client, which does what it is told. */
#ifndef TESTS_SUPPORT_SMALL_SERVER_H
#define TESTS_SUPPORT_SMALL_SERVER_H
#include <pthread.h>
#include <stdbool.h>

#define SMALL_REPLY(status, fields) "HTTP/1.1 " status "\r\n" fields "content-length: 2\r\n\r\n[]"
enum { SMALL_SERVER_CLIENTS = 64, SMALL_SERVER_STALL_MS = 300 };

typedef struct {
    const char *reply;    /* to POST /embed; NULL: none */
    const char *_Atomic document; /* whole reply to any GET; NULL: none, and the connection is closed.  May change */
    bool closes;          /* after a request */
    bool halves;          /* the reply is sent in two parts */
    int stall_at;         /* holds everything up for SMALL_SERVER_STALL_MS before this answer, from 0; -1: never */
    int each_ms;          /* before every answer */
    int slower_from;      /* before every answer from this on, later_ms instead; 0: never */
    int later_ms;
    int drops; /* so many connections are closed as soon as they are there */
    int port, listener;
    _Atomic int stop, requests, documents; /* what came */
    pthread_t thread;
} small_server;

void small_server_start(small_server *s);
void small_server_stop(small_server *s);
#endif
