/* log.h - one line an event on stderr: a JSON object, or plain text when stderr is a terminal.
 *
 * Never a request's text.  Never blocks: a line that a full or closed stderr does not take at once is dropped and
 * counted.  Any thread; a line is one write. */
#ifndef RUNTIME_BASE_LOG_H
#define RUNTIME_BASE_LOG_H

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS } log_level;
extern const char *const log_level_names[LOG_LEVELS]; /* "debug", ... */

void log_set_level(log_level least); /* default LOG_INFO */
/* Whose it is, on every warning and error from now on: each cut to 120 bytes.  team "": nobody's, nothing is added. */
void log_set_owner(const char *team, const char *contact, const char *runbook);
/* event: a short fixed name ("ready", "request"); the rest is the human part. */
void log_line(log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
long log_said(log_level level); /* lines of this level since the start, with those that were dropped */
long log_dropped(void);
#endif
