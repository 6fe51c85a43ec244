#include "kernels.h"
#include <stdio.h>
#include <string.h>
#include "amx.h"

#define FLOAT32(set) gemm_##set, attention_##set, layer_norm_##set, embed_##set, pool_portable
enum { LOW_ONLY = 3 }; /* the first sets differ from the fourth at lower precisions alone */

static const kernels sets[] = {
    {"amx", FLOAT32(avx512), gemm_bf16_amx, gemm_int8_amx, attention_bf16_amx, narrow_avx512, quantize_avx512},
    {"avx512bf16", FLOAT32(avx512), gemm_bf16_avx512bf16, gemm_int8_avx512vnni, attention_bf16_avx512bf16,
     narrow_avx512, quantize_avx512},
    {"avx512vnni", FLOAT32(avx512), gemm_bf16_avx512, gemm_int8_avx512vnni, attention_bf16_avx512, narrow_avx512,
     quantize_avx512},
    {"avx512", FLOAT32(avx512), gemm_bf16_avx512, gemm_int8_avx2, attention_bf16_avx512, narrow_avx512,
     quantize_avx512},
    {"avx2", FLOAT32(avx2), gemm_bf16_avx2, gemm_int8_avx2, attention_bf16_avx2, narrow_avx2, quantize_avx2},
    {"portable", FLOAT32(portable), gemm_bf16_portable, gemm_int8_portable, attention_bf16_portable, narrow_portable,
     quantize_portable},
};

int kernels_count(void)
{
    return (int)(sizeof sets / sizeof *sets);
}

const kernels *kernels_at(int i)
{
    return &sets[i];
}

static bool runs(const char *name)
{
    if (!strcmp(name, "portable")) return true;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
    if (!strcmp(name, "avx2")) return true;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return false;
    if (!strcmp(name, "avx512")) return true;
    if (!__builtin_cpu_supports("avx512vnni")) return false;
    if (!strcmp(name, "avx512vnni")) return true;
    if (!__builtin_cpu_supports("avx512bf16")) return false;
    return !strcmp(name, "avx512bf16") || amx_permitted();
}

/* Exactly what CMakeLists.txt lets the compiler use in these files. */
bool kernels_runs_here(const kernels *k)
{
    return runs(k->name);
}

static const kernels *first_that_runs(const kernels *k)
{
    while (!kernels_runs_here(k)) k++;
    return k;
}

const kernels *kernels_best(void)
{
    return first_that_runs(sets + LOW_ONLY);
}

const kernels *kernels_best_low(void)
{
    return first_that_runs(sets);
}

const kernels *kernels_find(const char *name)
{
    for (int i = 0; i < kernels_count(); i++)
        if (!strcmp(sets[i].name, name)) return &sets[i];
    return NULL;
}

const char *kernels_names(char *text, size_t n)
{
    int at = 0;
    for (int i = 0; i < kernels_count(); i++)
        at += snprintf(text + at, n - (size_t)at, "%s%s", i == 0 ? "" : i + 1 < kernels_count() ? ", " : " or ",
                       sets[i].name);
    return text;
}
