/* test_calibrate.c - the command on a small model, in a second instead of a minute, and whose capacity its file is. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/build.h"
#include "server/calibrate.h"
#include "server/capacity_find.h"
#include "server/commands.h"
#include "tests/support/tiny_model.h"

static const calibrate_plan quick = {.runs = 3,
                                     .point_ns = 20000000,
                                     .pace = {.full_ns = 50000000,
                                              .alone_ns = 20000000,
                                              .least_ns = 20000000,
                                              .most_ns = 100000000,
                                              .tail = 1,
                                              .search_ns = 300000000}};

static char *folder;
static char text[1 << 16]; /* what the command said */

static options with(const char *const *words)
{
    options o;
    error err;
    char *argv[16] = {"--backend", "cpu", "--threads", "1", "--batch-tokens", "200"};
    int argc = 6;
    for (; *words; words++) argv[argc++] = (char *)*words;
    CU_ASSERT_EQUAL_FATAL(options_read(&o, COMMAND_CALIBRATE, argc, argv, &err), OK);
    return o;
}

static void begin(void)
{
    folder = tiny_folder_make();
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1}); /* 64 positions */
}

/* stdout and stderr of the command go into text. */
static int run(const options *o)
{
    char name[] = "/tmp/beeline-calibrate-XXXXXX";
    fflush(stdout);
    fflush(stderr);
    const int saved[2] = {dup(1), dup(2)}, file = mkstemp(name);
    CU_ASSERT_FATAL(saved[0] >= 0 && saved[1] >= 0 && file >= 0);
    unlink(name);
    dup2(file, 1);
    dup2(file, 2);
    const int code = calibrate_with(&quick, o, folder);
    fflush(stdout);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    const ssize_t n = pread(file, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    close(file);
    close(saved[0]);
    close(saved[1]);
    return code;
}

static void says(const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    if (!strstr(text, part)) printf("\n    no \"%s\" in:\n%s\n", part, text);
}

static engine *open_engine(const options *o)
{
    engine *e;
    error err;
    CU_ASSERT_EQUAL_FATAL(engine_from_options(&e, o, folder, &err), OK);
    return e;
}

static void what_is_measured_is_found_again(void)
{
    begin();
    char *cache = tiny_path(folder, "some/cache"), path[CAPACITY_PATH_MAX], name[64];
    const options o = with((const char *[]){"--cache-dir", cache, "--slo", "p95=3600s", "--max-wait", "3600s", NULL});
    capacity c;
    error err;
    CU_ASSERT_EQUAL(run(&o), EXIT_OK);
    engine *e = open_engine(&o);
    CU_ASSERT_EQUAL(capacity_path(path, &o, e, &err), OK);
    snprintf(name, sizeof name, "/some/cache/capacity-%.12s-cpu-float32.json", e->digest);
    CU_ASSERT_PTR_NOT_NULL(strstr(path, name));
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), OK);
    CU_ASSERT_STRING_EQUAL(c.digest, e->digest);
    CU_ASSERT_STRING_EQUAL(c.model, e->description.name);
    CU_ASSERT_STRING_EQUAL(c.device, e->ops->describe(e->device));
    CU_ASSERT_EQUAL(strncmp(c.build, build_version(), strlen(build_version())), 0);
    CU_ASSERT(strlen(c.made_at) == 20 && c.made_at[10] == 'T' && c.made_at[19] == 'Z');
    CU_ASSERT(c.load_ns > 0 && c.warm_ns > 0);
    CU_ASSERT_EQUAL(c.objective_ms, 3600000);
    CU_ASSERT_EQUAL(c.objective_ratio, 0.95);
    CU_ASSERT(c.saturated_tokens_per_s > 0 && c.knee_requests_per_s > 0 && c.knee_tokens_per_s > 0);
    CU_ASSERT(c.parse_per_kib.median_ns > 0 && c.tokenize_per_token.median_ns > 0 && c.row_json.median_ns > 0 &&
              c.row_base64.median_ns > 0 && c.row_binary.median_ns > 0);
    /* Which rows stay depends on the machine; the largest count of tokens always does, with few and with many. */
    const service_table *t = &c.service;
    CU_ASSERT_FATAL(t->n >= 2);
    CU_ASSERT(t->row[t->n - 2].tokens == 200 && t->row[t->n - 2].sequences == 4);
    CU_ASSERT(t->row[t->n - 1].tokens == 200 && t->row[t->n - 1].sequences == 12);
    says("16 tokens in 1 sequences");
    says("200 tokens in 12 sequences");
    says("kept full");
    says("p95=3600s    holds up to ");
    says(path);
    says("used by      beeline serve ");
    engine_close(e);
    free(cache);
    tiny_folder_remove(folder);
}

static void a_file_that_is_named_is_used(void)
{
    begin();
    char *file = tiny_path(folder, "mine.json"), *absent = tiny_path(folder, "absent/mine.json"),
         path[CAPACITY_PATH_MAX];
    options o = with((const char *[]){"--cache-dir", "", "--capacity", file, "--batch-sequences", "4", NULL});
    capacity c;
    error err;
    CU_ASSERT_EQUAL(run(&o), EXIT_OK);
    says("--capacity ");
    engine *e = open_engine(&o);
    CU_ASSERT_EQUAL(capacity_path(path, &o, e, &err), OK);
    CU_ASSERT_STRING_EQUAL(path, file);
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), OK);
    for (int i = 0; i < c.service.n; i++) CU_ASSERT(c.service.row[i].sequences <= 4);

    /* Of another device it is none: the file says which. */
    memcpy(c.device, "another", 8);
    CU_ASSERT_EQUAL(capacity_save(&c, file, &err), OK);
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "mine.json: calibrated for device \"another\", this is \""));
    CU_ASSERT(c.service.n == 0 && !*c.digest);
    tiny_file_text(folder, "mine.json", "{\"format\": \"beeline capa");
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "mine.json: JSON: "));

    o.capacity = absent; /* found out before anything is measured */
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), NOT_FOUND);
    CU_ASSERT_EQUAL(run(&o), EXIT_REFUSED);
    says("absent/: No such file");
    CU_ASSERT_PTR_NULL(strstr(text, "service times"));
    engine_close(e);
    free(file);
    free(absent);
    tiny_folder_remove(folder);
}

static void without_a_place_it_is_a_usage_error(void)
{
    begin();
    const options o = with((const char *[]){"--cache-dir", "", NULL});
    capacity c;
    error err;
    CU_ASSERT_EQUAL(run(&o), EXIT_USAGE);
    says("--cache-dir is \"\" and --capacity names no file");
    CU_ASSERT_PTR_NULL(strstr(text, "service times"));
    engine *e = open_engine(&o);
    CU_ASSERT_EQUAL(capacity_for(&c, &o, e, &err), NOT_FOUND);
    engine_close(e);
    tiny_file_remove(folder, "config.json");
    CU_ASSERT_EQUAL(run(&o), EXIT_REFUSED);
    says("config.json");
    tiny_folder_remove(folder);
}

void calibrate_suite(CU_pSuite s)
{
    CU_add_test(s, "what was measured is where a server looks for it, and is told", what_is_measured_is_found_again);
    CU_add_test(s, "a file that is named is used; of another device or torn it is refused",
                a_file_that_is_named_is_used);
    CU_add_test(s, "without a place for the file nothing is measured", without_a_place_it_is_a_usage_error);
}
