/* product.cc - see product.h.
 *
 * Operands are converted to fp32 panels of MR rows and NR columns, padded with zeros; then every tile, also at an edge,
 * goes through the same loop.  Blocks of K keep the panels in the caches; partial sums wait in `sums`.  The loop is
 * compiled for each width of vector and chosen when it is first used: fast enough for a real model. */
#include "product.h"
#include "kernels/half.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

static constexpr size_t K_BLOCK = 256, N_BLOCK = 96;

size_t product_element_bytes(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

static const float *f16_table()
{
    static const std::vector<float> &table = *[] {
        auto *t = new std::vector<float>(65536);
        for (uint32_t h = 0; h < 65536; h++) (*t)[h] = f16_to_f32(static_cast<uint16_t>(h));
        return t;
    }();
    return table.data();
}

static float element(const product_matrix &x, size_t i)
{
    if (x.type == CUDA_R_32F) return static_cast<const float *>(x.at)[i];
    const uint16_t h = static_cast<const uint16_t *>(x.at)[i];
    return x.type == CUDA_R_16F ? f16_table()[h] : bf16_to_f32(h);
}

/* `line` [count] of the matrix that starts at element `start`, `step` apart, as floats `out_step` apart */
static void convert(const product_matrix &x, size_t start, size_t step, size_t count, float *out, size_t out_step)
{
    const float *table = f16_table();
    const auto  *h = static_cast<const uint16_t *>(x.at) + start;
    if (x.type == CUDA_R_16F)
        for (size_t i = 0; i < count; i++) out[i * out_step] = table[h[i * step]];
    else if (x.type == CUDA_R_16BF)
        for (size_t i = 0; i < count; i++) out[i * out_step] = bf16_to_f32(h[i * step]);
    else
        for (size_t i = 0; i < count; i++) out[i * out_step] = static_cast<const float *>(x.at)[start + i * step];
}

/* Panels of `width` lines, each [depth][width]; a line of the operand is `depth` elements, `along` apart. */
static std::vector<float> panels(const product_matrix &x, size_t lines, size_t depth, size_t between, size_t along,
                                 size_t width)
{
    std::vector<float> out((lines + width - 1) / width * width * depth, 0.0f);
    for (size_t i = 0; i < lines; i++)
        convert(x, i * between, along, depth, out.data() + i / width * width * depth + i % width, width);
    return out;
}

/* c [NR][MR] += a [depth][MR] b [depth][NR] */
template <class V, int VECTORS, int NR>
static inline __attribute__((always_inline)) void tile(const float *a, const float *b, size_t depth, float *c)
{
    constexpr int WIDTH = sizeof(V) / sizeof(float), MR = VECTORS * WIDTH;
    typedef V     loose __attribute__((aligned(4), may_alias)); /* panels are aligned as their elements */
    V             sum[NR][VECTORS];
    memcpy(sum, c, sizeof sum);
    for (size_t p = 0; p < depth; p++, a += MR, b += NR) {
        const auto *x = reinterpret_cast<const loose *>(a);
        for (int j = 0; j < NR; j++)
            for (int v = 0; v < VECTORS; v++) sum[j][v] += x[v] * b[j];
    }
    memcpy(c, sum, sizeof sum);
}

struct tile_kernel {
    size_t rows, columns;
    void (*run)(const float *a, const float *b, size_t depth, float *c);
};

typedef float float4_ __attribute__((vector_size(16)));
typedef float float8_ __attribute__((vector_size(32)));
typedef float float16_ __attribute__((vector_size(64)));

static void tile_plain(const float *a, const float *b, size_t depth, float *c) { tile<float4_, 2, 4>(a, b, depth, c); }
__attribute__((target("avx2,fma"))) static void tile_avx2(const float *a, const float *b, size_t depth, float *c)
{
    tile<float8_, 2, 6>(a, b, depth, c);
}
__attribute__((target("avx512f"))) static void tile_avx512(const float *a, const float *b, size_t depth, float *c)
{
    tile<float16_, 2, 8>(a, b, depth, c);
}

static tile_kernel best_tile()
{
    if (__builtin_cpu_supports("avx512f")) return {32, 8, tile_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {16, 6, tile_avx2};
    return {8, 4, tile_plain};
}

void product_sums(const product &p, float *sums)
{
    const tile_kernel        t = best_tile();
    const std::vector<float> a =
        p.a_transposed ? panels(p.a, p.m, p.k, p.a.ld, 1, t.rows) : panels(p.a, p.m, p.k, 1, p.a.ld, t.rows);
    const std::vector<float> b = p.b_transposed ? panels(p.b, p.n, p.k, 1, p.b.ld, t.columns)
                                                : panels(p.b, p.n, p.k, p.b.ld, 1, t.columns);
    const size_t             n_block = N_BLOCK / t.columns * t.columns;
    std::vector<float>       c(t.rows * t.columns);
    std::fill(sums, sums + p.m * p.n, 0.0f);
    for (size_t k0 = 0; k0 < p.k; k0 += K_BLOCK) {
        const size_t depth = std::min(K_BLOCK, p.k - k0);
        for (size_t n0 = 0; n0 < p.n; n0 += n_block)
            for (size_t i = 0; i < p.m; i += t.rows)
                for (size_t j = n0; j < std::min(p.n, n0 + n_block); j += t.columns) {
                    const size_t rows = std::min(t.rows, p.m - i), columns = std::min(t.columns, p.n - j);
                    for (size_t x = 0; x < columns; x++)
                        memcpy(&c[x * t.rows], sums + (j + x) * p.m + i, rows * sizeof(float));
                    t.run(&a[i * p.k + k0 * t.rows], &b[j * p.k + k0 * t.columns], depth, c.data());
                    for (size_t x = 0; x < columns; x++)
                        memcpy(sums + (j + x) * p.m + i, &c[x * t.rows], rows * sizeof(float));
                }
    }
}

void product_finish(const product &p, const float *sums, bool wrong)
{
    for (size_t j = 0; j < p.n; j++)
        for (size_t i = 0; i < p.m; i++) {
            float x = p.alpha * sums[j * p.m + i];
            if (p.beta != 0.0f) x += p.beta * element(p.c, j * p.c.ld + i);
            if (p.has_bias) x += element(p.bias, i);
            if (p.relu && x < 0.0f) x = 0.0f;
            /* (1 + tanh(z)) / 2 is 1 / (1 + exp(-2 z)), and that is three times as fast. */
            if (p.gelu) x /= 1.0f + expf(-1.5957691216f * (x + 0.044715f * x * x * x));
            if (wrong && i == 0 && j == 0) x = 64.0f - x;
            const size_t at = j * p.d.ld + i;
            void        *d = const_cast<void *>(p.d.at);
            if (p.d.type == CUDA_R_32F) static_cast<float *>(d)[at] = x;
            else static_cast<uint16_t *>(d)[at] = p.d.type == CUDA_R_16F ? f16_from_f32(x) : bf16_from_f32(x);
        }
}
