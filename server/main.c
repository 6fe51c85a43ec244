/* main.c - the commands, their help, and the only exit. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "build.h"
#include "commands.h"
#include "ops_routes.h"
#include "routes.h"
#include "runtime/base/log.h"

typedef struct {
    const char *name, *arguments, *what;
    command_bit bit; /* 0: takes no options */
    bool        wants_directory;
    int (*run)(const options *o, const char *dir);
} command;

static const command commands[] = {
    {"serve", "DIR", "serve the model in DIR over HTTP", COMMAND_SERVE, true, serve_command},
    {"embed", "DIR", "texts by line from stdin, vectors as JSON by line to stdout", COMMAND_EMBED, true, embed_command},
    {"check", "DIR", "load the model in DIR, run it once, say what it is", COMMAND_CHECK, true, check_command},
    {"calibrate", "DIR", "measure this machine's service times and the load at which the objective holds",
     COMMAND_CALIBRATE, true, calibrate_command},
    {"healthcheck", "", "0 when the server at --listen is ready", COMMAND_HEALTHCHECK, false, healthcheck_command},
    {"version", "", "version, commit, compiler", 0, false, version_command},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

int version_command(const options *o, const char *dir)
{
    (void)o;
    (void)dir;
    printf("beeline %s (%s, %s)\n", build_version(), build_commit(), build_flags());
    return EXIT_OK;
}

static void help(FILE *f)
{
    fprintf(f, "beeline: one transformer encoder over HTTP\n\nusage: beeline COMMAND [DIR] [options]\n\ncommands\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(f, "  %-11s %-4s %s\n", commands[i].name, commands[i].arguments, commands[i].what);
    fprintf(
        f,
        "\nDIR is a BERT model in Hugging Face layout: config.json, model.safetensors, tokenizer.json or vocab.txt.\n");
    for (int i = 0; i < COMMANDS; i++) {
        if (!commands[i].bit) continue;
        fprintf(f, "\noptions of %s [default]\n", commands[i].name);
        options_help(f, commands[i].bit);
    }
    fprintf(f, "\nEach option can be set in the environment too: BEELINE_LISTEN for --listen and so on.\n\nroutes\n");
    for (int i = 0; i < routes_count; i++)
        fprintf(f, "  %-5s%-18s %s\n", routes[i].method, routes[i].path, routes[i].what);
    fprintf(f, "\nroutes of the ops port\n");
    for (int i = 0; i < ops_routes_count; i++)
        fprintf(f, "  %-5s%-18s %s\n", ops_routes[i].method, ops_routes[i].path, ops_routes[i].what);
}

static int refuse(const char *what, const char *seen)
{
    fprintf(stderr, "beeline: %s%s%s\nbeeline --help lists commands and options.\n", what, *seen ? ": " : "", seen);
    return EXIT_USAGE;
}

static void set_log_level(const char *level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; level && i < 4; i++)
        if (!strcmp(names[i], level)) log_set_level((log_level)i);
}

static int run(const command *c, int argc, char **argv)
{
    options o = {0};
    const char *dir = NULL;
    error err;
    if (!c->bit && argc) return refuse("no arguments are taken", argv[0]);
    if (c->bit && options_read(&o, c->bit, argc, argv, &dir, &err) != OK) return refuse(err.text, "");
    if (c->wants_directory && !dir) return refuse("a model directory is wanted after", c->name);
    if (!c->wants_directory && dir) return refuse("no directory is taken", dir);
    set_log_level(o.log_level);
    return c->run(&o, dir);
}

static int command_line(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h") || (i == 1 && !strcmp(argv[i], "help"))) {
            help(stdout);
            return EXIT_OK;
        }
    if (!strcmp(argv[1], "--version")) return version_command(NULL, NULL);
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) return run(&commands[i], argc - 2, argv + 2);
    return refuse("no such command", argv[1]);
}

int main(int argc, char **argv)
{
    int code = command_line(argc, argv);
    if (code & EXIT_AT_ONCE) {
        fflush(stdout);
        _exit(code & ~EXIT_AT_ONCE);
    }
    return code;
}
