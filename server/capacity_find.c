#include "capacity_find.h"
#include <stdio.h>
#include <string.h>

status capacity_path(char path[CAPACITY_PATH_MAX], const options *o, const engine *e, error *err)
{
    path[0] = 0;
    if (!*o->capacity && !*o->cache_dir)
        return fail(err, NOT_FOUND, "--cache-dir is \"\" and --capacity names no file: one of them is wanted");
    const int n = *o->capacity ? snprintf(path, CAPACITY_PATH_MAX, "%s", o->capacity)
                               : snprintf(path, CAPACITY_PATH_MAX, "%s/capacity-%.12s-%s-%s.json", o->cache_dir,
                                          e->digest, e->ops->name, e->ops->precision(e->device));
    if (n < CAPACITY_PATH_MAX) return OK;
    path[0] = 0;
    return fail(err, BAD_INPUT, "the capacity's path has %d bytes, at most %d are taken", n, CAPACITY_PATH_MAX - 1);
}

status capacity_for(capacity *out, const options *o, const engine *e, error *err)
{
    char path[CAPACITY_PATH_MAX];
    error why;
    *out = (capacity){0};
    status rc = capacity_path(path, o, e, err);
    if (rc == OK) rc = capacity_read(out, path, err);
    if (rc != OK) return rc;
    rc =
        capacity_matches(out, e->digest, e->ops->name, e->ops->describe(e->device), e->ops->precision(e->device), &why);
    if (rc == OK) return OK;
    *out = (capacity){0};
    return fail(err, rc, "%.80s: %.170s", path, why.text);
}
