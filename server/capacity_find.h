/* capacity_find.h - where the capacity of a loaded version lies, and whether it is one. */
#ifndef SERVER_CAPACITY_FIND_H
#define SERVER_CAPACITY_FIND_H
#include "options.h"
#include "runtime/serve/capacity.h"
#include "runtime/serve/engine.h"

enum { CAPACITY_PATH_MAX = 4096 };
/* --capacity, or in --cache-dir "capacity-<12 digits of the digest>-<backend>-<precision>.json".  NOT_FOUND: neither is
 * given; BAD_INPUT: too long. */
status capacity_path(char path[CAPACITY_PATH_MAX], const options *o, const engine *e, error *err);
/* The one to serve with.  NOT_FOUND, or why it cannot be used: unreadable, or made for something else. */
status capacity_for(capacity *out, const options *o, const engine *e, error *err);
#endif
