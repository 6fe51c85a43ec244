/* release_command.c - `beeline release`, `rollback` and `drain`: an order by the ops port, and how it goes.
 *
 * The server does the work: who goes away, with Ctrl-C, leaves a release going on. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "commands.h"
#include "ops_client.h"
#include "release_text.h"
#include "runtime/base/json.h"

enum { LOOK_MS = 100 };
static const char CLEAR_LINE[] = "\r\033[K";

static int say_no(const error *err)
{
    fprintf(stderr, "beeline: %s\n", err->text);
    return EXIT_REFUSED;
}

/* *tree is the caller's. */
static status ask(const options *o, const char *method, const char *target, const char *body, cJSON **tree, error *err)
{
    int code;
    out answer = {0};
    *tree = NULL;
    status rc = ops_ask(o, method, target, body, &code, &answer, err);
    if (rc == OK) rc = json_parse(tree, answer.p, answer.n, (json_limits){16, 10000}, err);
    out_free(&answer);
    return rc;
}

static void append_member(out *body, const char *name, const char *value)
{
    out_format(body, "\"%s\":", name);
    out_json_string(body, value, strlen(value));
}

static status order(const options *o, const char *version, int64_t *number, error *err)
{
    out body = {0};
    cJSON *tree = NULL;
    int given = 0;
    out_text(&body, "{");
    append_member(&body, "version", version);
    out_text(&body, ",");
    append_member(&body, "reason", o->reason);
    out_format(&body, ",\"breaking\":%s,\"shadow_s\":%d,\"bake_s\":%d}", o->breaking ? "true" : "false",
               o->shadow_ms / 1000, o->bake_ms / 1000);
    out_bytes(&body, "", 1);
    status rc = body.failed ? fail(err, NO_MEMORY, "no memory for an order") : OK;
    if (rc == OK) rc = ask(o, "POST", "/admin/release", body.p, &tree, err);
    if (rc == OK) rc = json_int(&given, tree, "number", 1, INT32_MAX, err);
    *number = given;
    cJSON_Delete(tree);
    out_free(&body);
    return rc;
}

static void print(const out *text, FILE *f)
{
    if (text->n && !text->failed) fwrite(text->p, 1, text->n, f);
    fflush(f);
}

/* One look: what has ended is printed for good, what goes on in one line that is written over. */
static void show(const cJSON *release, const char *state, int *told, bool *ruled)
{
    const bool terminal = isatty(STDOUT_FILENO);
    out text = {0};
    if (terminal) out_text(&text, CLEAR_LINE);
    release_text_steps(&text, release, told);
    const size_t before = text.n;
    if (!*ruled) release_text_rules(&text, release);
    *ruled = *ruled || text.n > before;
    if (terminal && !strcmp(state, "running")) release_text_progress(&text, release);
    print(&text, stdout);
    out_free(&text);
}

static int end_of(const cJSON *release, const char *state, const char *version)
{
    out reason = {0};
    if (!strcmp(state, "done")) {
        printf("%s answers\n", version);
        return EXIT_OK;
    }
    const char *how = !strcmp(state, "refused")  ? "was refused"
                      : !strcmp(state, "failed") ? "failed"
                                                 : "was rolled back";
    release_text_reason(&reason, release);
    if (!reason.n) out_text(&reason, "the ledger says more");
    fprintf(stderr, "beeline: %s %s: %.*s\n", version, how, (int)reason.n, reason.n ? reason.p : "");
    out_free(&reason);
    return EXIT_REFUSED;
}

/* The release goes on, whatever became of us. */
static int leave(int64_t number, const char *why)
{
    if (isatty(STDOUT_FILENO)) putchar('\n');
    fprintf(stderr, "beeline: release %lld goes on where it is, and beeline status tells how: %s\n", (long long)number,
            why);
    return EXIT_REFUSED;
}

/* Looks until it has ended, or one of `signals`, which are blocked, comes. */
static int follow(const options *o, const char *version, int64_t number, const sigset_t *signals)
{
    error err;
    int code = -1, told = 0;
    bool ruled = false;
    while (code < 0) {
        cJSON *release;
        if (ask(o, "GET", "/admin/release", NULL, &release, &err) != OK) return leave(number, err.text);
        const char *state = release_text_state(release, number);
        if (*state) show(release, state, &told, &ruled);
        if (!*state) {
            fprintf(stderr, "beeline: another release has begun since; the ledger says how %lld ended\n",
                    (long long)number);
            code = EXIT_REFUSED;
        } else if (strcmp(state, "running")) {
            code = end_of(release, state, version);
        } else if (sigtimedwait(signals, NULL, &(struct timespec){.tv_nsec = LOOK_MS * 1000000L}) > 0) {
            code = leave(number, "interrupted");
        }
        cJSON_Delete(release);
    }
    return code;
}

/* Rounded, either would be none at all. */
static bool whole_seconds(const char *name, int ms)
{
    if (ms % 1000) fprintf(stderr, "beeline: %s is %d ms, wanted whole seconds\n", name, ms);
    return ms % 1000 == 0;
}

static bool has_reason(const options *o)
{
    if (!*o->reason) fprintf(stderr, "beeline: --reason is missing: why, for the ledger\n");
    return *o->reason;
}

int release_command(const options *o, const char *version)
{
    error err;
    int64_t number;
    sigset_t signals, before;
    if (!has_reason(o) || !whole_seconds("--shadow", o->shadow_ms) || !whole_seconds("--bake", o->bake_ms))
        return EXIT_USAGE;
    if (order(o, version, &number, &err) != OK) return say_no(&err);
    printf("release %lld of %s, which goes on when this ends\n", (long long)number, version);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    const int code = follow(o, version, number, &signals);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

int rollback_command(const options *o, const char *none)
{
    error err;
    cJSON *tree;
    out body = {0};
    (void)none;
    if (!has_reason(o)) return EXIT_USAGE;
    out_text(&body, "{");
    append_member(&body, "reason", o->reason);
    out_text(&body, "}");
    out_bytes(&body, "", 1);
    status rc = body.failed ? fail(&err, NO_MEMORY, "no memory for an order") : OK;
    if (rc == OK) rc = ask(o, "POST", "/admin/rollback", body.p, &tree, &err);
    out_free(&body);
    if (rc != OK) return say_no(&err);
    const char *version = NULL, *previous = NULL;
    if (json_string(&version, tree, "version", &err) == OK && json_string(&previous, tree, "previous", &err) == OK)
        printf("%s answers again, switched in %.3f ms; before it %s did\n", version ? version : "",
               cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "ms")), previous ? previous : "");
    cJSON_Delete(tree);
    return EXIT_OK;
}

int drain_command(const options *o, const char *none)
{
    error err;
    cJSON *tree;
    (void)none;
    if (ask(o, "POST", "/admin/drain", "{}", &tree, &err) != OK) return say_no(&err);
    cJSON_Delete(tree);
    printf("draining: what has come is answered, then the server ends\n");
    return EXIT_OK;
}
