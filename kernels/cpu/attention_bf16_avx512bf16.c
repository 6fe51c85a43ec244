/* attention_bf16_avx512bf16.c - attention on pairs of bfloat16 in vector registers (vdpbf16ps).
 *
 * The steps and the layout are attention_head.h's, with a pair where that has a number: queries are turned by pairs, a
 * pair of a key's numbers is broadcast, two keys' weights make a pair, and so do two keys' values, which are packed
 * once a call.  Keys are read where they lie unless their width is odd: then the last pair would reach beyond. */
#include "lanes_avx512.h"
#include "attention_bf16_pairs.h"

enum { VECTORS = 2, QUERIES = VECTORS * LANES, HEAD_ROWS = 14 }; /* 28 of 32 registers hold sums */

typedef struct {
    const uint16_t *q, *k; /* [queries,D], [n,D padded to pairs] */
    size_t q_stride, k_stride;
    uint32_t *values; /* [n/2,D padded to registers] pairs of rows */
    uint32_t *turned; /* [D/2,columns] pairs of numbers */
    float *scores;    /* [n,columns], then as [n/2,columns] pairs of weights */
    uint16_t *out;    /* [queries,D] */
    size_t out_stride;
    int n, width, padded;
    int rows, columns; /* of the block at work: queries, and them rounded up to whole registers */
    float largest[QUERIES], inverse[QUERIES];
} pair_head;

/* As tile of attention_head.h; a and b are pairs. */
ALWAYS_INLINE void tile(lanes sums[][VECTORS], const char *a, size_t a_row, size_t a_step, const uint32_t *b,
                        size_t b_step, int K, const int rows, const int vectors)
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sums[r][v] = lanes_set(0);
    for (int k = 0; k < K; k++, a += a_step, b += b_step) {
        __m512i column[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) column[v] = _mm512_loadu_si512(b + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            int pair;
            memcpy(&pair, a + (size_t)r * a_row, sizeof pair);
            const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, (__m512bh)column[v]);
        }
    }
}

ALWAYS_INLINE void score_tile(pair_head *h, int key, const int rows, const int vectors)
{
    lanes sums[HEAD_ROWS][VECTORS];
    const int columns = vectors * LANES;
    tile(sums, (const char *)(h->k + (size_t)key * h->k_stride), h->k_stride * sizeof *h->k, sizeof(uint32_t),
         h->turned, (size_t)columns, (h->width + 1) / 2, rows, vectors);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        lanes most = lanes_load(h->largest + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            most = lanes_max(most, sums[r][v]);
            lanes_store(h->scores + (key + r) * columns + v * LANES, sums[r][v]);
        }
        lanes_store(h->largest + v * LANES, most);
    }
}

ALWAYS_INLINE void value_tile(pair_head *h, int row, const int rows, int column, const int vectors)
{
    lanes sums[HEAD_ROWS][VECTORS];
    const int left = h->width - column;
    tile(sums, (const char *)(h->scores + row), sizeof(uint32_t), (size_t)h->columns * sizeof(uint32_t),
         h->values + column, (size_t)h->padded, (h->n + 1) / 2, rows, vectors);
    uint16_t *out = h->out + (size_t)row * h->out_stride + column;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const __m256bh x = _mm512_cvtneps_pbh(lanes_mul(sums[r][v], lanes_set(h->inverse[row + r])));
            _mm256_mask_storeu_epi16(out + (size_t)r * h->out_stride + v * LANES, lanes_first(left - v * LANES),
                                     (__m256i)x);
        }
}

#define ROWS(n)                                                                                                        \
    case n:                                                                                                            \
        if (values) value_tile(h, at, n, column, vectors);                                                             \
        else score_tile(h, at, n, vectors);                                                                            \
        break;

ALWAYS_INLINE void tiles(pair_head *h, const int values, int n, int column, const int vectors)
{
    const int count = (n + HEAD_ROWS - 1) / HEAD_ROWS;
    for (int t = 0; t < count; t++) {
        const int at = n * t / count;
        switch (n * (t + 1) / count - at) {
            ROWS(1)
            ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
        }
    }
}

/* Turns scores into pairs of weights, in place: pair j lies where score j lay, which has been read. */
ALWAYS_INLINE void soften(pair_head *h, const int vectors)
{
    const int columns = vectors * LANES;
    const lanes c = lanes_set(1.44269504f / sqrtf((float)h->width));
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    const __m512i apart = _mm512_set1_epi32(16 << 16),
                  order = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i zipped = _mm512_add_epi16(apart, _mm512_or_si512(order, _mm512_slli_epi32(order, 16)));
    for (int v = 0; v < vectors; v++) {
        const lanes most = lanes_sub(lanes_set(0), lanes_mul(lanes_load(h->largest + v * LANES), c));
        float *scores = h->scores + v * LANES;
        lanes sum = lanes_set(0);
        for (int key = 0; key < h->n; key += 2) {
            const lanes first = pair_weight(lanes_load(scores + key * columns), c, most);
            const lanes second =
                key + 1 < h->n ? pair_weight(lanes_load(scores + (key + 1) * columns), c, most) : lanes_set(0);
            const __m512i pairs = _mm512_permutexvar_epi16(zipped, (__m512i)_mm512_cvtne2ps_pbh(second, first));
            _mm512_storeu_si512(scores + key / 2 * columns, pairs);
            sum = _mm512_dpbf16_ps(sum, (__m512bh)pairs, ones);
        }
        lanes_store(h->inverse + v * LANES, lanes_div(lanes_set(1), sum));
    }
}

ALWAYS_INLINE void attend(pair_head *h, const int vectors)
{
    h->columns = vectors * LANES;
    for (int i = 0; i < QUERIES; i++) h->largest[i] = -INFINITY;
    for (int r = 0; r < h->columns; r += LANES)
        for (int d = 0; d < h->width; d += PAIR_NUMBERS)
            pairs_turn(h->turned + d / 2 * h->columns + r, (size_t)h->columns, h->q + (size_t)r * h->q_stride + d,
                       h->q_stride, h->rows - r, h->width - d);
    tiles(h, 0, h->n, 0, vectors);
    soften(h, vectors);
    for (int column = 0; column < h->width; column += QUERIES)
        if (h->width - column > LANES) tiles(h, 1, h->rows, column, 2);
        else tiles(h, 1, h->rows, column, 1);
}

static void one_head(const attention_bf16 *a, const attention_bf16_part *part, int number, void *scratch)
{
    const int n = part->n, width = a->width;
    const size_t hidden = (size_t)a->heads * (size_t)width, stride = a->qkv_stride;
    const uint16_t *q = a->qkv + (size_t)part->first * stride + (size_t)(number * width);
    const uint16_t *v = q + 2 * hidden;
    pair_head h = {.k = q + hidden,
                   .q_stride = stride,
                   .k_stride = stride,
                   .values = scratch,
                   .n = n,
                   .width = width,
                   .padded = (width + LANES - 1) / LANES * LANES,
                   .out_stride = a->out_stride};
    uint32_t *room = h.values + (size_t)((n + 1) / 2 * h.padded);

    for (int j = 0; j < n; j += 2)
        for (int d = 0; d < width; d += LANES) {
            const uint16_t *row = v + (size_t)j * stride + d;
            _mm512_storeu_si512(h.values + j / 2 * h.padded + d,
                                pairs_of_rows(row, j + 1 < n ? row + stride : NULL, width - d));
        }
    if (width % 2) {
        uint16_t *keys = (uint16_t *)room;
        h.k_stride = (size_t)((width + PAIR_NUMBERS - 1) / PAIR_NUMBERS * PAIR_NUMBERS);
        for (int j = 0; j < n; j++)
            for (int d = 0; d < width; d += PAIR_NUMBERS)
                _mm512_storeu_si512(keys + (size_t)j * h.k_stride + d,
                                    pairs_load(h.k + (size_t)j * stride + d, width - d));
        h.k = keys;
        room += (size_t)n * h.k_stride / 2;
    }
    h.turned = room;
    h.scores = (float *)(room + (width + PAIR_NUMBERS - 1) / PAIR_NUMBERS * PAIRS * QUERIES);
    for (int query = part->query0; query < part->query1; query += QUERIES) {
        h.rows = part->query1 - query < QUERIES ? part->query1 - query : QUERIES;
        h.q = q + (size_t)query * stride;
        h.out = a->out + (size_t)(part->first + query) * a->out_stride + (size_t)(number * width);
        if (h.rows > LANES) attend(&h, 2);
        else attend(&h, 1);
    }
}

void attention_bf16_avx512bf16(const attention_bf16 *a, attention_bf16_part part, void *scratch)
{
    for (int i = part.head0; i < part.head1; i++) one_head(a, &part, i, scratch);
}
