#include "incident_file.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"

enum { FILE_MAX = 16 << 20, SUFFIX = sizeof ".json" - 1 };
/* A bundle has a few values for each event of each thread; 40 bytes of heap each. */
static const json_limits limits = {.depth = 12, .values = 1000000};

const char *const incident_states[INCIDENT_STATES] = {"open", "acknowledged", "resolved"};

/* The strings of a document, in its order; those of the owner are within it. */
typedef struct {
    const char *name;
    size_t at, room;
} text_row;
#define ROW(member)                                                                                                    \
    {                                                                                                                  \
#member, offsetof(incident, member), sizeof((incident *)0)->member                                             \
    }
static const text_row what_rows[] = {ROW(summary), ROW(rule), ROW(version), ROW(digest), ROW(model)};
static const text_row owner_rows[] = {ROW(team), ROW(contact), ROW(runbook)};
static const text_row who_rows[] = {ROW(acknowledged_by), ROW(resolved_by), ROW(note)};
#define ROWS(rows) rows, sizeof rows / sizeof *rows

void incident_free(incident *n)
{
    if (!n) return;
    free(n->bundle);
    free(n);
}

void incident_copy(char *to, size_t room, const char *from)
{
    size_t n = 0;
    for (size_t left = strlen(from); left;) {
        const size_t step = utf8_step((const unsigned char *)from, left), take = step ? step : 1;
        if (n + take >= room) break;
        memcpy(to + n, step ? from : "?", take);
        n += take;
        from += take;
        left -= take;
    }
    to[n] = 0;
}

/* ---- a document ---------------------------------------------------------------------------------------------------
 */

static void write_rows(out *o, const incident *n, const text_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)n + rows[i].at;
        out_format(o, rows == owner_rows && i == 0 ? "\"%s\":" : ",\"%s\":", rows[i].name);
        out_json_string(o, text, strlen(text));
    }
}

static void write_time(out *o, const char *name, int64_t ms)
{
    struct tm utc;
    char at[32];
    const time_t s = (time_t)(ms / 1000);
    if (!ms) {
        out_format(o, ",\"%s\":null", name);
        return;
    }
    gmtime_r(&s, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
    out_format(o, ",\"%s\":\"%s.%03dZ\"", name, at, (int)(ms % 1000));
}

static void write_members(out *o, const incident *n)
{
    out_format(o, "{\"id\":\"%s\",\"cause\":\"%s\",\"state\":\"%s\"", n->id, cause_names[n->why],
               incident_states[n->state]);
    write_time(o, "opened_at", n->opened_ms);
    write_time(o, "last_at", n->last_ms);
    out_format(o, ",\"count\":%lld", (long long)n->count);
    write_rows(o, n, ROWS(what_rows));
    out_text(o, ",\"owner\":{");
    write_rows(o, n, ROWS(owner_rows));
    out_text(o, "}");
    write_time(o, "acknowledged_at", n->acknowledged_ms);
    write_time(o, "resolved_at", n->resolved_ms);
    write_rows(o, n, ROWS(who_rows));
}

void incident_head(out *o, const incident *n)
{
    write_members(o, n);
    out_text(o, "}");
}

void incident_document(out *o, const incident *n)
{
    write_members(o, n);
    out_text(o, ",\"bundle\":");
    if (n->bundle) out_bytes(o, n->bundle, n->bundle_bytes);
    else out_text(o, "null");
    out_text(o, "}\n");
}

/* ---- and back -----------------------------------------------------------------------------------------------------
 */

static const char *string_of(const cJSON *tree, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, name));
    return s ? s : "";
}

static void read_rows(incident *n, const cJSON *tree, const text_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        incident_copy((char *)n + rows[i].at, rows[i].room, string_of(tree, rows[i].name));
}

int64_t incident_time_ms(const char *text)
{
    struct tm utc = {0};
    int ms;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
               &utc.tm_sec, &ms) != 7)
        return 0;
    utc.tm_year -= 1900;
    utc.tm_mon--;
    return (int64_t)timegm(&utc) * 1000 + ms;
}

static int64_t read_time(const cJSON *tree, const char *name) { return incident_time_ms(string_of(tree, name)); }

/* -1: none of them. */
static int index_of(const char *name, const char *const *names, int n)
{
    int i = n - 1;
    while (i >= 0 && strcmp(names[i], name)) i--;
    return i;
}

static status read_tree(incident *n, const cJSON *tree, error *err)
{
    const char *id = string_of(tree, "id"), *why = string_of(tree, "cause"), *how = string_of(tree, "state");
    const int cause_index = index_of(why, cause_names, CAUSES),
              state_index = index_of(how, incident_states, INCIDENT_STATES);
    const double count = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "count"));
    if (!directory_is_name(id) || strlen(id) >= sizeof n->id)
        return fail(err, MALFORMED, "\"id\" is \"%.80s\", wanted the name of an incident", id);
    if (cause_index < 0) return fail(err, MALFORMED, "\"cause\" is \"%.80s\", which is none", why);
    if (state_index < 0)
        return fail(err, MALFORMED, "\"state\" is \"%.80s\", wanted open, acknowledged or resolved", how);
    if (!(count >= 1 && count < 1e15)) return fail(err, MALFORMED, "\"count\" is %g, wanted 1 or more", count);
    snprintf(n->id, sizeof n->id, "%s", id);
    n->why = (cause)cause_index;
    n->state = (incident_state)state_index;
    n->count = (int64_t)count;
    n->opened_ms = read_time(tree, "opened_at");
    n->last_ms = read_time(tree, "last_at");
    n->acknowledged_ms = read_time(tree, "acknowledged_at");
    n->resolved_ms = read_time(tree, "resolved_at");
    if (!n->opened_ms)
        return fail(err, MALFORMED, "\"opened_at\" is \"%.40s\", wanted a time such as 2026-11-25T09:00:00.123Z",
                    string_of(tree, "opened_at"));
    read_rows(n, tree, ROWS(what_rows));
    read_rows(n, cJSON_GetObjectItemCaseSensitive(tree, "owner"), ROWS(owner_rows));
    read_rows(n, tree, ROWS(who_rows));
    const cJSON *bundle = cJSON_GetObjectItemCaseSensitive(tree, "bundle");
    if (!cJSON_IsObject(bundle)) return OK;
    n->bundle = cJSON_PrintUnformatted(bundle);
    if (!n->bundle) return fail(err, NO_MEMORY, "no memory for the bundle");
    n->bundle_bytes = strlen(n->bundle);
    return OK;
}

status incident_parse(incident **parsed, const char *text, size_t bytes, error *err)
{
    cJSON *tree = NULL;
    *parsed = NULL;
    incident *n = calloc(1, sizeof *n);
    status rc = n ? json_parse(&tree, text, bytes, limits, err) : fail(err, NO_MEMORY, "no memory for an incident");
    if (rc == OK) rc = read_tree(n, tree, err);
    cJSON_Delete(tree);
    if (rc == OK) *parsed = n;
    else incident_free(n);
    return rc;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

status incident_file_read(incident **read, const char *folder, const char *name, error *err)
{
    directory *d;
    file_bytes f = {0};
    error why;
    *read = NULL;
    status rc = directory_open(&d, folder, err);
    if (rc == OK) rc = directory_read_aside(d, name, FILE_MAX, &f, err);
    directory_close(d);
    if (rc != OK) return IO_FAILED;
    rc = incident_parse(read, f.bytes, f.size, &why);
    file_free(&f);
    if (rc != OK) return fail(err, rc, "%.80s: %.150s", name, why.text);
    const size_t n = strlen((*read)->id);
    if (!strncmp(name, (*read)->id, n) && !strcmp(name + n, ".json")) return OK;
    rc = fail(err, MALFORMED, "%.80s: it is incident %s, of another name", name, (*read)->id);
    incident_free(*read);
    *read = NULL;
    return rc;
}

static void path_of(char path[PATH_MAX], const char *folder, const incident *n)
{
    snprintf(path, PATH_MAX, "%s/%s.json", folder, n->id);
}

status incident_file_write(const char *folder, const incident *n, error *err)
{
    char path[PATH_MAX];
    out o = {0};
    if (mkdir(folder, 0700) && errno != EEXIST) return fail(err, IO_FAILED, "%.200s: %s", folder, strerror(errno));
    path_of(path, folder, n);
    incident_document(&o, n);
    const status rc =
        o.failed ? fail(err, NO_MEMORY, "%.200s: no memory to write it", path) : file_replace(path, o.p, o.n, err);
    out_free(&o);
    return rc;
}

bool incident_file_is_there(const char *folder, const incident *n)
{
    char path[PATH_MAX];
    struct stat st;
    path_of(path, folder, n);
    return lstat(path, &st) == 0;
}

void incident_file_remove(const char *folder, const incident *n)
{
    char path[PATH_MAX];
    path_of(path, folder, n);
    unlink(path);
}
