/* versions_of.h - one version that answers, for what is tested below a server. */
#ifndef TESTS_SUPPORT_VERSIONS_OF_H
#define TESTS_SUPPORT_VERSIONS_OF_H
#include "runtime/serve/versions.h"

/* Takes e over: versions_close() closes it. */
versions *versions_of(engine *e);
#endif
