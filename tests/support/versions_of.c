#include "versions_of.h"
#include <CUnit/CUnit.h>

versions *versions_of(engine *e)
{
    versions *vs;
    version *v;
    error err;
    CU_ASSERT_EQUAL_FATAL(versions_open(&vs, &err), OK);
    CU_ASSERT_EQUAL_FATAL(version_new(&v, e, "versions/one", "", NULL, &err), OK);
    versions_activate(vs, v);
    return vs;
}
