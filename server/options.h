/* options.h - every setting, as one table: --help, environment variables and the lines at start walk it.
 *
 * Command line over environment (BEELINE_ and the name in capitals) over default. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H
#include <stdbool.h>
#include <stdio.h>
#include "runtime/base/status.h"

typedef struct {
    const char *listen; /* as given; host and port are its parts */
    char host[256];
    int port;
    int loops, parse_threads, threads;
    const char *backend;   /* "auto", "cpu", "cuda" */
    const char *cache_dir; /* "": none */
    const char *kernel;    /* "auto", "portable", "avx2", "avx512" */
    int batch_tokens, batch_sequences;
    const char *ops; /* as given; ops_host and ops_port are its parts */
    char ops_host[256];
    int ops_port;
    bool insecure_ops;
    const char *slo; /* as given; objective_ms and objective_ratio are its parts: "p99=100ms" is 0.99 within 100 */
    int objective_ms;
    double objective_ratio;
    int max_wait_ms;
    const char *capacity; /* a file; "": in cache_dir, by digest and device */
    const char *dump_dir;
    int max_inputs, max_body_kib, max_parsing_mib, max_connections;
    int head_ms, body_ms, idle_ms, write_stall_ms, drain_ms, batch_deadline_ms;
    bool auto_truncate;
    const char *model_name; /* "": the directory's name */
    const char *log_level;
} options;

typedef enum {
    COMMAND_SERVE = 1,
    COMMAND_EMBED = 2,
    COMMAND_CHECK = 4,
    COMMAND_HEALTHCHECK = 8,
    COMMAND_CALIBRATE = 16
} command_bit;

/* argv[0..argc) after the command.  *positional is the one argument that is no option, or NULL.  BAD_INPUT names the
 * argument and what is wanted.  Strings point into argv, the environment and the table. */
status options_read(options *out, command_bit command, int argc, char **argv, const char **positional, error *err);
void options_help(FILE *f, command_bit command); /* the options of this command, one a line */
/* One option as "name=value (from where)" into line; false when there is no option i of this command. */
bool options_line(const options *o, command_bit command, int i, char line[160]);
#endif
