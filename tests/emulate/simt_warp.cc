/* simt_warp.cc - what the lanes of a warp do together: votes, shuffles, ldmatrix, mma.
 *
 * Lanes gather in the group of their mask; the last of the living ones runs the operation for all and wakes the others.
 * Only __syncwarp orders memory, as on a GPU. */
#include "simt_block.h"
#include <cstring>

struct matrix_row { const void *row; };

static const char *const names[SIMT_OPERATIONS] = {
    "__syncwarp", "__shfl_sync", "__shfl_xor_sync", "__shfl_down_sync", "__shfl_up_sync", "__ballot_sync", "__any_sync",
    "__all_sync", "mma (f16)", "mma (bf16)", "ldmatrix", "ldmatrix.trans"};

static void shuffle(const simt_group *g, simt_fiber *lanes)
{
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        if (!(g->arrived >> l & 1)) continue;
        const unsigned from = static_cast<const simt_shuffle *>(lanes[l].in)->source;
        uint64_t value = ~0ull; /* of a lane that does not take part: undefined, so NaN */
        if (g->arrived >> from & 1) value = static_cast<const simt_shuffle *>(lanes[from].in)->value;
        memcpy(lanes[l].out, &value, sizeof value);
    }
}

static void vote(const simt_group *g, simt_fiber *lanes)
{
    unsigned yes = 0;
    for (unsigned l = 0; l < SIMT_LANES; l++)
        if (g->arrived >> l & 1 && *static_cast<const int *>(lanes[l].in)) yes |= 1u << l;
    if (g->what == SIMT_ANY) yes = yes != 0;
    if (g->what == SIMT_ALL) yes = yes == g->arrived;
    for (unsigned l = 0; l < SIMT_LANES; l++)
        if (g->arrived >> l & 1) *static_cast<unsigned *>(lanes[l].out) = yes;
}

static void load_matrices(simt_fiber *lanes, bool transposed)
{
    uint16_t m[SIMT_LANES][8];
    for (unsigned l = 0; l < SIMT_LANES; l++) memcpy(m[l], static_cast<const matrix_row *>(lanes[l].in)->row, 16);
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        uint32_t *out = static_cast<uint32_t *>(lanes[l].out);
        const unsigned row = l / 4, column = l % 4 * 2;
        for (unsigned i = 0; i < 4; i++) {
            const uint16_t low = transposed ? m[8 * i + column][row] : m[8 * i + row][column];
            const uint16_t high = transposed ? m[8 * i + column + 1][row] : m[8 * i + row][column + 1];
            out[i] = low | static_cast<uint32_t>(high) << 16;
        }
    }
}

typedef float    vector4 __attribute__((vector_size(16)));
typedef int32_t  words4 __attribute__((vector_size(16)));
typedef uint16_t halves4 __attribute__((vector_size(8)));

/* n 16-bit numbers as floats, four at a time: as half.h does it, with masks for branches. */
template <element_type type, unsigned n> static inline void widen(float *to, const uint16_t *from)
{
    for (unsigned i = 0; i < n; i += 4) {
        halves4 h;
        memcpy(&h, from + i, sizeof h);
        words4 x = __builtin_convertvector(h, words4);
        if (type == ELEMENT_F16) {
            const words4  magnitude = x & 0x7fff, tiny = magnitude < 0x400, special = magnitude >= 0x7c00;
            const vector4 multiple = __builtin_convertvector(magnitude, vector4) * 5.9604644775390625e-8f;
            words4 bits;
            memcpy(&bits, &multiple, sizeof bits);
            bits = (bits & tiny) | (((magnitude << 13) + 0x38000000 + (special & 0x38000000)) & ~tiny);
            x = bits | (x & 0x8000) << 16;
        } else {
            x = x << 16;
        }
        memcpy(to + i, &x, sizeof x);
    }
}

/* Fragments as the PTX ISA has them (mma.m16n8k16, .f16 and .bf16): lane l holds of a the rows l/4 and l/4 + 8, of b
 * the column l/4, of c the rows of a; in each two neighbours, beginning at l%4 * 2. */
template <element_type type> static void multiply(simt_fiber *lanes)
{
    uint16_t ah[16][16], bh[16][8];     /* [M,K], [K,N] */
    float    a[16][16];
    alignas(16) float b[16][8], c[16][8]; /* c: [M,N] */
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        const simt_mma *in = static_cast<const simt_mma *>(lanes[l].in);
        const unsigned row = l / 4, column = l % 4 * 2;
        for (unsigned i = 0; i < 4; i++) memcpy(&ah[row + i % 2 * 8][column + i / 2 * 8], &in->a[i], 4);
        for (unsigned i = 0; i < 2; i++) {
            bh[column + i * 8][row] = static_cast<uint16_t>(in->b[i]);
            bh[column + i * 8 + 1][row] = static_cast<uint16_t>(in->b[i] >> 16);
            memcpy(&c[row + i * 8][column], &in->c[2 * i], 8);
        }
    }
    widen<type, 256>(a[0], ah[0]);
    widen<type, 128>(b[0], bh[0]);
    for (unsigned i = 0; i < 16; i++) {
        vector4 low, high, b_low, b_high;
        memcpy(&low, &c[i][0], 16);
        memcpy(&high, &c[i][4], 16);
        for (unsigned k = 0; k < 16; k++) {
            memcpy(&b_low, &b[k][0], 16);
            memcpy(&b_high, &b[k][4], 16);
            low += a[i][k] * b_low;
            high += a[i][k] * b_high;
        }
        memcpy(&c[i][0], &low, 16);
        memcpy(&c[i][4], &high, 16);
    }
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        float *out = static_cast<float *>(lanes[l].out);
        memcpy(out, &c[l / 4][l % 4 * 2], 8);
        memcpy(out + 2, &c[l / 4 + 8][l % 4 * 2], 8);
    }
}

static void perform(const simt_group *g, simt_fiber *lanes)
{
    switch (g->what) {
    case SIMT_SYNCWARP: break;
    case SIMT_SHFL: case SIMT_SHFL_XOR: case SIMT_SHFL_DOWN: case SIMT_SHFL_UP: shuffle(g, lanes); break;
    case SIMT_BALLOT: case SIMT_ANY: case SIMT_ALL: vote(g, lanes); break;
    case SIMT_MMA_F16: multiply<ELEMENT_F16>(lanes); break;
    case SIMT_MMA_BF16: multiply<ELEMENT_BF16>(lanes); break;
    case SIMT_LDMATRIX: case SIMT_LDMATRIX_TRANS: load_matrices(lanes, g->what == SIMT_LDMATRIX_TRANS); break;
    case SIMT_OPERATIONS: break;
    }
}

/* Runs the group's operation and wakes its lanes, if all came that still can; `running` is not to be woken. */
static bool complete(simt_block *b, unsigned warp, simt_group *g, const simt_fiber *running)
{
    simt_fiber *lanes = &b->fibers[warp * SIMT_LANES];
    if (g->arrived != (g->mask & ~b->warps[warp].gone)) return false;
    if (g->what >= SIMT_MMA_F16 && g->arrived != ~0u)
        for (unsigned l = 0; l < SIMT_LANES; l++)
            if (g->arrived >> l & 1)
                SIMT_BREACH(&lanes[l], g->file, g->line, "%s by lanes %08x: it takes all 32", names[g->what],
                            g->arrived);
    perform(g, lanes);
    const unsigned arrived = g->arrived;
    g->arrived = 0;
    g->generation++;
    for (unsigned l = 0; l < SIMT_LANES; l++)
        if (arrived >> l & 1 && &lanes[l] != running) simt_wake(&lanes[l]);
    return true;
}

static simt_group *group_of(simt_warp_state *w, unsigned mask)
{
    simt_group *unused = nullptr;
    if (mask == ~0u) return w->full.mask = mask, &w->full;
    for (unsigned i = 0; i < w->others_used; i++) {
        if (w->others[i].mask == mask) return &w->others[i];
        if (!w->others[i].arrived) unused = &w->others[i];
    }
    if (w->others_used < SIMT_LANES) unused = &w->others[w->others_used++];
    unused->arrived = 0;
    unused->mask = mask;
    return unused;
}

void simt_warp(unsigned mask, simt_operation what, const void *in, void *out, const char *file, int line)
{
    simt_fiber *f = simt_running();
    simt_warp_state *w = &f->block->warps[f->warp];
    if (!(mask >> f->lane & 1))
        SIMT_BREACH(f, file, line, "%s by lane %u, which is not in its mask %08x", names[what], f->lane, mask);
    simt_group *g = group_of(w, mask);
    if (g->arrived && g->what != what)
        SIMT_BREACH(f, file, line, "lanes of one mask at different operations: lane %u at %s, others at %s (%s:%d)",
                    f->lane, names[what], names[g->what], g->file, g->line);
    g->what = what;
    g->file = file;
    g->line = line;
    g->arrived |= 1u << f->lane;
    f->in = in;
    f->out = out;
    char *token = &g->token[g->generation % 2];
    if (what == SIMT_SYNCWARP) simt_release(token);
    if (!complete(f->block, f->warp, g, f)) simt_wait(f, names[what], file, line);
    if (what == SIMT_SYNCWARP) simt_acquire(token);
}

void simt_warp_lane_ended(simt_block *b, unsigned warp, unsigned lane)
{
    simt_warp_state *w = &b->warps[warp];
    w->gone |= 1u << lane;
    if (w->full.arrived) complete(b, warp, &w->full, nullptr);
    for (unsigned i = 0; i < w->others_used; i++)
        if (w->others[i].arrived) complete(b, warp, &w->others[i], nullptr);
}

void simt_ldmatrix(uint32_t r[4], const void *row, bool transposed, const char *file, int line)
{
    const simt_operation what = transposed ? SIMT_LDMATRIX_TRANS : SIMT_LDMATRIX;
    simt_shared_check(simt_running(), row, names[what], file, line);
    simt_told_read(row, 16);
    const matrix_row in = {row};
    simt_warp(~0u, what, &in, r, file, line);
}
