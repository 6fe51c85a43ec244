/* answer.h - what all handlers do alike: take a JSON body, say no by status, time what they did. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "app.h"
#include "http.h"

static inline app *app_of(const call *c) { return c->app; }

/* The engine is there and takes requests; else the call has been refused with 503. */
bool answer_ready(call *c);
/* What the client said of its patience: x-priority, and x-deadline-ms, the time that it still had when the request's
 * first byte was seen (at most an hour counts).  *deadline_ns is INT64_MAX without one.  false: nonsense, or the deadline
 * has passed: the call has been refused. */
bool answer_patience(call *c, lane *of, int64_t *deadline_ns);
/* The body as a JSON object; the caller ends *tree with cJSON_Delete.  false: the call has been refused. */
bool answer_body(call *c, cJSON **tree);
/* Refuses with the HTTP status and type that belong to `why`. */
void answer_error(call *c, status why, int retry_after_s, const error *err);
/* Replies 200 with JSON. */
void answer_json(call *c, out *body, const char *headers);
#endif
