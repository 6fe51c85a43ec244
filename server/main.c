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
    command_bit bit;  /* 0: takes no options */
    int words, extra; /* that it needs, and that it may have besides */
    const char *wanted;
    int (*run)(const options *o, const char *first_word);
} command;

static const char DIRECTORY[] = "a model directory", VERSION[] = "the name of a version's directory";
static const command commands[] = {
    {"serve", "DIR", "serve the model in DIR over HTTP", COMMAND_SERVE, 1, 0, DIRECTORY, serve_command},
    {"embed", "DIR", "texts by line from stdin, vectors as JSON by line to stdout", COMMAND_EMBED, 1, 0, DIRECTORY,
     embed_command},
    {"check", "DIR", "load the model in DIR, run it, say what it is, and whether it is what its manifest says",
     COMMAND_CHECK, 1, 0, DIRECTORY, check_command},
    {"pack", "DIR", "write DIR's manifest, beeline.json: what it is, whose it is, how to know that it is right",
     COMMAND_PACK, 1, 0, DIRECTORY, pack_command},
    {"calibrate", "DIR", "measure this machine's service times and the load at which the objective holds",
     COMMAND_CALIBRATE, 1, 0, DIRECTORY, calibrate_command},
    {"release", "VERSION", "let another version answer, step by step", COMMAND_RELEASE, 1, 0, VERSION, release_command},
    {"rollback", "", "let the previous version answer again, at once", COMMAND_ROLLBACK, 0, 0, "", rollback_command},
    {"drain", "", "answer what has come, and end", COMMAND_DRAIN, 0, 0, "", drain_command},
    {"status", "", "how the server is, on one screen", COMMAND_STATUS, 0, 0, "", status_command},
    {"incidents", "[show|ack|resolve ID]", "what went wrong", COMMAND_INCIDENTS, 0, 2, "", incidents_command},
    {"report", "", "where releases and incidents hurt, once or more often", COMMAND_REPORT, 0, 0, "", report_command},
    {"healthcheck", "", "0 when the server at --listen is ready", COMMAND_HEALTHCHECK, 0, 0, "", healthcheck_command},
    {"version", "", "version, commit, compiler", 0, 0, 0, "", version_command},
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
    fprintf(f, "beeline: one transformer encoder over HTTP\n\nusage: beeline COMMAND [WORDS] [options]\n\ncommands\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(f, "  %-9s %-21s %s\n", commands[i].name, commands[i].arguments, commands[i].what);
    fprintf(
        f,
        "\nDIR is a BERT model in Hugging Face layout: config.json, model.safetensors, tokenizer.json or vocab.txt.\n"
        "VERSION is the name of such a directory beneath --versions, packed.\n");
    for (int i = 0; i < COMMANDS; i++) {
        if (!commands[i].bit) continue;
        fprintf(f, "\noptions of %s [default]\n", commands[i].name);
        options_help(f, commands[i].bit);
    }
    fprintf(f, "\nEach option can be set in the environment too: BEELINE_LISTEN for --listen and so on.\n\nroutes\n");
    for (int i = 0; i < routes_count; i++)
        fprintf(f, "  %-5s%-32s %s\n", routes[i].method, routes[i].path, routes[i].what);
    fprintf(f, "\nroutes of the ops port\n");
    for (int i = 0; i < ops_routes_count; i++)
        fprintf(f, "  %-5s%-32s %s\n", ops_routes[i].method, ops_routes[i].path, ops_routes[i].what);
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
    error err;
    char wanted[96];
    if (!c->bit && argc) return refuse("no arguments are taken", argv[0]);
    if (c->bit && options_read(&o, c->bit, argc, argv, &err) != OK) return refuse(err.text, "");
    snprintf(wanted, sizeof wanted, "%s is wanted after", c->wanted);
    if (o.n_words < c->words) return refuse(wanted, c->name);
    if (o.n_words > c->words + c->extra) return refuse("one word too many", o.word[c->words + c->extra]);
    set_log_level(o.log_level);
    return c->run(&o, o.word[0]);
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
