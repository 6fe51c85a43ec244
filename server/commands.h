/* commands.h - what `beeline` can be told to do; each returns the process's exit status.  The table is main.c. */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H
#include "options.h"

/* AT_ONCE: threads, or the device's driver, may never return: no exit hook is run, nothing is waited for. */
enum {
    EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_AT_ONCE = 256,
    EXIT_GPU_FAILED = EXIT_AT_ONCE | 70, /* a restart helps */
    EXIT_GPU_GONE = EXIT_AT_ONCE | 71,   /* it does not */
};

int serve_command(const options *o, const char *dir);       /* serve.c */
int embed_command(const options *o, const char *dir);       /* embed_lines.c */
int check_command(const options *o, const char *dir);       /* check.c */
int calibrate_command(const options *o, const char *dir);   /* calibrate.c */
int pack_command(const options *o, const char *dir);        /* pack.c */
int release_command(const options *o, const char *version); /* release_command.c; so are the next two */
int rollback_command(const options *o, const char *none);
int drain_command(const options *o, const char *none);
int status_command(const options *o, const char *none);     /* status_command.c */
int incidents_command(const options *o, const char *verb);  /* incidents_command.c; verb NULL: all of them */
int report_command(const options *o, const char *none);     /* report.c */
int healthcheck_command(const options *o, const char *dir); /* healthcheck.c; dir is NULL */
int version_command(const options *o, const char *dir);     /* main.c; neither is used */

/* The engine's part of the options. */
struct engine;
status engine_from_options(struct engine **out, const options *o, const char *dir, error *err); /* check.c */
/* The same beneath `root`, on the device of a server that goes on: see engine_options.beside. */
status engine_beside(struct engine **out, const options *o, const char *root, const char *name, error *err);
int    engine_refused(status why); /* the exit status when it failed; check.c */
#endif
