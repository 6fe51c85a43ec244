/* incidents_command.c - `beeline incidents`: what went wrong, who looks at it, and what it was. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "commands.h"
#include "incidents_text.h"
#include "ops_client.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"

typedef void render(out *o, const cJSON *tree, double now_unix_s);

static void say_state(out *o, const cJSON *tree, double now_unix_s)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "id"));
    const char *now = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "state"));
    (void)now_unix_s;
    out_format(o, "%s is %s\n", id ? id : "it", now ? now : "changed");
}

static int ask(const options *o, const char *method, const char *target, const char *body, render *as)
{
    int code;
    error err;
    out answer = {0}, text = {0};
    cJSON *tree = NULL;
    status rc = ops_ask(o, method, target, body, &code, &answer, &err);
    if (rc == OK) rc = json_parse(&tree, answer.p, answer.n, (json_limits){16, 1000000}, &err);
    if (rc == OK && o->json) out_bytes(&text, answer.p, answer.n);
    else if (rc == OK) as(&text, tree, (double)time(NULL));
    if (rc == OK && text.failed) rc = fail(&err, NO_MEMORY, "no memory for the text");
    if (rc == OK) fwrite(text.p, 1, text.n, stdout);
    else fprintf(stderr, "beeline: %s\n", err.text);
    cJSON_Delete(tree);
    out_free(&text);
    out_free(&answer);
    return rc == OK ? EXIT_OK : EXIT_REFUSED;
}

static int usage(const char *what)
{
    fprintf(stderr, "beeline: %s\nusage: beeline incidents [show ID | ack ID | resolve ID --note TEXT] [--json]\n",
            what);
    return EXIT_USAGE;
}

static int resolve(const options *o, const char *target)
{
    out body = {0};
    if (!*o->note) return usage("--note TEXT is wanted: what it was");
    out_text(&body, "{\"note\":");
    out_json_string(&body, o->note, strlen(o->note));
    out_bytes(&body, "}", sizeof "}");
    if (body.failed) fprintf(stderr, "beeline: no memory for the note\n");
    const int code = body.failed ? EXIT_REFUSED : ask(o, "POST", target, body.p, say_state);
    out_free(&body);
    return code;
}

int incidents_command(const options *o, const char *verb)
{
    char target[160];
    if (!verb) return ask(o, "GET", "/admin/incidents", NULL, incidents_text);
    const char *id = o->n_words > 1 ? o->word[1] : "";
    const bool is_ack = !strcmp(verb, "ack"), is_resolve = !strcmp(verb, "resolve");
    if (!is_ack && !is_resolve && strcmp(verb, "show")) return usage("show, ack or resolve is wanted after incidents");
    if (o->n_words > 2) return usage("one word too many");
    if (!directory_is_name(id)) return usage("the ID of an incident is wanted: beeline incidents lists them");
    snprintf(target, sizeof target, "/admin/incidents/%s%s", id, is_ack ? "/ack" : is_resolve ? "/resolve" : "");
    if (is_resolve) return resolve(o, target);
    return is_ack ? ask(o, "POST", target, NULL, say_state) : ask(o, "GET", target, NULL, incident_text);
}
