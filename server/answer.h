/* answer.h - what all handlers do alike: take a JSON body, say no by status, time what they did. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "app.h"
#include "http.h"

static inline app *app_of(const call *c) { return c->app; }

/* How the caller wants to be served: x-deadline-ms, counted from the first byte of the request, and x-priority. */
typedef struct {
    int64_t deadline_ns; /* INT64_MAX: none */
    lane    lane;
} answer_terms;
/* false: the call has been refused with 400. */
bool answer_read_terms(call *c, answer_terms *terms);
/* OK, or EXPIRED: the deadline had passed at now_ns. */
status answer_in_time(const call *c, const answer_terms *terms, int64_t now_ns, error *err);

/* The version that answers this call, to its end: the caller gives it back with versions_release().  NULL: none is there,
 * and the call has been refused with 503. */
version *answer_version(call *c);
/* The body as a JSON object; the caller ends *tree with cJSON_Delete.  false: the call has been refused. */
bool answer_body(call *c, cJSON **tree);
/* Refuses with the HTTP status and type that belong to `why`. */
void answer_error(call *c, status why, int retry_after_s, const error *err);
/* The same for what the queue never took, which the flight recorder hears too.  wait_ns: as predicted; 0: nobody did. */
void answer_turned_away(call *c, status why, int retry_after_s, int64_t wait_ns, const error *err);
/* Replies 200 with JSON. */
void answer_json(call *c, out *body, const char *headers);
#endif
