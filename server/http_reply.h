/* http_reply.h - the server's own lines in a reply's head, and the id of a request: pure functions on memory.
 *
 * What a request took so far, by stage, is in every reply: server-timing, in ms with three digits, and TEI's x-*-time,
 * in whole ms; where something was computed TEI's x-compute-* too.  All end when the reply's bytes are made: what the
 * kernel then takes to take them cannot be told in them. */
#ifndef SERVER_HTTP_REPLY_H
#define SERVER_HTTP_REPLY_H
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "http.h"

enum { HTTP_REPLY_LINES_MAX = 1536 };

typedef struct { time_t second; char text[40]; } http_date; /* {0}; a cache: one caller, formatted once a second */

typedef struct {
    const call_record *record; /* times: as stamped, up to STAGE_WRITE; nothing is told where STAGE_READ is not */
    size_t             body_bytes;
    bool               keep_alive;
} http_reply_facts;

/* The status line, date, content-length, connection, x-request-id and the times; no blank line.  Returns its length. */
size_t http_reply_lines(char lines[HTTP_REPLY_LINES_MAX], http_date *date, const http_reply_facts *facts);

/* The client's id when it is 1 to 71 of letters, digits and "-_.:" (it goes into logs and replies), else 16 hex digits
 * drawn from *state: ids grant nothing, they only must not repeat. */
void http_choose_id(char id[CALL_ID_MAX], http_slice given, uint64_t *state);
#endif
