/* Shared objects: ours, of another build, of somebody else, none at all. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/backend.h"
#include "tests/support/tiny_model.h"

static void refused(const char *file, status why, const char *part)
{
    const backend_ops *ops = &backend_cpu;
    error err = {""};
    CU_ASSERT_EQUAL(backend_load(&ops, file, &err), why);
    CU_ASSERT_PTR_NULL(ops);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (!strstr(err.text, part)) printf("\n    %s: \"%s\", wanted \"%s\"", file, err.text, part);
}

static void ours_is_loaded(void)
{
    const backend_ops *ops = NULL, *again = NULL;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(backend_load(&ops, BEELINE_LOADABLE_DIR "/libof_this_build.so", &err), OK);
    CU_ASSERT_STRING_EQUAL(ops->name, "loaded");
    CU_ASSERT_EQUAL(backend_load(&again, BEELINE_LOADABLE_DIR "/libof_this_build.so", &err), OK);
    CU_ASSERT_PTR_EQUAL(again, ops);
}

static void what_is_not_there_is_not_found(void)
{
    refused("libbeeline_of_nowhere.so", NOT_FOUND, "libbeeline_of_nowhere.so");
    refused("/nonexistent/libbeeline_cuda.so", NOT_FOUND, "/nonexistent/libbeeline_cuda.so");
}

static void what_is_not_ours_is_refused(void)
{
    char *folder = tiny_folder_make();
    tiny_file_text(folder, "junk.so", "this is no object, and long enough to have a header if it were one of them");
    char *junk = tiny_path(folder, "junk.so");
    refused(junk, BAD_INPUT, "ELF");
    refused("libm.so.6", BAD_INPUT, "has no \"beeline_backend\"");
    refused(BEELINE_LOADABLE_DIR "/libof_another_build.so", BAD_INPUT, "has ABI 1000, this program wants");
    free(junk);
    tiny_folder_remove(folder);
}

void backend_load_suite(CU_pSuite s)
{
    CU_add_test(s, "a backend of this build is loaded, once", ours_is_loaded);
    CU_add_test(s, "a library that is not there is not found", what_is_not_there_is_not_found);
    CU_add_test(s, "what is no backend, or of another build, is refused", what_is_not_ours_is_refused);
}
