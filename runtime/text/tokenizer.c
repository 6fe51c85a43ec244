/* tokenizer.c - segments between added tokens, the cut to a length, the template, and the way back to text. */
#include "tokenizer.h"
#include <string.h>
#include "tokenizer_parts.h"

enum { TEMPLATE_ONE = 2, TEMPLATE_PAIR = 3 };

int tokenizer_vocab_size(const tokenizer *t) { return t->size; }
int tokenizer_model_max_length(const tokenizer *t) { return t->model_max_length; }

const char *tokenizer_piece(const tokenizer *t, int32_t id) { return id >= 0 && id < t->size ? t->piece[id].p : NULL; }

/* How many tokens each side keeps.  longest_first as in Hugging Face tokenizers up to 0.22 (utils/truncation.rs). */
static void keep_of(int room, bool pair, int *a, int *b)
{
    if (*a + *b <= room) return;
    if (!pair) {
        *a = room;
        return;
    }
    bool a_is_shorter = *a <= *b;
    int  shorter = a_is_shorter ? *a : *b, longer;
    if (shorter > room) longer = shorter;
    else longer = shorter > room - shorter ? shorter : room - shorter;
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = room - shorter;
    }
    *a = a_is_shorter ? shorter : longer;
    *b = a_is_shorter ? longer : shorter;
}

static int ids_of(const tokenizer *t, text_view text, int32_t *ids)
{
    size_t from = 0;
    int    n = 0;
    for (added_match m; added_find(&t->added, text.p, text.n, from, &m); from = m.stop) {
        n += wordpiece_ids(&t->words, text.p + from, m.start - from, ids + n);
        ids[n++] = m.token->id;
    }
    return n + wordpiece_ids(&t->words, text.p + from, text.n - from, ids + n);
}

int tokenizer_encode(const tokenizer *t, text_view a, const text_view *b, int max_tokens, cut_side side, int32_t *ids,
                     int8_t *types, int *full)
{
    int n_a = ids_of(t, a, ids + 1), n_b = b ? ids_of(t, *b, ids + 1 + n_a) : 0,
        framing = b ? TEMPLATE_PAIR : TEMPLATE_ONE;
    int keep_a = n_a, keep_b = n_b, n = 0;
    if (full) *full = n_a + n_b + framing;
    if (max_tokens) keep_of(max_tokens - framing, b, &keep_a, &keep_b);

    const int32_t *first_b = ids + 1 + n_a + (side == CUT_LEFT ? n_b - keep_b : 0);
    ids[n++] = t->cls_id;
    if (side == CUT_LEFT) memmove(ids + n, ids + n + n_a - keep_a, (size_t)keep_a * sizeof *ids);
    n += keep_a;
    if (b) { /* B moves before the separator takes its place */
        memmove(ids + n + 1, first_b, (size_t)keep_b * sizeof *ids);
        ids[n++] = t->sep_id;
        if (types) memset(types, 0, (size_t)n);
        if (types) memset(types + n, 1, (size_t)keep_b + 1);
        n += keep_b;
    } else if (types) {
        memset(types, 0, (size_t)n + 1);
    }
    ids[n++] = t->sep_id;
    return n;
}

static int spans_of(const tokenizer *t, text_view text, token_span *out)
{
    size_t from = 0;
    int    n = 0, more;
    for (added_match m; added_find(&t->added, text.p, text.n, from, &m); from = m.stop) {
        if ((more = wordpiece_spans(&t->words, text.p + from, m.start - from, (int32_t)from, out + n)) < 0) return -1;
        n += more;
        out[n++] = (token_span){.id = m.token->id, .start = (int32_t)m.start, .stop = (int32_t)m.stop};
    }
    if ((more = wordpiece_spans(&t->words, text.p + from, text.n - from, (int32_t)from, out + n)) < 0) return -1;
    return n + more;
}

int tokenizer_spans(const tokenizer *t, text_view a, const text_view *b, int max_tokens, cut_side side,
                    bool add_template, token_span *out)
{
    const int at = add_template; /* place for [CLS] */
    int n_a = spans_of(t, a, out + at), n_b = b && n_a >= 0 ? spans_of(t, *b, out + at + n_a) : 0;
    if (n_a < 0 || n_b < 0) return -1;
    int keep_a = n_a, keep_b = n_b, n = 0;
    if (max_tokens) keep_of(max_tokens - (!add_template ? 0 : b ? TEMPLATE_PAIR : TEMPLATE_ONE), b, &keep_a, &keep_b);

    const token_span cls = {.id = t->cls_id, .start = -1, .stop = -1, .special = 1};
    token_span sep = {.id = t->sep_id, .start = -1, .stop = -1, .special = 1};
    const token_span *first_b = out + at + n_a + (side == CUT_LEFT ? n_b - keep_b : 0);
    if (add_template) out[n++] = cls;
    if (side == CUT_LEFT) memmove(out + n, out + n + n_a - keep_a, (size_t)keep_a * sizeof *out);
    n += keep_a;
    if (b) {
        memmove(out + n + at, first_b, (size_t)keep_b * sizeof *out);
        if (add_template) out[n++] = sep;
        for (int i = 0; i < keep_b; i++) out[n + i].type = 1;
        n += keep_b;
        sep.type = 1;
    }
    if (add_template) out[n++] = sep;
    return n;
}

typedef struct { char *p; size_t n, cap; } writer; /* n: wanted; at most cap - 1 are written */

static void put(writer *w, const char *p, size_t n)
{
    if (w->n < w->cap) memcpy(w->p + w->n, p, n < w->cap - w->n ? n : w->cap - w->n);
    w->n += n;
}

/* Before these the decoder's cleanup leaves no blank.  Piece by piece, so its rules that need a neighbour never apply.
 */
static bool takes_no_blank(const char *p)
{
    static const char *const starts[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(p, starts[i], strlen(starts[i]))) return true;
    return false;
}

size_t tokenizer_decode(const tokenizer *t, const int32_t *ids, int n, bool skip_special, char *out, size_t cap)
{
    writer w = {out, 0, cap};
    bool first = true;
    for (int i = 0; i < n; i++) {
        if (!tokenizer_piece(t, ids[i])) continue;
        const piece_text *k = &t->piece[ids[i]];
        if (skip_special && k->special) continue;
        bool joined = !first && !strncmp(k->p, t->prefix, t->prefix_bytes);
        size_t skip = joined ? t->prefix_bytes : 0;
        if (!first && !joined && !(t->cleanup && takes_no_blank(k->p))) put(&w, " ", 1);
        put(&w, k->p + skip, (size_t)k->n - skip);
        first = false;
    }
    if (cap) out[w.n < cap ? w.n : cap - 1] = 0;
    return w.n;
}
