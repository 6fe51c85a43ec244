/* scripted_server.h - a server whose answers are bytes of the test, whatever it is asked.
 *
 * A thread takes one connection after the other: it reads a whole request, writes the next answer and closes.  What
 * cannot be done ends the test. */
#ifndef TESTS_SUPPORT_SCRIPTED_SERVER_H
#define TESTS_SUPPORT_SCRIPTED_SERVER_H
#include <stdbool.h>

typedef struct scripted_server scripted_server;
typedef struct {
    const char *const *answers; /* NULL-ended: to the first request, to the second ...; the last again and again */
    const char *unix_path;      /* a socket there; NULL: a free port of 127.0.0.1 */
    const char *certificate, *private_key; /* PEM files: TLS; NULL: plain */
    bool silent;                /* says nothing until scripted_speak(); not with TLS */
    bool breaks_off;            /* ends TLS without saying so */
    int drip_ms;                /* a byte at a time, with such pauses */
} script;

scripted_server *scripted_open(script s);
void scripted_close(scripted_server *s);
void scripted_speak(scripted_server *s);
int  scripted_port(const scripted_server *s);
int  scripted_asked(scripted_server *s); /* whole requests so far */
int  scripted_left(scripted_server *s);  /* clients that went before the server spoke */
/* The i-th request, head and body, when it is there within half a minute; it lives as long as the server. */
const char *scripted_request(scripted_server *s, int i);
/* When it was read whole, clock_ns(). */
long long scripted_asked_ns(scripted_server *s, int i);
#endif
