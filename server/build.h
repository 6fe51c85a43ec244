/* build.h - which build this is. */
#ifndef SERVER_BUILD_H
#define SERVER_BUILD_H
const char *build_version(void); /* "0.1.0" */
const char *build_commit(void);  /* 12 hex digits, or "unknown" */
const char *build_flags(void);   /* compiler, build type, sanitizers */
#endif
