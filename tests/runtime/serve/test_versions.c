/* test_versions.c - who answers after each switch, and who is closed when: of engines whose device counts its end. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/serve/capacity.h"
#include "runtime/serve/versions.h"

enum { MANY = 512, HOLDERS = 3, SWITCHES = 300 };

struct backend {
    atomic_int closed;
};
static backend devices[MANY];
static int n_devices;

static void device_close(backend *b) { atomic_fetch_add(&b->closed, 1); }
static const backend_ops ops = {.name = "counted", .close = device_close};

static versions *vs;
static error err;

static engine *make_engine(void)
{
    engine *e = calloc(1, sizeof *e);
    CU_ASSERT_FATAL(e && n_devices < MANY);
    e->ops = &ops;
    e->device = &devices[n_devices++];
    strcpy(e->description.name, "directory");
    return e;
}

static version *make(const char *path)
{
    version *v;
    CU_ASSERT_EQUAL_FATAL(version_new(&v, make_engine(), path, "", NULL, &err), OK);
    return v;
}

/* Of a version that may have been freed. */
static const backend *device_of(const version *v) { return v->engine->device; }
static int closed(const backend *b) { return atomic_load(&b->closed); }

static void open_empty(void)
{
    memset(devices, 0, sizeof devices);
    n_devices = 0;
    CU_ASSERT_EQUAL_FATAL(versions_open(&vs, &err), OK);
}

/* Opened, and `n` of them activated in this order, each settled but for the last. */
static void open_with(version **v, int n)
{
    open_empty();
    for (int i = 0; i < n; i++) {
        versions_settle(vs);
        versions_activate(vs, v[i] = make("one"));
    }
}

static void close_all(void)
{
    versions_close(vs);
    for (int i = 0; i < n_devices; i++) CU_ASSERT_EQUAL(closed(&devices[i]), 1);
}

/* Who answers, and who did before; NULL: nobody. */
static bool are(const version *active, const version *previous)
{
    version *a = versions_acquire(vs), *p = versions_acquire_previous(vs);
    versions_release(vs, p);
    versions_release(vs, a);
    return a == active && p == previous;
}

/* ---- switches ---- */

static void nobody_answers_at_first(void)
{
    open_empty();
    CU_ASSERT(are(NULL, NULL));
    CU_ASSERT_EQUAL(versions_rollback(vs, &err), NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no previous version is loaded"));
    err.text[0] = 0;
    CU_ASSERT_EQUAL(versions_revert(vs, &err), NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no previous version is loaded"));
    versions_settle(vs);
    versions_drop_previous(vs);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    versions_release(vs, NULL);
    version_free(NULL);
    close_all();
    versions_close(NULL);
}

static void the_first_has_none_to_go_back_to(void)
{
    version *v[1];
    open_with(v, 1);
    CU_ASSERT(are(v[0], NULL));
    CU_ASSERT(v[0]->since_unix_s > 1600000000 && v[0]->since_ns > 0);
    CU_ASSERT_EQUAL(versions_rollback(vs, &err), NOT_FOUND);
    CU_ASSERT_EQUAL(versions_revert(vs, &err), NOT_FOUND);
    CU_ASSERT(are(v[0], NULL));
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(device_of(v[0])), 0);
    close_all();
}

static void in_a_bake_three_are_loaded(void)
{
    version *v[3];
    open_with(v, 3);
    CU_ASSERT(are(v[2], v[1]));
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(closed(&devices[i]), 0);
    close_all();
}

static void a_bake_that_is_settled_leaves_two(void)
{
    version *v[3];
    open_with(v, 3);
    versions_settle(vs);
    CU_ASSERT_EQUAL(closed(&devices[0]), 0); /* reap()'s work */
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(&devices[0]), 1);
    CU_ASSERT_EQUAL(closed(&devices[1]) + closed(&devices[2]), 0);
    CU_ASSERT(are(v[2], v[1]));
    versions_settle(vs);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT(are(v[2], v[1]));
    close_all();
}

static void a_bake_that_failed_is_as_if_it_had_not_been(void)
{
    version *v[3];
    open_with(v, 3);
    v[1]->since_ns = v[1]->since_unix_s = 0;
    CU_ASSERT_EQUAL(versions_revert(vs, &err), OK);
    CU_ASSERT(are(v[1], v[0]));
    CU_ASSERT(v[1]->since_ns > 0 && v[1]->since_unix_s > 0);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(&devices[2]), 1);
    CU_ASSERT_EQUAL(closed(&devices[0]) + closed(&devices[1]), 0);
    CU_ASSERT_EQUAL(versions_revert(vs, &err), OK);
    CU_ASSERT(are(v[0], NULL));
    CU_ASSERT_EQUAL(versions_revert(vs, &err), NOT_FOUND);
    CU_ASSERT(are(v[0], NULL));
    close_all();
}

static void a_rollback_can_be_taken_back(void)
{
    version *v[2];
    open_with(v, 2);
    for (int i = 0; i < 2; i++) {
        v[0]->since_ns = v[1]->since_ns = v[0]->since_unix_s = v[1]->since_unix_s = 0;
        CU_ASSERT_EQUAL(versions_rollback(vs, &err), OK);
        CU_ASSERT(are(v[i], v[1 - i]));
        CU_ASSERT(v[i]->since_ns > 0 && v[i]->since_unix_s > 0);
        CU_ASSERT_EQUAL(v[1 - i]->since_ns, 0); /* when it was activated last */
    }
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(&devices[0]) + closed(&devices[1]), 0);
    close_all();
}

static void what_is_dropped_cannot_answer_again(void)
{
    version *v[2];
    open_with(v, 2);
    versions_drop_previous(vs);
    CU_ASSERT(are(v[1], NULL));
    CU_ASSERT_EQUAL(versions_rollback(vs, &err), NOT_FOUND);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(&devices[0]), 1);
    CU_ASSERT_EQUAL(closed(&devices[1]), 0);
    close_all();
}

static void a_bake_that_nobody_settled_leaks_nothing(void)
{
    open_empty();
    for (int i = 0; i < 5; i++) versions_activate(vs, make("one"));
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(closed(&devices[i]), i < 2);
    close_all();
}

/* ---- who is held ---- */

static void who_is_held_is_closed_after_the_last_release(void)
{
    version *v[2];
    open_with(v, 1);
    const backend *was = device_of(v[0]);
    version *one = versions_acquire(vs), *two = versions_acquire(vs);
    CU_ASSERT(one == v[0] && two == v[0]);
    versions_activate(vs, v[1] = make("two"));
    versions_drop_previous(vs);
    CU_ASSERT_EQUAL(versions_reap(vs), 1);
    CU_ASSERT_EQUAL(closed(was), 0);
    CU_ASSERT(are(v[1], NULL)); /* nobody can take what is retired */
    versions_release(vs, one);
    CU_ASSERT_EQUAL(versions_reap(vs), 1);
    CU_ASSERT_EQUAL(closed(was), 0);
    versions_release(vs, two);
    CU_ASSERT_EQUAL(closed(was), 0); /* a request's thread closes nothing */
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT_EQUAL(closed(was), 1);
    close_all();
}

static void the_held_do_not_keep_the_others(void)
{
    version *held[2];
    open_empty();
    for (int i = 0; i < 5; i++) {
        versions_activate(vs, make("one"));
        if (i == 1 || i == 3) held[i / 2] = versions_acquire(vs);
    }
    versions_drop_previous(vs); /* 0, 1 and 3 are retired */
    CU_ASSERT_EQUAL(versions_reap(vs), 2);
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(closed(&devices[i]), i == 0);
    versions_release(vs, held[0]);
    CU_ASSERT_EQUAL(versions_reap(vs), 1);
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(closed(&devices[i]), i < 2);
    versions_release(vs, held[1]);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    for (int i = 0; i < 5; i++) CU_ASSERT_EQUAL(closed(&devices[i]), i != 2 && i != 4);
    close_all();
}

static void who_answers_again_is_not_closed_by_a_release(void)
{
    version *v[2];
    open_with(v, 2);
    version *held = versions_acquire(vs), *before = versions_acquire_previous(vs);
    CU_ASSERT_EQUAL(versions_rollback(vs, &err), OK);
    versions_release(vs, held);
    versions_release(vs, before);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    CU_ASSERT(are(v[0], v[1]));
    CU_ASSERT_EQUAL(closed(&devices[0]) + closed(&devices[1]), 0);
    close_all();
}

/* Requests take the active version and read it, the control thread switches: nothing is read that was closed. */
static atomic_bool stop;
static atomic_long answered;

static void *hold(void *arg)
{
    int *wrong = arg;
    for (int i = 0; !atomic_load(&stop); i++) {
        version *v = i % 4 ? versions_acquire(vs) : versions_acquire_previous(vs);
        if (!v) continue;
        *wrong += closed(device_of(v)) || strcmp(v->directory, "one") || v->since_ns == 0;
        if (i % 16 == 0) sched_yield();
        *wrong += closed(device_of(v)) != 0;
        versions_release(vs, v);
        atomic_fetch_add(&answered, 1);
    }
    return NULL;
}

static void requests_hold_while_another_switches(void)
{
    pthread_t threads[HOLDERS];
    int wrong[HOLDERS] = {0};
    version *v[1];
    open_with(v, 1);
    atomic_store(&stop, false);
    atomic_store(&answered, 0);
    for (int i = 0; i < HOLDERS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, hold, &wrong[i]), 0);
    for (int i = 0; i < SWITCHES; i++) {
        const long seen = atomic_load(&answered);
        versions_activate(vs, make("one"));
        if (i % 3 == 0) (void)versions_revert(vs, &err);
        else versions_settle(vs);
        if (i % 5 == 0) versions_drop_previous(vs);
        (void)versions_reap(vs);
        for (int naps = 0; atomic_load(&answered) < seen + HOLDERS && naps < 30000; naps++)
            nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < HOLDERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < HOLDERS; i++) CU_ASSERT_EQUAL(wrong[i], 0);
    CU_ASSERT(atomic_load(&answered) > SWITCHES);
    CU_ASSERT_EQUAL(versions_reap(vs), 0);
    close_all();
}

/* ---- names ---- */

static void a_directory_is_the_last_part_of_its_path(void)
{
    static const struct {
        const char *path, *directory;
    } rows[] = {{"one", "one"}, {"versions/one", "one"}, {"/srv/v/1.2///", "1.2"}, {"./a b", "a b"},
                {"/", ""},      {"one/", "one"}};
    open_empty();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        version *v = make(rows[i].path);
        CU_ASSERT_STRING_EQUAL(v->directory, rows[i].directory);
        version_free(v);
    }
    close_all();
}

static void a_name_is_fit_for_a_header(void)
{
    version *v;
    engine *e = make_engine();
    strcpy(e->description.name, "a b\r\n\x7f\xc3\xa9~!");
    CU_ASSERT_EQUAL_FATAL(version_new(&v, e, "p/other", "", NULL, &err), OK);
    CU_ASSERT_STRING_EQUAL(v->name, "a_b_____~!");
    CU_ASSERT_STRING_EQUAL(v->model_name, "a b\r\n\x7f\xc3\xa9~!"); /* in a body it is escaped */
    CU_ASSERT_STRING_EQUAL(v->directory, "other");
    version_free(v);
}

static void a_manifest_has_the_better_names(void)
{
    static const struct {
        const char *given, *model;
    } rows[] = {{"", "encoder"}, {"mine", "mine"}};
    for (int i = 0; i < 2; i++) {
        version *v;
        engine *e = make_engine();
        CU_ASSERT_PTR_NOT_NULL_FATAL(e->manifest = calloc(1, sizeof *e->manifest));
        strcpy(e->manifest->name, "encoder");
        strcpy(e->manifest->version, "1.2");
        CU_ASSERT_EQUAL_FATAL(version_new(&v, e, "versions/new", rows[i].given, NULL, &err), OK);
        CU_ASSERT_STRING_EQUAL(v->name, "1.2");
        CU_ASSERT_STRING_EQUAL(v->model_name, rows[i].model);
        CU_ASSERT_STRING_EQUAL(v->directory, "new");
        version_free(v);
    }
    CU_ASSERT_EQUAL(closed(&devices[n_devices - 1]), 1);
}

static void a_long_name_is_cut(void)
{
    version *v;
    char path[400], cut[128];
    engine *e = make_engine();
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    memset(e->description.name, 'y', sizeof e->description.name - 1);
    CU_ASSERT_EQUAL_FATAL(version_new(&v, e, path, path, NULL, &err), OK);
    snprintf(cut, sizeof cut, "%.127s", path);
    CU_ASSERT_STRING_EQUAL(v->directory, cut);
    CU_ASSERT_STRING_EQUAL(v->model_name, cut);
    CU_ASSERT_EQUAL(v->name[0], 'y');
    version_free(v);
}

static void its_times_are_as_calibrated_else_as_measured(void)
{
    static const service_table measured = {.row = {{10, 1, 5000, 0}}, .n = 1},
                               calibrated = {.row = {{10, 1, 70, 0}}, .n = 1};
    for (int i = 0; i < 3; i++) {
        version *v;
        engine *e = make_engine();
        capacity *c = i == 2 ? calloc(1, sizeof *c) : NULL;
        if (i > 0) e->seed = measured;
        if (c) c->service = calibrated;
        CU_ASSERT_EQUAL_FATAL(version_new(&v, e, "one", "", c, &err), OK);
        CU_ASSERT_PTR_EQUAL(v->capacity, c);
        CU_ASSERT_EQUAL(v->service.table.n, i > 0);
        if (i > 0) CU_ASSERT_EQUAL(service_predict_ns(&v->service, 10, 1), i == 2 ? 70 : 5000);
        version_free(v);
    }
}

void versions_suite(CU_pSuite s)
{
    CU_add_test(s, "nobody answers before the first, and nothing can be taken back", nobody_answers_at_first);
    CU_add_test(s, "the first has none to go back to, and answers on", the_first_has_none_to_go_back_to);
    CU_add_test(s, "in a bake three are loaded", in_a_bake_three_are_loaded);
    CU_add_test(s, "a bake that is settled leaves two", a_bake_that_is_settled_leaves_two);
    CU_add_test(s, "a bake that failed is as if it had not been", a_bake_that_failed_is_as_if_it_had_not_been);
    CU_add_test(s, "a rollback can be taken back", a_rollback_can_be_taken_back);
    CU_add_test(s, "what is dropped cannot answer again", what_is_dropped_cannot_answer_again);
    CU_add_test(s, "a bake that nobody settled leaks nothing", a_bake_that_nobody_settled_leaks_nothing);
    CU_add_test(s, "who is held is closed after the last release", who_is_held_is_closed_after_the_last_release);
    CU_add_test(s, "the held do not keep the others", the_held_do_not_keep_the_others);
    CU_add_test(s, "who answers again is not closed by a release", who_answers_again_is_not_closed_by_a_release);
    CU_add_test(s, "requests hold while another switches", requests_hold_while_another_switches);
    CU_add_test(s, "a directory is the last part of its path", a_directory_is_the_last_part_of_its_path);
    CU_add_test(s, "a name is fit for a header", a_name_is_fit_for_a_header);
    CU_add_test(s, "a manifest has the better names, and the operator the best", a_manifest_has_the_better_names);
    CU_add_test(s, "a long name is cut", a_long_name_is_cut);
    CU_add_test(s, "its times are as calibrated, else as measured", its_times_are_as_calibrated_else_as_measured);
}
