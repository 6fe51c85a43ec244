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
/* The body as a JSON object; the caller ends *tree with cJSON_Delete.  false: the call has been refused. */
bool answer_body(call *c, cJSON **tree);
/* Refuses with the HTTP status and type that belong to `why`. */
void answer_error(call *c, status why, int retry_after_s, const error *err);
/* Replies 200 with JSON. */
void answer_json(call *c, out *body, const char *headers);
#endif
