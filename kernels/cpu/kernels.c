#include "kernels.h"
#include <string.h>

static const kernels sets[] = {
    {"avx512", gemm_avx512, attention_avx512, layer_norm_avx512, embed_avx512, pool_portable},
    {"avx2", gemm_avx2, attention_avx2, layer_norm_avx2, embed_avx2, pool_portable},
    {"portable", gemm_portable, attention_portable, layer_norm_portable, embed_portable, pool_portable},
};

int kernels_count(void)
{
    return (int)(sizeof sets / sizeof *sets);
}

const kernels *kernels_at(int i)
{
    return &sets[i];
}

/* Exactly what CMakeLists.txt lets the compiler use in these files. */
bool kernels_runs_here(const kernels *k)
{
    if (k == &sets[0])
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (k == &sets[1]) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return true;
}

const kernels *kernels_best(void)
{
    const kernels *k = sets;
    while (!kernels_runs_here(k)) k++;
    return k;
}

const kernels *kernels_find(const char *name)
{
    for (int i = 0; i < kernels_count(); i++)
        if (!strcmp(sets[i].name, name)) return &sets[i];
    return NULL;
}
