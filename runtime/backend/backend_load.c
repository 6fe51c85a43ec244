/* backend_load.c - the one dlopen: a backend in a shared object, which the host may lack. */
#include <dlfcn.h>
#include <string.h>
#include "backend.h"

/* dlopen() has no codes, only words; these are the same in every libc that we build with and are not translated. */
static status refusal_of(const char *why)
{
    return strstr(why, "cannot open shared object file") ? NOT_FOUND : BAD_INPUT;
}

status backend_load(const backend_ops **out, const char *file, error *err)
{
    *out = NULL;
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        return fail(err, refusal_of(why), "%.240s", why);
    }
    const backend_ops *ops = dlsym(library, "beeline_backend");
    status rc = OK;
    if (!ops) rc = fail(err, BAD_INPUT, "%.180s: has no \"beeline_backend\": none of our libraries", file);
    else if (ops->abi != BACKEND_ABI)
        rc = fail(err, BAD_INPUT, "%.180s: has ABI %d, this program wants %d: they are of different builds", file,
                  ops->abi, BACKEND_ABI);
    if (rc == OK) *out = ops;
    else dlclose(library);
    return rc;
}
