/* attention_bf16_amx.c - attention in tiles of AMX: 16 rows of 32 bfloat16 against 16 columns of as many.
 *
 *     pack keys   -> for every 16 keys and 32 numbers a tile: [16 pairs of numbers][16 keys]
 *     pack values -> for every 32 keys and 16 columns a tile: [16 pairs of keys][16 columns]
 *     for every 16 queries:
 *         scores  [keys/16][16 queries][16 keys] = q k'          a tile each, q read where it lies if it fills its tile
 *         weights [keys/32][16 queries][32 keys] = 2^(c (score - largest))
 *         out     [16 queries][D] = weights v / (weights ones)   the sums come from a tile of ones, across all columns
 *
 * The tiles' products are the small part, the exponentials the large one.  The largest of 16 queries' scores are found
 * together: what would be four steps of one chain for each are then 45 independent operations. */
#include "lanes_avx512.h"
#include "attention_bf16_pairs.h"

enum { ROWS = 16, TILE_BYTES = 1024, TILE_PAIRS = 256 };

/* One layout for all: as the processor wants it (palette 1). */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} __attribute__((aligned(64)))
layout = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* Two ones in bfloat16, in every place of a tile. */
#define FOUR(x) x, x, x, x
static const uint32_t ones[TILE_PAIRS] __attribute__((aligned(64))) = {FOUR(FOUR(FOUR(FOUR(0x3f803f80))))};

typedef struct {
    const uint16_t *q, *k, *v; /* the sequence's rows of this head */
    size_t stride;
    int n, width;
    int steps, key_tiles, value_tiles; /* width / 32, n / 16, width / 16, rounded up */
    uint32_t *keys;                    /* [key_tiles][steps] tiles */
    uint32_t *values;                  /* [n / 32][value_tiles] tiles */
    uint16_t *queries;                 /* [steps] tiles */
    float *scores;                     /* [key_tiles] tiles, then the sums of weights and the output */
    uint16_t *weights;                 /* [n / 32] tiles */
} amx_head;

static void pack_keys(const amx_head *h)
{
    uint32_t *to = h->keys;
    for (int key = 0; key < h->n; key += ROWS)
        for (int d = 0; d < h->width; d += PAIR_NUMBERS, to += TILE_PAIRS)
            pairs_turn(to, PAIRS, h->k + (size_t)key * h->stride + d, h->stride, h->n - key, h->width - d);
}

static void pack_values(const amx_head *h)
{
    uint32_t *to = h->values;
    for (int key = 0; key < h->n; key += PAIR_NUMBERS)
        for (int d = 0; d < h->width; d += LANES)
            for (int j = key; j < key + PAIR_NUMBERS; j += 2, to += PAIRS) {
                const uint16_t *row = h->v + (size_t)j * h->stride + d;
                _mm512_store_si512(to, j < h->n
                                           ? pairs_of_rows(row, j + 1 < h->n ? row + h->stride : NULL, h->width - d)
                                           : _mm512_setzero_si512());
            }
}

/* scores = q k'; tiles 0 to 3 take turns, so that no product waits for the one before. */
static void scores_of(const amx_head *h, const uint16_t *q, size_t q_stride, size_t q_step)
{
    const long row = (long)(q_stride * sizeof *q);
    if (h->steps == 1) _tile_loadd(6, q, row);
    for (int tile = 0; tile < h->key_tiles; tile++) {
        float *to = h->scores + tile * TILE_PAIRS;
        const uint32_t *keys = h->keys + tile * h->steps * TILE_PAIRS;
        _tile_zero(0);
        for (int s = 0; s < h->steps; s++) {
            if (h->steps > 1) _tile_loadd(6, q + (size_t)s * q_step, row);
            _tile_loadd(7, keys + s * TILE_PAIRS, 64);
            _tile_dpbf16ps(0, 6, 7);
        }
        _tile_stored(0, to, 64);
    }
    const int there = h->n - (h->key_tiles - 1) * ROWS;
    float *last = h->scores + (h->key_tiles - 1) * TILE_PAIRS;
    for (int r = 0; there < ROWS && r < ROWS; r++) /* keys that are not there */
        _mm512_mask_store_ps(last + r * LANES, (__mmask16)~lanes_first(there), lanes_set(-INFINITY));
}

/* The largest number of each of sixteen registers, in one, in their order. */
static inline lanes largest_of_each(lanes x[ROWS])
{
    lanes_turn(x);
#pragma GCC unroll 16
    for (int half = 8; half > 0; half /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < half; i++) x[i] = lanes_max(x[i], x[i + half]);
    return x[0];
}

static void weights_of(const amx_head *h)
{
    const lanes c = lanes_set(1.44269504f / sqrtf((float)h->width));
    lanes most[ROWS];
    float negative[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) most[r] = _mm512_load_ps(h->scores + r * LANES);
    for (int tile = 1; tile < h->key_tiles; tile++)
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++)
            most[r] = lanes_max(most[r], _mm512_load_ps(h->scores + tile * TILE_PAIRS + r * LANES));
    lanes_store(negative, lanes_sub(lanes_set(0), lanes_mul(largest_of_each(most), c)));

    for (int tile = 0; tile < h->key_tiles; tile += 2) {
        const float *scores = h->scores + tile * TILE_PAIRS;
        uint16_t *to = h->weights + tile / 2 * TILE_PAIRS * 2;
        for (int r = 0; r < ROWS; r++, scores += LANES, to += PAIR_NUMBERS) {
            const lanes off = lanes_set(negative[r]);
            const lanes first = pair_weight(_mm512_load_ps(scores), c, off);
            const lanes second =
                tile + 1 < h->key_tiles ? pair_weight(_mm512_load_ps(scores + TILE_PAIRS), c, off) : lanes_set(0);
            _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(second, first));
        }
    }
}

/* Two tiles of columns at once, beside the sums with the first of them; `out` is the first query's row. */
static void values_of(const amx_head *h, uint16_t *out, size_t out_stride, int rows)
{
    float *sums = h->scores, *left = sums + TILE_PAIRS, *right = left + TILE_PAIRS;
    for (int column = 0; column < h->width; column += PAIR_NUMBERS) {
        const int two = h->width - column > LANES;
        const uint32_t *values = h->values + column / LANES * TILE_PAIRS;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        for (int s = 0; s < (h->key_tiles + 1) / 2; s++) {
            _tile_loadd(6, h->weights + s * TILE_PAIRS * 2, 64);
            _tile_loadd(7, values + s * h->value_tiles * TILE_PAIRS, 64);
            _tile_dpbf16ps(0, 6, 7);
            if (two) {
                _tile_loadd(5, values + (s * h->value_tiles + 1) * TILE_PAIRS, 64);
                _tile_dpbf16ps(1, 6, 5);
            }
            if (column == 0) _tile_dpbf16ps(2, 6, 4);
        }
        _tile_stored(0, left, 64);
        _tile_stored(1, right, 64);
        if (column == 0) _tile_stored(2, sums, 64);
        for (int r = 0; r < rows; r++) {
            const lanes inverse = _mm512_rcp14_ps(_mm512_load_ps(sums + r * LANES)); /* 2^-14: not seen in 2^-9 */
            const __m512i x = (__m512i)_mm512_cvtne2ps_pbh(lanes_mul(_mm512_load_ps(right + r * LANES), inverse),
                                                           lanes_mul(_mm512_load_ps(left + r * LANES), inverse));
            _mm512_mask_storeu_epi16(out + (size_t)r * out_stride + column, pair_mask(h->width - column), x);
        }
    }
}

static void one_head(const attention_bf16 *a, const attention_bf16_part *part, int number, amx_head *h)
{
    const size_t hidden = (size_t)a->heads * (size_t)a->width;
    h->q = a->qkv + (size_t)part->first * a->qkv_stride + (size_t)(number * a->width);
    h->k = h->q + hidden;
    h->v = h->k + hidden;
    pack_keys(h);
    pack_values(h);
    for (int query = part->query0; query < part->query1; query += ROWS) {
        const int rows = part->query1 - query < ROWS ? part->query1 - query : ROWS;
        const uint16_t *q = h->q + (size_t)query * h->stride;
        if (rows == ROWS && h->width % PAIR_NUMBERS == 0) {
            scores_of(h, q, h->stride, PAIR_NUMBERS);
        } else {
            for (int s = 0; s < h->steps; s++)
                for (int r = 0; r < ROWS; r++)
                    _mm512_store_si512(h->queries + (s * ROWS + r) * PAIR_NUMBERS,
                                       pairs_load(q + (size_t)(r < rows ? r : rows - 1) * h->stride + s * PAIR_NUMBERS,
                                                  h->width - s * PAIR_NUMBERS));
            scores_of(h, h->queries, PAIR_NUMBERS, ROWS * PAIR_NUMBERS);
        }
        weights_of(h);
        values_of(h, a->out + (size_t)(part->first + query) * a->out_stride + (size_t)(number * a->width),
                  a->out_stride, rows);
    }
}

void attention_bf16_amx(const attention_bf16 *a, attention_bf16_part part, void *scratch)
{
    amx_head h = {.stride = a->qkv_stride,
                  .n = part.n,
                  .width = a->width,
                  .steps = (a->width + 31) / 32,
                  .key_tiles = (part.n + 15) / 16,
                  .value_tiles = (a->width + 15) / 16,
                  .keys = scratch};
    h.values = h.keys + h.key_tiles * h.steps * TILE_PAIRS;
    h.queries = (uint16_t *)(h.values + (h.key_tiles + 1) / 2 * h.value_tiles * TILE_PAIRS);
    h.weights = h.queries + h.steps * ROWS * PAIR_NUMBERS;
    h.scores = (float *)(h.weights + (h.key_tiles + 1) / 2 * ROWS * PAIR_NUMBERS);

    _tile_loadconfig(&layout);
    _tile_loadd(4, ones, 64);
    for (int i = part.head0; i < part.head1; i++) one_head(a, &part, i, &h);
    _tile_release();
}
