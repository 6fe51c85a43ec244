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
    for (unsigned l = 0; l < SIMT_LANES; l++) memcpy(m[l], static_cast<const matrix_row *>(lanes[l].in)->row, sizeof m[l]);
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

/* Of 16-bit numbers; without branches, so that the compiler makes vectors of it. */
template <element_type type> static inline float widen(uint32_t h)
{
    if (type == ELEMENT_BF16) return half_float_of(h << 16);
    const uint32_t magnitude = h & 0x7fffu, normal = (magnitude << 13) + 0x38000000u;
    const uint32_t tiny = half_bits_of(static_cast<float>(static_cast<int32_t>(magnitude)) * 5.9604644775390625e-8f);
    const uint32_t x = magnitude < 0x400u ? tiny : magnitude < 0x7c00u ? normal : magnitude << 13 | 0x7f800000u;
    return half_float_of(x | (h & 0x8000u) << 16);
}

/* Fragments as the PTX ISA has them (mma.m16n8k16, .f16 and .bf16): lane l holds of a the rows l/4 and l/4 + 8, of b the
 * column l/4, of c the rows of a; in each two neighbours, beginning at l%4 * 2. */
template <element_type type> static void multiply(simt_fiber *lanes)
{
    uint32_t ah[16][16], bh[16][8]; /* [M,K], [K,N] */
    float    c[16][8];              /* [M,N] */
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        const simt_mma *in = static_cast<const simt_mma *>(lanes[l].in);
        const unsigned row = l / 4, column = l % 4 * 2;
        for (unsigned i = 0; i < 4; i++) {
            ah[row + i % 2 * 8][column + i / 2 * 8] = in->a[i] & 0xffffu;
            ah[row + i % 2 * 8][column + i / 2 * 8 + 1] = in->a[i] >> 16;
            c[row + i / 2 * 8][column + i % 2] = in->c[i];
        }
        for (unsigned i = 0; i < 2; i++) {
            bh[column + i * 8][row] = in->b[i] & 0xffffu;
            bh[column + i * 8 + 1][row] = in->b[i] >> 16;
        }
    }
    float a[16][16], b[16][8];
    for (unsigned i = 0; i < 256; i++) a[i / 16][i % 16] = widen<type>(ah[i / 16][i % 16]);
    for (unsigned i = 0; i < 128; i++) b[i / 8][i % 8] = widen<type>(bh[i / 8][i % 8]);
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 16; k++)
            for (unsigned j = 0; j < 8; j++) c[i][j] += a[i][k] * b[k][j];
    for (unsigned l = 0; l < SIMT_LANES; l++) {
        float *out = static_cast<float *>(lanes[l].out);
        for (unsigned i = 0; i < 4; i++) out[i] = c[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
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
                simt_breach(&lanes[l], g->file, g->line, "%s by lanes %08x: it takes all 32", names[g->what], g->arrived);
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
        simt_breach(f, file, line, "%s by lane %u, which is not in its mask %08x", names[what], f->lane, mask);
    simt_group *g = group_of(w, mask);
    if (g->arrived && g->what != what)
        simt_breach(f, file, line, "lanes of one mask at different operations: lane %u at %s, others at %s (%s:%d)", f->lane,
                    names[what], names[g->what], g->file, g->line);
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
