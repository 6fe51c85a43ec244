/* wordpiece.c - one walker, compiled twice: for ids alone, and for ids with their source ranges.
 *
 * `walk` tells the two apart by a constant, so the serving path carries no range and no branch for it.
 * Combining marks of class above 0 are sorted into canonical order.  Almost all are then dropped, so the path for ids
 * holds only the few that stay; the path for ranges holds all, because ranges follow positions: in a sorted run the
 * k-th character that stands for a source character takes the k-th source range (as Hugging Face's normalizer does). */
#include "wordpiece.h"
#include <stdlib.h>
#include <string.h>
#include "unicode.h"

#define INLINE static inline __attribute__((always_inline))
enum { ASCII_DROP, ASCII_SPACE, ASCII_PUNCT, ASCII_WORD = 0x80 };
enum { CHARACTER_BYTES = 4 };

typedef struct { int32_t start, stop; } range; /* bytes of the source */
typedef struct {
    uint32_t c;
    uint8_t klass;
    bool extra;
} mark; /* extra: a decomposition gave it, no character of the source */

/* What only the walk with ranges has. */
typedef struct {
    token_span *out;
    range first, last, emitted; /* of the open word's first and last character; of the last starter or mark released */
    range       byte[CHARACTER_BYTES * (WORD_CHARS_MAX + 1)];
    mark       *marks, *sorted;       /* [capacity] */
    range      *sources;              /* [capacity] of the held marks that are not extra */
    int         n_sources, capacity;
    bool        failed;
} ranges;

typedef struct {
    const wordpiece *w;
    int      bytes, chars;  /* of the open word; chars goes on counting above the limit */
    int      held;          /* marks that await canonical ordering */
    int32_t *out;
    ranges  *r;             /* NULL in the walk for ids */
    char     word[CHARACTER_BYTES * (WORD_CHARS_MAX + 1)];
    mark     hold[WORD_CHARS_MAX + 1];
} walk;

INLINE void give(walk *s, int32_t id, range source, bool with_ranges)
{
    if (with_ranges) *s->r->out++ = (token_span){.id = id, .start = source.start, .stop = source.stop};
    else *s->out++ = id;
}

INLINE void end_word(walk *s, bool with_ranges)
{
    if (!s->chars) return;
    const wordpiece *w = s->w;
    int32_t    *ids = s->out;
    token_span *spans = with_ranges ? s->r->out : NULL;
    int  from = TRIE_ROOT, i = 0, n = s->bytes;
    bool known = s->chars <= w->word_chars;
    while (known && i < n) { /* the longest piece from i on */
        int node = from, id = -1, end = i;
        for (int j = i; j < n;) {
            node = trie_step(&w->trie, node, (uint8_t)s->word[j++]);
            if (node == TRIE_NONE) break;
            if (w->trie.cell[node].id >= 0) {
                id = w->trie.cell[node].id;
                end = j;
            }
        }
        known = id >= 0;
        if (known)
            give(s, id, with_ranges ? (range){s->r->byte[i].start, s->r->byte[end - 1].stop} : (range){0, 0},
                 with_ranges);
        i = end;
        from = w->rest;
    }
    if (!known) { /* the whole word is one unknown */
        if (with_ranges) s->r->out = spans;
        else s->out = ids;
        give(s, w->unk_id, with_ranges ? (range){s->r->first.start, s->r->last.stop} : (range){0, 0}, with_ranges);
    }
    s->bytes = s->chars = 0;
}

static inline int put_utf8(char *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 63));
        p[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    p[0] = (char)(0xf0 | c >> 18);
    p[1] = (char)(0x80 | (c >> 12 & 63));
    p[2] = (char)(0x80 | (c >> 6 & 63));
    p[3] = (char)(0x80 | (c & 63));
    return 4;
}

INLINE void put(walk *s, uint32_t c, range source, bool with_ranges)
{
    if (with_ranges) {
        if (!s->chars) s->r->first = source;
        s->r->last = source;
    }
    if (s->chars++ >= s->w->word_chars) return;
    int n = put_utf8(s->word + s->bytes, c);
    if (with_ranges)
        for (int i = 0; i < n; i++) s->r->byte[s->bytes + i] = source;
    s->bytes += n;
}

/* A decomposed character in its final place: lowercase, then a letter or a word of punctuation. */
INLINE void emit(walk *s, uint32_t c, range source, bool with_ranges)
{
    unsigned f = unicode_flags(c) & s->w->flag_mask;
    if (f & UNICODE_MARK) return;
    if (f & UNICODE_LOWER) {
        bool dotted = c == 0x130; /* the one character whose lowercase is two: i, U+0307 */
        c = unicode_lower(c);
        if (dotted) {
            put(s, c, source, with_ranges);
            c = 0x307;
        }
        f = unicode_flags(c) & s->w->flag_mask;
    }
    if (f & UNICODE_PUNCT) end_word(s, with_ranges);
    put(s, c, source, with_ranges);
    if (f & UNICODE_PUNCT) end_word(s, with_ranges);
}

/* Stable by class, by insertion: what stays of a run is short, and beyond a word's limit only its length counts. */
static void release_ids(walk *s)
{
    int n = s->held < WORD_CHARS_MAX + 1 ? s->held : WORD_CHARS_MAX + 1;
    for (int i = 1; i < n; i++)
        for (int j = i; j && s->hold[j - 1].klass > s->hold[j].klass; j--) {
            mark m = s->hold[j];
            s->hold[j] = s->hold[j - 1];
            s->hold[j - 1] = m;
        }
    for (int i = 0; i < n; i++) emit(s, s->hold[i].c, (range){0, 0}, false);
    s->chars += s->held - n;
    s->held = 0;
}

/* Stable by class, by counting: linear however long the run is. */
static void release_ranges(walk *s)
{
    ranges *r = s->r;
    int start[257] = {0}, next = 0;
    for (int i = 0; i < s->held; i++) start[r->marks[i].klass + 1]++;
    for (int k = 0; k < 256; k++) start[k + 1] += start[k];
    for (int i = 0; i < s->held; i++) r->sorted[start[r->marks[i].klass]++] = r->marks[i];
    for (int i = 0; i < s->held; i++) {
        if (!r->sorted[i].extra) r->emitted = r->sources[next++];
        emit(s, r->sorted[i].c, r->emitted, true);
    }
    s->held = r->n_sources = 0;
}

INLINE void release(walk *s, bool with_ranges)
{
    if (!s->held) return;
    if (with_ranges) release_ranges(s);
    else release_ids(s);
}

static bool hold_with_range(walk *s, mark m, range source)
{
    ranges *r = s->r;
    if (s->held == r->capacity) {
        int    capacity = r->capacity ? r->capacity * 2 : 64;
        mark  *marks = realloc(r->marks, (size_t)capacity * sizeof *marks);
        if (marks) r->marks = marks;
        mark  *sorted = realloc(r->sorted, (size_t)capacity * sizeof *sorted);
        if (sorted) r->sorted = sorted;
        range *sources = realloc(r->sources, (size_t)capacity * sizeof *sources);
        if (sources) r->sources = sources;
        if (!marks || !sorted || !sources) return false;
        r->capacity = capacity;
    }
    r->marks[s->held++] = m;
    if (!m.extra) r->sources[r->n_sources++] = source;
    return true;
}

INLINE void decomposed(walk *s, uint32_t c, bool extra, range source, bool with_ranges)
{
    unsigned f = unicode_flags(c) & s->w->flag_mask;
    if (!(f & UNICODE_CCC)) {
        release(s, with_ranges);
        if (with_ranges && !extra) s->r->emitted = source;
        emit(s, c, with_ranges ? s->r->emitted : source, with_ranges);
        return;
    }
    if (with_ranges) {
        if (!hold_with_range(s, (mark){c, unicode_combining_class(c), extra}, source)) s->r->failed = true;
        return;
    }
    if (f & UNICODE_MARK) return; /* dropped wherever it would be sorted to */
    if (s->held < WORD_CHARS_MAX + 1) s->hold[s->held] = (mark){c, unicode_combining_class(c), extra};
    s->held++;
}

/* A character outside ASCII. */
INLINE void other(walk *s, uint32_t c, range source, bool with_ranges)
{
    unsigned f = unicode_flags(c) & s->w->flag_mask;
    if (!f) {
        release(s, with_ranges);
        if (with_ranges) s->r->emitted = source;
        put(s, c, source, with_ranges);
        return;
    }
    if (f & UNICODE_DROP) return; /* does not even end a run of marks */
    if (f & (UNICODE_SPACE | UNICODE_CJK)) {
        release(s, with_ranges);
        end_word(s, with_ranges);
        if (f & UNICODE_SPACE) return;
    }
    if (f & UNICODE_NFD) {
        uint32_t part[UNICODE_NFD_MAX];
        int n = unicode_decompose(c, part);
        for (int i = 0; i < n; i++) decomposed(s, part[i], i > 0, source, with_ranges);
    } else {
        decomposed(s, c, false, source, with_ranges);
    }
    if (f & UNICODE_CJK) {
        release(s, with_ranges);
        end_word(s, with_ranges);
    }
}

static void other_ids(walk *s, uint32_t c) { other(s, c, (range){0, 0}, false); }
static void other_ranges(walk *s, uint32_t c, range source) { other(s, c, source, true); }

/* Letters of ASCII up to the first byte that is none; returns where that is. */
INLINE const uint8_t *put_letters(walk *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *ascii = s->w->ascii, *from = p;
    int   room = s->chars < s->w->word_chars ? s->w->word_chars - s->chars : 0;
    const uint8_t *stop = end - p > room ? p + room : end;
    char *word = s->word + s->bytes;
    while (p < stop && *p < 0x80 && ascii[*p] >= ASCII_WORD) *word++ = (char)(ascii[*p++] & 0x7f);
    s->bytes = (int)(word - s->word);
    if (p == stop)
        while (p < end && *p < 0x80 && ascii[*p] >= ASCII_WORD) p++;
    s->chars += (int)(p - from);
    return p;
}

INLINE void run(walk *s, const uint8_t *p, const uint8_t *end, const uint8_t *base, int32_t offset, bool with_ranges)
{
    const uint8_t *ascii = s->w->ascii;
    while (p < end) {
        int32_t at = with_ranges ? (int32_t)(p - base) + offset : 0;
        if (*p >= 0x80) {
            uint32_t c = unicode_next(&p);
            if (with_ranges) other_ranges(s, c, (range){at, (int32_t)(p - base) + offset});
            else other_ids(s, c);
            continue;
        }
        unsigned class = ascii[*p];
        if (class >= ASCII_WORD) {
            release(s, with_ranges);
            if (with_ranges) {
                s->r->emitted = (range){at, at + 1};
                put(s, class & 0x7f, s->r->emitted, true);
                p++;
            } else {
                p = put_letters(s, p, end);
            }
            continue;
        }
        if (class != ASCII_DROP) {
            release(s, with_ranges);
            end_word(s, with_ranges);
        }
        if (class == ASCII_PUNCT) {
            put(s, *p, (range){at, at + 1}, with_ranges);
            end_word(s, with_ranges);
        }
        p++;
    }
    release(s, with_ranges);
    end_word(s, with_ranges);
}

int wordpiece_ids(const wordpiece *w, const char *text, size_t n, int32_t *ids)
{
    const uint8_t *p = (const uint8_t *)text;
    walk s; /* its buffers need no clearing */
    s.w = w;
    s.bytes = s.chars = s.held = 0;
    s.out = ids;
    s.r = NULL;
    run(&s, p, p + n, p, 0, false);
    return (int)(s.out - ids);
}

int wordpiece_spans(const wordpiece *w, const char *text, size_t n, int32_t offset, token_span *out)
{
    const uint8_t *p = (const uint8_t *)text;
    ranges r;
    walk   s;
    r.out = out;
    r.marks = r.sorted = NULL;
    r.sources = NULL;
    r.n_sources = r.capacity = 0;
    r.failed = false;
    r.first = r.last = r.emitted = (range){offset, offset};
    s.w = w;
    s.bytes = s.chars = s.held = 0;
    s.out = NULL;
    s.r = &r;
    run(&s, p, p + n, p, offset, true);
    free(r.marks);
    free(r.sorted);
    free(r.sources);
    return r.failed ? -1 : (int)(r.out - out);
}

static unsigned flag_mask(normalizer_options o)
{
    unsigned mask = UNICODE_SPACE | UNICODE_PUNCT;
    if (o.clean_text) mask |= UNICODE_DROP;
    if (o.isolate_cjk) mask |= UNICODE_CJK;
    if (o.strip_accents) mask |= UNICODE_NFD | UNICODE_MARK | UNICODE_CCC;
    if (o.lowercase) mask |= UNICODE_LOWER;
    return mask;
}

static uint8_t ascii_class(unsigned c, unsigned mask)
{
    unsigned f = unicode_flags(c) & mask;
    if (f & UNICODE_DROP) return ASCII_DROP;
    if (f & UNICODE_SPACE) return ASCII_SPACE;
    if (f & UNICODE_PUNCT) return ASCII_PUNCT;
    return (uint8_t)(ASCII_WORD | (f & UNICODE_LOWER ? unicode_lower(c) : c));
}

status wordpiece_open(wordpiece *out, trie_piece *pieces, int n, const char *prefix, int unk_id, int word_chars,
                      normalizer_options normalizer, error *err)
{
    *out =
        (wordpiece){.rest = TRIE_ROOT, .unk_id = unk_id, .word_chars = word_chars, .flag_mask = flag_mask(normalizer)};
    if (word_chars < 1 || word_chars > WORD_CHARS_MAX)
        return fail(err, BAD_INPUT, "max_input_chars_per_word is %d, wanted 1 to %d", word_chars, WORD_CHARS_MAX);
    status rc = trie_build(&out->trie, pieces, n, err);
    if (rc != OK) return rc;
    for (const char *c = prefix; *c; c++) out->rest = trie_step(&out->trie, out->rest, (uint8_t)*c);
    for (unsigned c = 0; c < 128; c++) out->ascii[c] = ascii_class(c, out->flag_mask);
    return OK;
}

void wordpiece_close(wordpiece *w)
{
    trie_free(&w->trie);
    *w = (wordpiece){0};
}
