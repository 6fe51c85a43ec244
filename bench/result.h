/* result.h - what a bench has said, as report.h writes it: read from a file of --json, or in memory.
 *
 * A file is foreign: it is held to its form and to bounds before anything walks it.  A row is a table's name, its own,
 * and values by column; a value that is null, or no number, was not measured.  One thread. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H
#include <cjson/cJSON.h>
#include "runtime/base/status.h"

enum { RESULT_BYTES_MAX = 16 << 20, RESULT_VALUES_MAX = 400000, RESULT_DEPTH_MAX = 8 };

typedef struct {
    const char *name; /* of the file or the run; the caller's */
    const cJSON *environment, *notes, *rows;
    cJSON *own; /* the tree of a file; NULL: it is the caller's */
} result;

/* The error names the file: IO_FAILED, MALFORMED, BAD_INPUT. */
status result_read(result *out, const char *file, error *err);
/* BAD_INPUT when `document` is no result.  It stays the caller's, and must stay. */
status result_view(result *out, const char *name, const cJSON *document, error *err);
void result_close(result *r); /* a zero one is fine */

/* The table's first row for `after` NULL, then the row after that; NULL: no more. */
const cJSON *result_next(const result *r, const char *table, const cJSON *after);
/* The table's row of that name; NULL: there is none. */
const cJSON *result_row(const result *r, const char *table, const char *name);
int result_rows(const result *r, const char *table);

const char *result_text(const cJSON *row, const char *column); /* "table" and "name" are always there; else NULL */
double result_number(const cJSON *row, const char *column);    /* NAN: not measured, or row is NULL */
const char *result_fact(const result *r, const char *name);    /* of the environment; NULL: it does not say */
#endif
