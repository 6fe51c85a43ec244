/* cuda_input.c - the list of attention work is made here, on the host: it costs microseconds beside a copy that is
 * made anyway, and a kernel that finds its share by reading one row needs no search. */
#include "cuda_input.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PART_ALIGNMENT = 16, BUCKET_MULTIPLE = 16 };

/* ---- buckets ---- */

static int next_bucket(int tokens)
{
    static const int first[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (first[i] > tokens) return first[i];
    return tokens + (tokens < 4096 ? 256 : 512);
}

int cuda_input_buckets(int max_tokens, int *tokens, int most)
{
    const int last = (max_tokens + BUCKET_MULTIPLE - 1) / BUCKET_MULTIPLE * BUCKET_MULTIPLE;
    int       n = 0;
    for (int at = 0; at < last; n++) {
        at = next_bucket(at);
        if (at > last) at = last;
        if (tokens && n < most) tokens[n] = at;
    }
    return n;
}

/* ---- the list of work ---- */

static int least(int a, int b) { return a < b ? a : b; }

/* With `longs` sequences of two tiles each (65 tokens): one token between any two of them, before and after is a run of
 * its own; then pairs of runs that just do not join (65 tokens together), then further tiles (64 tokens each). */
static int worst_with(int longs, int tokens, int sequences)
{
    const int tile = ATTENTION_TILE, single = least(least(longs + 1, sequences - longs), tokens - (tile + 1) * longs);
    int       left = tokens - (tile + 1) * longs - single, others = sequences - longs - single;
    int       items = 2 * longs + single;
    const int pairs = least(left / (tile + 1), others / 2);
    left -= pairs * (tile + 1);
    others -= pairs * 2;
    items += pairs * 2;
    if (longs) return items + left / tile;
    return items + (left >= tile && others ? 1 : 0);
}

int cuda_input_worst_work(int tokens, int sequences)
{
    int       worst = 0;
    const int longs_max = least(tokens / (ATTENTION_TILE + 1), sequences);
    for (int longs = 0; longs <= longs_max; longs++) {
        const int items = worst_with(longs, tokens, sequences);
        if (items > worst) worst = items;
    }
    return worst;
}

static int split(cuda_attention_work *work, const batch *in)
{
    int  n = 0;
    bool open = false; /* may the next short sequence join work[n - 1]? */
    for (int s = 0; s < in->S; s++) {
        const int start = in->starts[s], length = in->starts[s + 1] - start;
        if (length > ATTENTION_TILE) {
            for (int at = 0; at < length; at += ATTENTION_TILE)
                work[n++] = (cuda_attention_work){start + at, start, (uint16_t)least(ATTENTION_TILE, length - at),
                                                  (uint16_t)length};
            open = false;
        } else if (open && work[n - 1].keys + length <= ATTENTION_TILE) {
            work[n - 1].keys = work[n - 1].queries = (uint16_t)(work[n - 1].keys + length);
        } else {
            work[n++] = (cuda_attention_work){start, start, (uint16_t)length, (uint16_t)length};
            open = true;
        }
    }
    return n;
}

static bool goes_before(const cuda_attention_work *a, const cuda_attention_work *b)
{
    return a->keys != b->keys ? a->keys > b->keys : a->query0 < b->query0;
}

/* Shell's sort with Ciura's gaps: a few hundred rows, in place, and qsort() may allocate.  No two rows are equal, so
 * the order is the one that a stable sort by keys would give. */
static void sort(cuda_attention_work *work, int n)
{
    static const int gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (int i = gaps[g]; i < n; i++) {
            const cuda_attention_work row = work[i];
            int at = i;
            for (; at >= gaps[g] && goes_before(&row, &work[at - gaps[g]]); at -= gaps[g])
                work[at] = work[at - gaps[g]];
            work[at] = row;
        }
}

/* ---- the block ---- */

static size_t place(size_t *end, size_t bytes)
{
    const size_t at = *end;
    *end = (at + bytes + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
    return at;
}

cuda_input_layout cuda_input_layout_of(int tokens, int sequences)
{
    const size_t      T = (size_t)tokens, S = (size_t)sequences;
    size_t            end = 0;
    cuda_input_layout l = {.tokens = tokens, .sequences = sequences,
                           .work_items = cuda_input_worst_work(tokens, sequences)};
    (void)place(&end, sizeof(cuda_input_header));
    l.starts = place(&end, (S + 1) * sizeof(int32_t));
    l.ids = place(&end, T * sizeof(int32_t));
    l.sequence = place(&end, T * sizeof(int32_t));
    l.types = place(&end, T);
    l.normalize = place(&end, S);
    l.work = place(&end, (size_t)l.work_items * sizeof(cuda_attention_work));
    l.bytes = end;
    return l;
}

cuda_input cuda_input_at(const cuda_input_layout *l, const void *block)
{
    const char *base = block;
    return (cuda_input){
        .header = (const void *)base, .starts = (const void *)(base + l->starts), .ids = (const void *)(base + l->ids),
        .sequence = (const void *)(base + l->sequence), .types = (const void *)(base + l->types),
        .normalize = (const void *)(base + l->normalize), .work = (const void *)(base + l->work)};
}

void cuda_input_fill(const cuda_input_layout *l, void *block, const batch *in)
{
    char                *base = block;
    cuda_attention_work *work = (void *)(base + l->work);
    int32_t             *sequence = (void *)(base + l->sequence);
    const size_t         T = (size_t)in->T, S = (size_t)in->S;
    const int            work_items = split(work, in);
    sort(work, work_items);
    *(cuda_input_header *)block = (cuda_input_header){in->T, in->S, work_items, 0};
    memcpy(base + l->starts, in->starts, (S + 1) * sizeof(int32_t));
    memcpy(base + l->ids, in->ids, T * sizeof(int32_t));
    for (int s = 0; s < in->S; s++)
        for (int t = in->starts[s]; t < in->starts[s + 1]; t++) sequence[t] = s;
    if (in->types) memcpy(base + l->types, in->types, T);
    else memset(base + l->types, 0, T);
    memcpy(base + l->normalize, in->normalize, S);
}
