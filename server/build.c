/* build.c - the one file that is compiled with the commit, so that a commit rebuilds one file. */
#include "build.h"

const char *build_version(void) { return BEELINE_VERSION; }
const char *build_commit(void) { return BEELINE_COMMIT; }
const char *build_flags(void) { return BEELINE_FLAGS; }
