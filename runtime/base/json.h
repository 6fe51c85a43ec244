/* json.h - the one door through which foreign JSON reaches cJSON: requests, config files, headers of weights.
 *
 * cJSON takes more than RFC 8259 allows, and cuts a string at an escaped NUL without a word.  So every byte is
 * checked before cJSON sees it (UTF-8, control characters, escaped NUL, lone surrogates, depth, number of values,
 * the grammar of numbers and literals, blanks) and the end of the document after.
 * Replies do not pass here: they are written straight into the output buffer.
 * Any thread; a tree belongs to its caller. */
#ifndef RUNTIME_BASE_JSON_H
#define RUNTIME_BASE_JSON_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include "status.h"

/* values: cJSON takes about 40 bytes of heap per byte of "[0,0,0...", so a body limit alone bounds no memory. */
typedef struct { int depth, values; } json_limits;

/* MALFORMED with the reason and its byte; else the caller ends *out with cJSON_Delete. */
status json_parse(cJSON **out, const char *text, size_t bytes, json_limits limits, error *err);

/* The member `name` of `object`, exactly that case.  NULL if absent; MALFORMED if it occurs twice, because readers
 * disagree about which one counts. */
status json_member(cJSON **out, const cJSON *object, const char *name, error *err);

/* Optional members with a type: absent or null leaves *out as it is (the default); a wrong type is BAD_INPUT with
 * the type seen.  Integers must be whole and within [low, high]. */
status json_bool(bool *out, const cJSON *object, const char *name, error *err);
status json_int(int *out, const cJSON *object, const char *name, int low, int high, error *err);
status json_string(const char **out, const cJSON *object, const char *name, error *err);

/* OK: an object with each of these members, none of them null, and no other.  BAD_INPUT names the first that is not so:
 * a misspelled member would silently have no effect. */
status json_exactly(const cJSON *object, const char *const *names, int n, error *err);

const char *json_type_name(const cJSON *v); /* "object", "string", ... for messages */
#endif
