/* commands.h - what `beeline` can be told to do; each returns the process's exit status.  The table is main.c. */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H
#include "options.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

int serve_command(const options *o, const char *dir);       /* serve.c */
int embed_command(const options *o, const char *dir);       /* embed_lines.c */
int check_command(const options *o, const char *dir);       /* check.c */
int healthcheck_command(const options *o, const char *dir); /* healthcheck.c; dir is NULL */
int version_command(const options *o, const char *dir);     /* main.c; neither is used */

/* The engine's part of the options. */
struct engine;
status engine_from_options(struct engine **out, const options *o, const char *dir, error *err); /* check.c */
#endif
