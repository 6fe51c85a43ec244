/* live_server.h - a real server on a free port with a small table of routes, for tests of connections.
 *
 *   POST /echo  says its body again         GET /hello  "hello"            GET /busy    429 with Retry-After: 7
 *   POST /small the same, at most 10 bytes  GET /big    LIVE_BIG_BYTES     GET /key     401
 *   POST /wait  echoes once released        POST /openai 422, OpenAI shape GET /failed  a reply without memory
 *   GET /peer   the uid behind it       GET /named/NAME, POST /named/NAME/at/NAME (OpenAI shape): the names
 *
 * One server at a time; the counters begin at 0 with each. */
#ifndef TESTS_SUPPORT_LIVE_SERVER_H
#define TESTS_SUPPORT_LIVE_SERVER_H
#include <CUnit/CUnit.h>
#include <stdatomic.h>
#include "server/http.h"
#include "client.h"

enum { LIVE_BIG_BYTES = 16 << 20 };

extern http_server *live_server;
extern int          live_port;
extern bool         live_wakes_early;                /* /wait is woken before its run() returns */
extern bool         live_dawdles;                    /* run() of /wait goes on for 30 ms */
extern atomic_int   live_run, live_gone, live_freed; /* calls of /echo and /wait; of /wait: left, ended */
extern atomic_int   live_overlaps;                   /* finish() of /wait while one of its run() went on */
extern bool         live_gone_wakes;                 /* gone() of /wait wakes its call, as a cancelled job does */
extern atomic_int   live_ended;                      /* requests of which the end was told */
extern const char   live_hello[];                    /* a whole request */

http_limits live_limits(void);    /* generous */
void  live_start(http_limits limits);
void  live_stop(void);            /* every client must have been closed */
call_record live_told(int i);     /* the i-th that was told, i < live_ended */
int   live_parked(void);          /* calls of /wait that were not released */
void  live_release(void);         /* all of them, from a thread that is no loop's */
bool  live_serves(void);          /* a new connection gets its hello */
bool  live_answers(const char *request, const char *body); /* with 200 and this body */
char *live_repeat(char ch, size_t n);
void  live_nap(void);             /* a millisecond */

/* Waits up to ten seconds or more, no less than needed. */
#define EVENTUALLY(condition)                                                \
    do {                                                                     \
        for (int naps = 0; !(condition) && naps < 10000; naps++) live_nap(); \
        CU_ASSERT(condition);                                                \
    } while (0)
#endif
