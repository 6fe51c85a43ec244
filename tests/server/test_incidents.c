/* test_incidents.c - one open for each cause, kept through restarts and full disks, and told to who asked for it. */
#include "server/incidents.h"
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/base/log.h"
#include "server/http.h"
#include "server/incident_file.h"
#include "server/monitor.h"

static const int64_t MS = 1000000, S = 1000000000;
static const options chosen = {.objective_ms = 100, .objective_ratio = 0.99};
static char folder[64], path[320];

/* ---- a server that has no model, or one with an owner ---- */

static void run(call *c) { (void)c; }
static const route table[] = {{"POST", "/embed", run, 100, SHAPE_TEI, "computes"}};
static bool is_embed(const route *r) { return r == &table[0]; }

static void open_app(app *a)
{
    error err;
    const monitor_options o = {.loops = 1,
                               .objective_ns = 100 * MS,
                               .objective_ratio = 0.99,
                               .routes = table,
                               .n_routes = 1,
                               .computes = is_embed};
    *a = (app){.phase = APP_LOADING, .options = &chosen};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&a->monitor, o, &err), OK);
    CU_ASSERT_EQUAL_FATAL(versions_open(&a->versions, &err), OK);
}

static void device_close(backend *b) { (void)b; }
static const backend_ops device = {.name = "cpu", .close = device_close};

static void load_version(app *a, const char *team)
{
    error err;
    version *v;
    engine *e = calloc(1, sizeof *e);
    manifest *m = calloc(1, sizeof *m);
    CU_ASSERT_FATAL(e && m);
    *e = (engine){.ops = &device, .digest = "0123abcd", .manifest = *team ? m : NULL};
    snprintf(e->description.name, sizeof e->description.name, "small");
    if (!*team) free(m);
    else {
        snprintf(m->version, sizeof m->version, "1.2");
        snprintf(m->team, sizeof m->team, "%s", team);
        snprintf(m->contact, sizeof m->contact, "#%s", team);
        snprintf(m->runbook, sizeof m->runbook, "https://runbooks/%s", team);
    }
    CU_ASSERT_EQUAL_FATAL(version_new(&v, e, "/models/small", "small", NULL, &err), OK);
    versions_activate(a->versions, v);
}

static void close_app(app *a)
{
    versions_close(a->versions);
    monitor_close(a->monitor);
}

static incidents *opened(const app *a, const char *beneath, const char *url)
{
    incidents *i;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(incidents_open(&i, a, beneath, url, &err), OK);
    return i;
}

/* ---- what is in it ---- */

static cJSON *list(incidents *i)
{
    out o = {0};
    incidents_write(&o, i);
    cJSON *tree = cJSON_ParseWithLength(o.p, o.n);
    CU_ASSERT_FATAL(cJSON_IsArray(tree));
    out_free(&o);
    return tree;
}

static int size_of(incidents *i)
{
    cJSON *tree = list(i);
    const int n = cJSON_GetArraySize(tree);
    cJSON_Delete(tree);
    return n;
}

static void newest_id(incidents *i, char id[64])
{
    cJSON *tree = list(i);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree->child);
    snprintf(id, 64, "%s", cJSON_GetStringValue(cJSON_GetObjectItem(tree->child, "id")));
    cJSON_Delete(tree);
}

static cJSON *one(incidents *i, const char *id)
{
    out o = {0};
    error err;
    CU_ASSERT_EQUAL_FATAL(incident_write(&o, i, id, &err), OK);
    cJSON *tree = cJSON_ParseWithLength(o.p, o.n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    out_free(&o);
    return tree;
}

static bool is_text(const cJSON *tree, const char *name, const char *wanted)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));
    if (s && !strcmp(s, wanted)) return true;
    printf("\n    %s: %s, wanted %s", name, s ? s : "none", wanted);
    return false;
}

static int count_of(const cJSON *tree) { return (int)cJSON_GetNumberValue(cJSON_GetObjectItem(tree, "count")); }
static bool has_bundle(const cJSON *tree)
{
    return cJSON_IsArray(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "bundle"), "stages"));
}

static void resolve(incidents *i, const char *id)
{
    error err = {""};
    CU_ASSERT_EQUAL(incidents_resolve(i, id, "ada@host", "it was the cat", &err), OK);
}

/* ---- files ---- */

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/incidents/%.100s", folder, name);
    return path;
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/incidents.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static int files(void)
{
    int n = 0;
    DIR *d = opendir(in_folder(""));
    for (const struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static void remove_folder(void)
{
    DIR *d = opendir(in_folder(""));
    for (const struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') unlink(in_folder(e->d_name));
    if (d) closedir(d);
    rmdir(in_folder(""));
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void put(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(in_folder(name), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text, 1, n, f), n);
    fclose(f);
}

/* ---- claims ---- */

static void what_happens_again_is_counted(void)
{
    app a;
    char id[64];
    open_app(&a);
    load_version(&a, "search");
    incidents *i = opened(&a, "", "");
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_ROLLBACK, "p99_previous", "slower \xff than before"));
    CU_ASSERT_FALSE(incidents_report(i, CAUSE_ROLLBACK, "errors", "again"));
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_GOLDEN, "", "wrong rows"));
    CU_ASSERT_EQUAL(incidents_open_count(i), 2);
    CU_ASSERT_EQUAL(size_of(i), 2);
    cJSON *tree = list(i);
    const cJSON *older = cJSON_GetArrayItem(tree, 1);
    CU_ASSERT(is_text(tree->child, "cause", "golden"));
    CU_ASSERT(is_text(older, "cause", "rollback"));
    CU_ASSERT(is_text(older, "state", "open"));
    CU_ASSERT(is_text(older, "summary", "slower ? than before"));
    CU_ASSERT(is_text(older, "rule", "p99_previous"));
    CU_ASSERT(is_text(older, "version", "1.2"));
    CU_ASSERT(is_text(older, "digest", "0123abcd"));
    CU_ASSERT(is_text(older, "model", "small"));
    CU_ASSERT_EQUAL(count_of(older), 2);
    CU_ASSERT_PTR_NULL(cJSON_GetObjectItem(older, "bundle"));
    const cJSON *owner = cJSON_GetObjectItem(older, "owner");
    CU_ASSERT(is_text(owner, "team", "search"));
    CU_ASSERT(is_text(owner, "contact", "#search"));
    CU_ASSERT(is_text(owner, "runbook", "https://runbooks/search"));
    cJSON_Delete(tree);
    newest_id(i, id);
    CU_ASSERT(strlen(id) == strlen("20261125-090000-golden") && !strcmp(id + 15, "-golden"));
    tree = one(i, id);
    CU_ASSERT_TRUE(has_bundle(tree));
    cJSON_Delete(tree);
    incidents_close(i);
    close_app(&a);
}

static void without_a_version_or_a_manifest_there_is_no_owner(void)
{
    app a;
    open_app(&a);
    incidents *i = opened(&a, "", "");
    incidents_report(i, CAUSE_GPU_FAULT, "", "while it loads");
    load_version(&a, "");
    incidents_report(i, CAUSE_GOLDEN, "", "a plain directory");
    cJSON *tree = list(i);
    CU_ASSERT(is_text(tree->child, "version", "small"));
    CU_ASSERT(is_text(cJSON_GetObjectItem(tree->child, "owner"), "team", ""));
    CU_ASSERT(is_text(tree->child->next, "version", ""));
    CU_ASSERT(is_text(cJSON_GetObjectItem(tree->child->next, "owner"), "team", ""));
    cJSON_Delete(tree);
    incidents_close(i);
    close_app(&a);
}

static void it_is_acknowledged_and_resolved_once(void)
{
    app a;
    char id[64], note[INCIDENT_NOTE_MAX + 2];
    error err = {""};
    open_app(&a);
    incidents *i = opened(&a, "", "");
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
    newest_id(i, id);
    memset(note, 'x', sizeof note - 1);
    note[sizeof note - 1] = 0;
    CU_ASSERT_EQUAL(incidents_acknowledge(i, "20260101-000000-golden", "ada@host", &err), NOT_FOUND);
    CU_ASSERT_EQUAL(incidents_acknowledge(i, id, "ada@host", &err), OK);
    CU_ASSERT_EQUAL(incidents_acknowledge(i, id, "bob@host", &err), OK);
    CU_ASSERT_FALSE(incidents_report(i, CAUSE_GOLDEN, "", "still wrong"));
    CU_ASSERT_EQUAL(incidents_open_count(i), 1);
    CU_ASSERT_EQUAL(incidents_resolve(i, id, "ada@host", " \t\r\n", &err), BAD_INPUT);
    CU_ASSERT_EQUAL(incidents_resolve(i, id, "ada@host", note, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1025 bytes, the limit is 1024"));
    CU_ASSERT_EQUAL(incidents_resolve(i, "..", "ada@host", "it was the cat", &err), NOT_FOUND);
    CU_ASSERT_EQUAL(incidents_open_count(i), 1);
    CU_ASSERT_EQUAL(incidents_resolve(i, id, "ada@host", note + 1, &err), OK);
    CU_ASSERT_EQUAL(incidents_open_count(i), 0);
    CU_ASSERT_EQUAL(incidents_resolve(i, id, "eve@host", "no, the dog", &err), CONFLICT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "ada@host"));
    CU_ASSERT_EQUAL(incidents_acknowledge(i, id, "eve@host", &err), CONFLICT);
    cJSON *tree = one(i, id);
    CU_ASSERT(is_text(tree, "state", "resolved"));
    CU_ASSERT(is_text(tree, "acknowledged_by", "bob@host"));
    CU_ASSERT(is_text(tree, "resolved_by", "ada@host"));
    CU_ASSERT(is_text(tree, "note", note + 1));
    CU_ASSERT_TRUE(cJSON_IsString(cJSON_GetObjectItem(tree, "resolved_at")));
    CU_ASSERT_EQUAL(count_of(tree), 2);
    CU_ASSERT_TRUE(has_bundle(tree));
    cJSON_Delete(tree);
    incidents_close(i);
    close_app(&a);
}

static void no_two_have_one_name(void)
{
    app a;
    char first[64], id[64];
    open_app(&a);
    make_folder();
    incidents *i = opened(&a, folder, "");
    for (int k = 0; k < 4; k++) {
        incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
        newest_id(i, k ? id : first);
        resolve(i, k ? id : first);
    }
    CU_ASSERT_EQUAL(size_of(i), 4);
    CU_ASSERT_EQUAL(files(), 4);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

static void a_restart_changes_nothing(void)
{
    app a;
    char rows[64], fault[64];
    error err;
    open_app(&a);
    load_version(&a, "search");
    make_folder();
    incidents *i = opened(&a, folder, "");
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
    newest_id(i, rows);
    incidents_report(i, CAUSE_GPU_FAULT, "", "a fault");
    newest_id(i, fault);
    resolve(i, rows);
    CU_ASSERT_EQUAL(incidents_acknowledge(i, fault, "ada@host", &err), OK);
    incidents_report(i, CAUSE_GPU_FAULT, "", "a fault");
    cJSON *before = list(i);
    incidents_close(i);
    i = opened(&a, folder, "");
    cJSON *after = list(i);
    CU_ASSERT_TRUE(cJSON_Compare(before, after, true));
    CU_ASSERT_EQUAL(incidents_open_count(i), 1);
    CU_ASSERT_FALSE(incidents_report(i, CAUSE_GPU_FAULT, "", "a fault"));
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_GOLDEN, "", "wrong rows"));
    cJSON_Delete(before);
    cJSON_Delete(after);
    const char *const ids[] = {rows, fault};
    for (int k = 0; k < 2; k++) {
        cJSON *tree = one(i, ids[k]);
        CU_ASSERT_TRUE(has_bundle(tree));
        CU_ASSERT(is_text(cJSON_GetObjectItem(tree, "owner"), "runbook", "https://runbooks/search"));
        CU_ASSERT_EQUAL(count_of(tree), k ? 3 : 1);
        cJSON_Delete(tree);
    }
    CU_ASSERT_EQUAL(incidents_write_errors(i), 0);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

static void what_cannot_be_read_is_said_and_left(void)
{
    app a;
    char id[64], file[80], torn[200];
    struct stat st;
    open_app(&a);
    make_folder();
    incidents *i = opened(&a, folder, "");
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
    newest_id(i, id);
    incidents_close(i);
    FILE *f = fopen(in_folder(strcat(strcpy(file, id), ".json")), "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fread(torn, 1, sizeof torn, f), sizeof torn);
    fclose(f);
    put("20260101-000000-golden.json", torn, sizeof torn);
    put("README.json", "{}", 2);
    put("README", "nothing to see", 14);
    CU_ASSERT_EQUAL(mkdir(in_folder("folder.json"), 0700), 0);
    CU_ASSERT_EQUAL(mkfifo(in_folder("fifo.json"), 0600), 0); /* would be waited for for ever */
    CU_ASSERT_EQUAL(symlink("/etc/passwd", in_folder("link.json")), 0);
    const long said = log_said(LOG_ERROR);
    i = opened(&a, folder, "");
    CU_ASSERT_EQUAL(log_said(LOG_ERROR) - said, 5);
    CU_ASSERT_EQUAL(size_of(i), 1);
    CU_ASSERT(stat(in_folder("20260101-000000-golden.json"), &st) == 0 && st.st_size == sizeof torn);
    CU_ASSERT_EQUAL(files(), 7);
    incidents_close(i);
    rmdir(in_folder("folder.json"));
    close_app(&a);
    remove_folder();
}

static void nothing_that_lies_there_is_written_over(void)
{
    app a;
    char id[64], file[80];
    struct stat st;
    open_app(&a);
    make_folder();
    incidents *i = opened(&a, folder, "");
    CU_ASSERT_EQUAL(mkdir(in_folder(""), 0700), 0);
    /* Whatever the second is when it opens: the names of the next half minute are taken, by files that are none. */
    for (int k = 0; k < 30; k++) {
        struct tm utc;
        const time_t s = time(NULL) + k;
        gmtime_r(&s, &utc);
        strftime(file, sizeof file, "%Y%m%d-%H%M%S-golden.json", &utc);
        put(file, "mine", 4);
    }
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
    newest_id(i, id);
    CU_ASSERT_STRING_EQUAL(id + 15, "-golden-2");
    CU_ASSERT(stat(in_folder(strcat(strcpy(file, id), ".json")), &st) == 0 && st.st_size > 1000);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

static void a_full_disk_costs_files_and_no_incident(void)
{
    app a;
    char id[64], later[64];
    struct rlimit room, little;
    open_app(&a);
    make_folder();
    incidents *i = opened(&a, folder, "");
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &room), 0);
    little = room;
    little.rlim_cur = 200;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    const long said = log_said(LOG_ERROR);
    setrlimit(RLIMIT_FSIZE, &little);
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_GOLDEN, "", "wrong rows"));
    newest_id(i, id);
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_GPU_FAULT, "", "a fault"));
    newest_id(i, later);
    resolve(i, id);
    incidents_tick(i, 1 * S); /* the first try again */
    incidents_tick(i, 2 * S); /* too early */
    setrlimit(RLIMIT_FSIZE, &room);
    signal(SIGXFSZ, old);
    CU_ASSERT_EQUAL(incidents_write_errors(i), 5);
    CU_ASSERT_EQUAL(log_said(LOG_ERROR) - said, 1);
    CU_ASSERT_EQUAL(files(), 0);
    cJSON *tree = one(i, id);
    CU_ASSERT(is_text(tree, "state", "resolved"));
    CU_ASSERT_TRUE(has_bundle(tree));
    cJSON_Delete(tree);
    incidents_tick(i, 60 * S);
    CU_ASSERT_EQUAL(files(), 0);
    incidents_tick(i, 61 * S);
    CU_ASSERT_EQUAL(files(), 2);
    CU_ASSERT_EQUAL(incidents_write_errors(i), 5);
    incidents_close(i);
    i = opened(&a, folder, "");
    tree = one(i, id);
    CU_ASSERT(is_text(tree, "state", "resolved"));
    CU_ASSERT_TRUE(has_bundle(tree));
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(incidents_open_count(i), 1);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

static void a_folder_that_is_none_costs_no_more(void)
{
    app a;
    char place[100];
    error err = {""};
    open_app(&a);
    make_folder();
    snprintf(place, sizeof place, "%s/incidents", folder);
    FILE *f = fopen(place, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fclose(f);
    incidents *i = opened(&a, folder, "");
    CU_ASSERT_TRUE(incidents_report(i, CAUSE_GOLDEN, "", "wrong rows"));
    CU_ASSERT_EQUAL(incidents_write_errors(i), 1);
    CU_ASSERT_EQUAL(size_of(i), 1);
    CU_ASSERT_EQUAL(incidents_acknowledge(i, "x", "ada@host", &err), NOT_FOUND);
    incidents_close(i);
    unlink(place);
    close_app(&a);
    remove_folder();
}

static void the_oldest_closed_files_go(void)
{
    app a;
    enum { EXTRA = 3, ALL = INCIDENTS_KEPT + EXTRA + 2 };
    open_app(&a);
    make_folder();
    CU_ASSERT_EQUAL(mkdir(in_folder(""), 0700), 0);
    for (int k = 0; k < ALL; k++) { /* the first, the oldest, is open, and the last */
        char file[80];
        out o = {0};
        incident n = {.why = CAUSE_GOLDEN,
                      .state = k && k < ALL - 1 ? INCIDENT_RESOLVED : INCIDENT_OPEN,
                      .opened_ms = 1795597200000 + k,
                      .count = 1};
        snprintf(n.id, sizeof n.id, "20261125-090000-golden-%d", k + 1);
        snprintf(file, sizeof file, "%s.json", n.id);
        incident_document(&o, &n);
        put(file, o.p, o.n);
        out_free(&o);
    }
    incidents *i = opened(&a, folder, "");
    CU_ASSERT_EQUAL(size_of(i), INCIDENTS_KEPT + 2);
    CU_ASSERT_EQUAL(files(), INCIDENTS_KEPT + 2);
    CU_ASSERT_EQUAL(access(in_folder("20261125-090000-golden-1.json"), F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(in_folder("20261125-090000-golden-2.json"), F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(in_folder("20261125-090000-golden-4.json"), F_OK), 0);
    CU_ASSERT_EQUAL(access(in_folder("20261125-090000-golden-5.json"), F_OK), 0);
    resolve(i, "20261125-090000-golden-1"); /* still the oldest */
    CU_ASSERT_EQUAL(size_of(i), INCIDENTS_KEPT + 1);
    CU_ASSERT_NOT_EQUAL(access(in_folder("20261125-090000-golden-1.json"), F_OK), 0);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

static void memory_alone_keeps_some_bundles(void)
{
    app a;
    char ids[INCIDENTS_BUNDLES + 1][64], still_open[64];
    open_app(&a);
    incidents *i = opened(&a, "", "");
    incidents_report(i, CAUSE_GPU_FAULT, "", "a fault");
    newest_id(i, still_open);
    for (int k = 0; k <= INCIDENTS_BUNDLES; k++) {
        incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
        newest_id(i, ids[k]);
        resolve(i, ids[k]);
    }
    for (int k = -1; k <= INCIDENTS_BUNDLES; k++) {
        cJSON *tree = one(i, k < 0 ? still_open : ids[k]);
        CU_ASSERT_EQUAL(has_bundle(tree), k != 0);
        cJSON_Delete(tree);
    }
    incidents_close(i);
    close_app(&a);
}

/* ---- signs ---- */

static void pass(app *a, incidents *i, int64_t *now_ns, int seconds, int good, int bad)
{
    for (int k = 0; k < seconds; k++) {
        for (int n = 0; n < good + bad; n++) {
            call_record r = {.route = &table[0], .status = n < good ? 200 : 500};
            for (int s = 0; s <= STAGES; s++) r.times.at[s] = *now_ns - (s < STAGES ? MS : 0);
            monitor_ended(a->monitor, 0, &r);
        }
        *now_ns += S;
        monitor_tick(a->monitor, *now_ns);
        incidents_tick(i, *now_ns);
    }
}

static void a_sign_that_lasts_is_counted_once_a_minute(void)
{
    app a;
    char id[64];
    int64_t now_ns = 1000 * S;
    open_app(&a);
    incidents *i = opened(&a, "", "");
    pass(&a, i, &now_ns, 181, 1, 10);
    CU_ASSERT_EQUAL(size_of(i), 1);
    newest_id(i, id);
    cJSON *tree = one(i, id);
    CU_ASSERT(is_text(tree, "cause", "slo_burn"));
    CU_ASSERT_EQUAL(count_of(tree), 4);
    cJSON_Delete(tree);
    resolve(i, id);
    pass(&a, i, &now_ns, 300, 1, 10); /* goes on: who resolved it knows */
    CU_ASSERT_EQUAL(size_of(i), 1);
    CU_ASSERT_EQUAL(incidents_open_count(i), 0);
    pass(&a, i, &now_ns, 400, 10, 0); /* over */
    pass(&a, i, &now_ns, 100, 0, 10);
    CU_ASSERT_EQUAL(size_of(i), 2);
    CU_ASSERT_EQUAL(incidents_open_count(i), 1);
    incidents_close(i);
    close_app(&a);
}

static void refusals_open_one_of_their_own(void)
{
    app a;
    char id[64];
    int64_t now_ns = 1000 * S;
    open_app(&a);
    incidents *i = opened(&a, "", "");
    pass(&a, i, &now_ns, 1, 1, 0);
    call_record r = {.route = &table[0], .status = 422};
    for (int s = 0; s <= STAGES; s++) r.times.at[s] = now_ns;
    for (int k = 0; k < 200; k++) monitor_ended(a.monitor, 0, &r);
    pass(&a, i, &now_ns, 61, 1, 0);
    CU_ASSERT_EQUAL_FATAL(size_of(i), 1);
    newest_id(i, id);
    CU_ASSERT_STRING_EQUAL(id + 15, "-contract_violations");
    incidents_close(i);
    close_app(&a);
}

/* ---- who is told ---- */

typedef struct {
    int fd, port, told;
    cJSON *documents[8];
} listener;

static void *listen_for(void *arg)
{
    listener *l = arg;
    char *text = malloc(1 << 22);
    for (int fd; (fd = accept(l->fd, NULL, NULL)) >= 0; close(fd)) {
        size_t n = 0, wanted = 1 << 22;
        ssize_t more = 1;
        while (n < wanted && more > 0) {
            more = recv(fd, text + n, (1 << 22) - 1 - n, 0);
            if (more > 0) n += (size_t)more;
            text[n] = 0;
            const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "ontent-length: ");
            if (body && length) wanted = (size_t)(body + 4 - text) + strtoul(length + 15, NULL, 10);
        }
        const char *body = strstr(text, "\r\n\r\n");
        if (body && l->told < 8) l->documents[l->told++] = cJSON_Parse(body + 4);
        send(fd, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 57, MSG_NOSIGNAL);
    }
    free(text);
    return NULL;
}

static void who_asked_is_told_of_each_change_of_state(void)
{
    static const char *const states[] = {"open", "acknowledged", "resolved", "open"};
    app a;
    char id[64], url[64];
    error err;
    pthread_t thread;
    listener l = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    CU_ASSERT_EQUAL_FATAL(bind(l.fd, (struct sockaddr *)&at, n) || listen(l.fd, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(l.fd, (struct sockaddr *)&at, &n), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, listen_for, &l), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook", ntohs(at.sin_port));
    open_app(&a);
    incidents *i = opened(&a, "", url);
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows");
    incidents_report(i, CAUSE_GOLDEN, "", "wrong rows"); /* is only counted */
    newest_id(i, id);
    CU_ASSERT_EQUAL(incidents_acknowledge(i, id, "ada@host", &err), OK);
    resolve(i, id);
    incidents_report(i, CAUSE_GPU_FAULT, "", "a fault");
    incidents_close(i); /* with two seconds for what waits; each takes a moment */
    shutdown(l.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(l.fd);
    CU_ASSERT_EQUAL(l.told, 4);
    for (int k = 0; k < l.told; k++) {
        CU_ASSERT(is_text(l.documents[k], "state", states[k]));
        CU_ASSERT_TRUE(has_bundle(l.documents[k]));
        cJSON_Delete(l.documents[k]);
    }
    close_app(&a);
}

static void a_url_that_is_none_is_refused(void)
{
    app a;
    incidents *i;
    error err = {""};
    open_app(&a);
    CU_ASSERT_EQUAL(incidents_open(&i, &a, "", "mailto:ada", &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(i);
    close_app(&a);
}

/* ---- many threads: the sanitizers' ---- */

typedef struct {
    incidents *i;
    int number;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    for (int k = 0; k < 12; k++) {
        error err;
        char id[64];
        out o = {0};
        incidents_report(w->i, w->number & 1 ? CAUSE_GOLDEN : CAUSE_GPU_FAULT, "", "at once");
        cJSON *tree = list(w->i);
        snprintf(id, sizeof id, "%s", cJSON_GetStringValue(cJSON_GetObjectItem(tree->child, "id")));
        cJSON_Delete(tree);
        (void)!incidents_acknowledge(w->i, id, "ada@host", &err);
        (void)!incident_write(&o, w->i, id, &err);
        (void)!incidents_resolve(w->i, id, "ada@host", "done", &err);
        incidents_open_count(w->i);
        out_free(&o);
    }
    return NULL;
}

static void threads_do_not_meet_amid_a_change(void)
{
    app a;
    pthread_t threads[4];
    worker w[4];
    open_app(&a);
    load_version(&a, "search");
    make_folder();
    incidents *i = opened(&a, folder, "");
    for (int k = 0; k < 4; k++) {
        w[k] = (worker){i, k};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[k], NULL, work, &w[k]), 0);
    }
    for (int k = 0; k < 20; k++) incidents_tick(i, k * 60 * S);
    for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
    cJSON *before = list(i);
    const int open = incidents_open_count(i);
    CU_ASSERT(open >= 0 && open <= 2);
    incidents_close(i);
    i = opened(&a, folder, "");
    cJSON *after = list(i);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(before), cJSON_GetArraySize(after));
    CU_ASSERT_EQUAL(incidents_open_count(i), open);
    cJSON_Delete(before);
    cJSON_Delete(after);
    incidents_close(i);
    close_app(&a);
    remove_folder();
}

void incidents_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, what_happens_again_is_counted);
    CU_ADD_TEST(s, without_a_version_or_a_manifest_there_is_no_owner);
    CU_ADD_TEST(s, it_is_acknowledged_and_resolved_once);
    CU_ADD_TEST(s, no_two_have_one_name);
    CU_ADD_TEST(s, a_restart_changes_nothing);
    CU_ADD_TEST(s, what_cannot_be_read_is_said_and_left);
    CU_ADD_TEST(s, nothing_that_lies_there_is_written_over);
    CU_ADD_TEST(s, a_full_disk_costs_files_and_no_incident);
    CU_ADD_TEST(s, a_folder_that_is_none_costs_no_more);
    CU_ADD_TEST(s, the_oldest_closed_files_go);
    CU_ADD_TEST(s, memory_alone_keeps_some_bundles);
    CU_ADD_TEST(s, a_sign_that_lasts_is_counted_once_a_minute);
    CU_ADD_TEST(s, refusals_open_one_of_their_own);
    CU_ADD_TEST(s, who_asked_is_told_of_each_change_of_state);
    CU_ADD_TEST(s, a_url_that_is_none_is_refused);
    CU_ADD_TEST(s, threads_do_not_meet_amid_a_change);
}
