/* ledger_lines.h - reads a ledger's file line by line, in little memory however long it is.
 *
 * An empty line is nothing; one that is no JSON object, or longer than LEDGER_LINE_MAX, is skipped and counted. */
#ifndef SERVER_LEDGER_LINES_H
#define SERVER_LEDGER_LINES_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/base/json.h"
#include "runtime/base/status.h"

enum { LEDGER_LINE_MAX = 16384 };
typedef struct {
    int64_t lines, skipped;
    bool torn; /* the last one has no end */
} ledger_lines_read;
/* text[n] has no line feed; both live as long as the call. */
typedef void ledger_lines_each(void *to, const cJSON *line, const char *text, size_t n);

/* From where fd stands to its end.  IO_FAILED: what was read until then has been told. */
status ledger_lines(int fd, ledger_lines_each *each, void *to, ledger_lines_read *read, error *err);
#endif
