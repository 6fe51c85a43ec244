/* test_broken_bundles.c - every broken version is refused by the check that is there for it, and a whole one opens. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/serve/engine.h"
#include "tests/support/broken_bundles.h"
#include "tests/support/bundle.h"
#include "tests/support/tiny_model.h"

static char *root, *good;

static status open_one(engine **e, const char *path, engine_options o, error *err)
{
    o.batch_tokens = 256;
    o.batch_sequences = 4;
    o.threads = 1;
    o.backend = ENGINE_CPU;
    *err = (error){""};
    return engine_open(e, path, o, err);
}

static void begin(void)
{
    root = tiny_folder_make();
    good = tiny_path(root, "good");
    char *config = tiny_path("good", "config.json");
    tiny_file_text(root, config, ""); /* makes the folder */
    free(config);
    tiny_model_write(good, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    bundle_pack(good, "1.0");
}

static void end(void)
{
    free(good);
    tiny_folder_remove(root);
}

static void says(int i, const char *text)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, broken_bundle_reason(i)));
    if (strstr(text, broken_bundle_reason(i))) return;
    printf("\n    %s: \"%s\", wanted \"%s\"", broken_bundle_name(i), text, broken_bundle_reason(i));
}

static void refused(int i, const char *path, engine_options o)
{
    engine *e;
    error err;
    const status rc = open_one(&e, path, o, &err);
    CU_ASSERT_NOT_EQUAL(rc, OK);
    CU_ASSERT_PTR_NULL(e);
    says(i, err.text);
    engine_close(e);
}

static void breaks_the_contract(int i, const char *path)
{
    enum { LINES = 8 };
    char lines[LINES][CONTRACT_LINE] = {""}, all[LINES * CONTRACT_LINE] = "";
    engine *live, *next;
    error err;
    CU_ASSERT_EQUAL_FATAL(open_one(&live, good, (engine_options){0}, &err), OK);
    CU_ASSERT_EQUAL_FATAL(open_one(&next, path, (engine_options){0}, &err), OK); /* it is whole */
    CU_ASSERT(contract_breaks(&live->contract, &next->contract, lines, LINES) > 0);
    for (int k = 0; k < LINES; k++) strcat(all, lines[k]);
    says(i, all);
    engine_close(next);
    engine_close(live);
}

static void each_is_refused_by_its_own_check(void)
{
    const engine_options beside = {.beside = true};
    begin();
    for (int i = 0; i < broken_bundles_count(); i++) {
        char *path = tiny_path(root, "broken");
        engine *e;
        error err;
        broken_bundle_make(i, good, path);
        switch (broken_bundle_found(i)) {
        case FOUND_AT_OPEN:
            refused(i, path, beside);
            break;
        case FOUND_BY_GOLDEN:
            CU_ASSERT_EQUAL_FATAL(open_one(&e, path, beside, &err), OK);
            engine_close(e);
            refused(i, path, (engine_options){0});
            break;
        case FOUND_BY_CONTRACT:
            breaks_the_contract(i, path);
            break;
        }
        tiny_folder_remove(path);
    }
    end();
}

static void the_good_one_opens(void)
{
    engine *e;
    error err;
    begin();
    bundle_seal(good); /* as each broken one is */
    CU_ASSERT_EQUAL_FATAL(open_one(&e, good, (engine_options){.beside = true}, &err), OK);
    engine_close(e);
    CU_ASSERT_EQUAL_FATAL(open_one(&e, good, (engine_options){0}, &err), OK);
    CU_ASSERT_EQUAL(contract_breaks(&e->contract, &e->contract, NULL, 0), 0);
    engine_close(e);
    end();
}

void broken_bundles_suite(CU_pSuite s)
{
    CU_add_test(s, "the version that the broken ones are made of opens", the_good_one_opens);
    CU_add_test(s, "M51-M64 golden rows, sums, owner and contract: each broken one is refused by its own check",
                each_is_refused_by_its_own_check);
}
