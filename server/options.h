/* options.h - every setting, as one table: --help, environment variables and the lines at start walk it.
 *
 * Command line over environment (BEELINE_ and the name in capitals) over default. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H
#include <stdbool.h>
#include <stdio.h>
#include "runtime/base/status.h"

enum { OPTIONS_WORDS = 3 };

typedef struct {
    const char *listen; /* as given; host and port are its parts */
    char host[256];
    int port;
    int loops, parse_threads, threads;
    const char *backend;   /* "auto", "cpu", "cuda" */
    const char *cache_dir; /* "": none */
    const char *kernel;    /* "auto", or as in kernels/cpu/kernels.h */
    const char *precision; /* "auto", or as in backend.h */
    int batch_tokens, batch_sequences;
    const char *ops; /* as given; ops_host and ops_port are its parts */
    char ops_host[256];
    int ops_port;
    const char *ops_unix; /* the path of --ops unix:PATH; NULL: it is host and port */
    bool insecure_ops;
    const char *ops_keys, *ops_certificate, *ops_private_key; /* files; "": none */
    const char *ops_ca;                                       /* of a client; "": plain HTTP */
    const char *state_dir, *versions_dir; /* "": none; "": the folder of DIR */
    int keep;
    const char *incident_url;
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
    /* of the other commands */
    const char *word[OPTIONS_WORDS]; /* what is no option, in order */
    int n_words;
    const char *pack_name, *pack_version, *owner, *contact, *runbook, *golden, *against;
    const char *availability; /* as given: "0.999" */
    const char *reason, *note;
    bool breaking, watch, json;
    int shadow_ms, bake_ms;
} options;

typedef enum {
    COMMAND_SERVE = 1,
    COMMAND_EMBED = 2,
    COMMAND_CHECK = 4,
    COMMAND_HEALTHCHECK = 8,
    COMMAND_CALIBRATE = 16,
    COMMAND_PACK = 32,
    COMMAND_RELEASE = 64,
    COMMAND_ROLLBACK = 128,
    COMMAND_STATUS = 256,
    COMMAND_INCIDENTS = 512,
    COMMAND_REPORT = 1024,
    COMMAND_DRAIN = 2048
} command_bit;

/* argv[0..argc) after the command.  A yes-or-no option without a word means true.  BAD_INPUT names the argument and what
 * is wanted.  Strings point into argv, the environment and the table. */
status options_read(options *out, command_bit command, int argc, char **argv, error *err);
void options_help(FILE *f, command_bit command); /* the options of this command, one a line */
/* One option as "name=value (from where)" into line; false when there is no option i of this command. */
bool options_line(const options *o, command_bit command, int i, char line[160]);
#endif
