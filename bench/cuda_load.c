#include "cuda_load.h"
#include <dlfcn.h>

status cuda_load(const cuda_benches **out, error *err)
{
    *out = NULL;
    void *library = dlopen("libbeeline_bench_cuda.so", RTLD_NOW | RTLD_LOCAL); /* for good: CUDA leaves hooks */
    if (!library) return fail(err, NOT_FOUND, "no GPU benches: %s", dlerror());
    const cuda_benches *found = dlsym(library, "beeline_bench_cuda");
    if (!found) return fail(err, BAD_INPUT, "libbeeline_bench_cuda.so: no beeline_bench_cuda in it");
    status rc = found->present(err);
    if (rc == OK) *out = found;
    return rc;
}
