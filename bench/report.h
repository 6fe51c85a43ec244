/* report.h - what a run says: a table for the terminal, and the same numbers with the machine and the command as JSON.
 *
 *   {"environment": {"processor": ..., "commit": ..., "command": ...}, "notes": ["..."],
 *    "rows": [{"table": "kernels cuda", "name": "attention ...", "warm_us": 12.3, ...}]}
 *
 * One thread.  Lines are printed as they come, so that a run that is cut off has said what it knew. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H
#include <cjson/cJSON.h>
#include "runtime/base/status.h"

typedef struct report report;
/* format: of the printed number, "%10.1f": its width is the column's. */
typedef struct { const char *key, *title, *format; int width; } report_column;

status report_open(report **out, error *err);
void   report_close(report *r); /* NULL is fine */
status report_write(const report *r, const char *file, error *err);
const cJSON *report_document(const report *r); /* the above, as it stands; the report's own */
/* A line a number, "table,name,column,value" as RFC 4180 quotes them; what was not measured has no value. */
status report_write_csv(const report *r, const char *file, error *err);

void report_fact(report *r, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void report_note(report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the head; the rows that follow have these columns, which stay the caller's. */
void report_table(report *r, const char *table, const report_column *columns, int n);
/* values [n]; NAN is "not measured": "-" in print, null in JSON. */
void report_row(report *r, const char *name, const double *values);
#endif
