/* routes.h - everything this server answers, as one table; and who answers a request line. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H
#include <stdbool.h>
#include <stddef.h>
#include "http_parse.h"

struct call; /* http.h */
typedef enum { SHAPE_TEI, SHAPE_OPENAI } error_shape; /* how this route says no: wire.md, "Errors" */

typedef struct {
    /* A part of the path that is '*' stands for any of ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$: at most two. */
    const char *method, *path;
    /* Runs on the call's loop or, for a body above 16 KiB, on a parse thread.  Ends with call_reply*() or, after it has
     * handed the call to someone who will call_wake() it, with nothing. */
    void (*run)(struct call *c);
    size_t      body_limit; /* bytes; 0: a body is consumed and ignored, up to 16 KiB */
    error_shape shape;
    const char *what;       /* for --help, README and 404 */
} route;

extern const route routes[];
extern const int   routes_count;
bool routes_compute(const route *r); /* does it put work on the device?  The SLO is about those */

/* Is `path` one of the route's?  Then wildcard[] holds what its '*'s stand for, as slices of `path`; else it is unspecified. */
bool route_matches(const route *r, http_slice path, http_slice wildcard[2]);
/* A path that is spelled out wins over one with a '*'.  The route, or NULL with *status 404, 405 or 501 and *allow the methods of the path (for 405).  HEAD finds GET. */
const route *route_find(const route *table, int n, http_slice method, http_slice path, int *status, char allow[64]);
#endif
