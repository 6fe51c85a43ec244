/* status_command.c - `beeline status`: how the server is, on one screen; with --watch again every second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "commands.h"
#include "ops_client.h"
#include "runtime/base/json.h"
#include "status_text.h"

static const char CLEAR[] = "\033[H\033[J";

static status show(const options *o, const char *before, error *err)
{
    int code;
    out answer = {0}, text = {0};
    cJSON *tree = NULL;
    status rc = ops_ask(o, "GET", "/console/state", NULL, &code, &answer, err);
    if (rc == OK) rc = json_parse(&tree, answer.p, answer.n, (json_limits){16, 100000}, err);
    if (rc == OK && o->json) out_bytes(&text, answer.p, answer.n);
    else if (rc == OK) status_text(&text, tree, o->ops);
    if (rc == OK && text.failed) rc = fail(err, NO_MEMORY, "no memory for the screen");
    if (rc == OK) {
        fputs(before, stdout);
        fwrite(text.p, 1, text.n, stdout);
        fflush(stdout);
    }
    cJSON_Delete(tree);
    out_free(&text);
    out_free(&answer);
    return rc;
}

/* While it is watched a server that is not there may come back. */
int status_command(const options *o, const char *none)
{
    error err;
    const char *before = isatty(STDOUT_FILENO) && !o->json && o->watch ? CLEAR : "";
    (void)none;
    for (;;) {
        const status rc = show(o, before, &err);
        if (rc != OK) fprintf(stderr, "%sbeeline: %s\n", o->watch ? before : "", err.text);
        if (!o->watch) return rc == OK ? EXIT_OK : EXIT_REFUSED;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}
