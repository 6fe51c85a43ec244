#include "added.h"
#include <stdlib.h>
#include <string.h>
#include "unicode.h"

static int longest_first(const void *a, const void *b)
{
    const added_token *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : 0;
}

void added_prepare(added_tokens *a)
{
    int firsts = 0;
    memset(a->first, 0, sizeof a->first);
    a->only_first = -1;
    if (a->n) qsort(a->token, (size_t)a->n, sizeof *a->token, longest_first);
    for (int i = 0; i < a->n; i++) {
        unsigned char c = (unsigned char)a->token[i].p[0];
        firsts += !a->first[c];
        a->first[c] = true;
        a->only_first = firsts == 1 ? c : -1;
    }
}

static const char *next_candidate(const added_tokens *a, const char *p, const char *end)
{
    if (a->only_first >= 0) {
        p = memchr(p, a->only_first, (size_t)(end - p));
        return p ? p : end;
    }
    while (p < end && !a->first[(unsigned char)*p]) p++;
    return p;
}

/* The character that ends before p. */
static uint32_t character_before(const char *p)
{
    do p--;
    while (((unsigned char)*p & 0xc0) == 0x80);
    const unsigned char *q = (const unsigned char *)p;
    return unicode_next(&q);
}

static uint32_t character_at(const char *p, const char **next)
{
    const unsigned char *q = (const unsigned char *)p;
    uint32_t c = unicode_next(&q);
    *next = (const char *)q;
    return c;
}

static bool beside_word(const char *text, const char *end, const char *p, size_t n)
{
    const char *next;
    return (p > text && unicode_is_word(character_before(p))) ||
           (p + n < end && unicode_is_word(character_at(p + n, &next)));
}

static bool is_space(uint32_t c) { return unicode_flags(c) & UNICODE_SPACE; }

bool added_find(const added_tokens *a, const char *text, size_t n, size_t from, added_match *out)
{
    const char *end = text + n, *p = text + from;
    if (!a->n) return false;
    while ((p = next_candidate(a, p, end)) < end) {
        const added_token *t = NULL;
        for (int i = 0; i < a->n && !t; i++)
            if ((size_t)(end - p) >= a->token[i].n && !memcmp(p, a->token[i].p, a->token[i].n)) t = &a->token[i];
        if (!t) {
            p++;
            continue;
        }
        if (t->single_word && beside_word(text, end, p, t->n)) {
            p += t->n;
            continue;
        }
        const char *start = p, *stop = p + t->n, *next;
        while (t->left_strip && start > text + from && is_space(character_before(start)))
            do start--;
            while (((unsigned char)*start & 0xc0) == 0x80);
        while (t->right_strip && stop < end && is_space(character_at(stop, &next))) stop = next;
        *out = (added_match){(size_t)(start - text), (size_t)(stop - text), t};
        return true;
    }
    return false;
}
