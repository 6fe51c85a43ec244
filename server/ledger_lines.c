/* ledger_lines.c - one buffer of the longest line; what a line leaves of it moves to the front. */
#include "ledger_lines.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const json_limits line_limits = {.depth = 2, .values = 64};

static void tell(const char *text, size_t n, ledger_lines_each *each, void *to, ledger_lines_read *seen)
{
    cJSON *line = NULL;
    error err;
    if (!n) return;
    if (json_parse(&line, text, n, line_limits, &err) == OK && cJSON_IsObject(line)) {
        seen->lines++;
        each(to, line, text, n);
    } else {
        seen->skipped++;
    }
    cJSON_Delete(line);
}

status ledger_lines(int fd, ledger_lines_each *each, void *to, ledger_lines_read *seen, error *err)
{
    char *buffer = malloc(LEDGER_LINE_MAX);
    size_t have = 0;
    bool too_long = false; /* the line that the buffer begins with began before it */
    ssize_t got = 0;
    *seen = (ledger_lines_read){0};
    if (!buffer) return fail(err, NO_MEMORY, "ledger: no memory for %d bytes", LEDGER_LINE_MAX);
    while ((got = read(fd, buffer + have, LEDGER_LINE_MAX - have)) > 0 || (got < 0 && errno == EINTR)) {
        if (got < 0) continue;
        have += (size_t)got;
        char *from = buffer;
        for (char *end; (end = memchr(from, '\n', have)); from = end + 1) {
            const size_t n = (size_t)(end - from);
            if (!too_long) tell(from, n, each, to, seen);
            too_long = false;
            have -= n + 1;
        }
        memmove(buffer, from, have);
        if (have < LEDGER_LINE_MAX) continue;
        seen->skipped += !too_long;
        too_long = true;
        have = 0;
    }
    const status rc = got < 0 ? fail(err, IO_FAILED, "ledger: %s after %lld lines", strerror(errno),
                                     (long long)(seen->lines + seen->skipped))
                              : OK;
    seen->torn = have || too_long;
    if (have && !too_long) tell(buffer, have, each, to, seen);
    free(buffer);
    return rc;
}
