/* added.h - added tokens ("[SEP]" typed by a user): found in the raw text, before anything is normalized.
 *
 * Leftmost, then longest; case-sensitive; inside words.  Read-only once filled: any thread. */
#ifndef RUNTIME_TEXT_ADDED_H
#define RUNTIME_TEXT_ADDED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *p; /* n bytes, owned by the tokenizer */
    size_t      n;
    int32_t     id;
    bool        special, left_strip, right_strip, single_word; /* as in tokenizer.json */
} added_token;

typedef struct {
    added_token *token; /* [n], longest first */
    int          n;
    bool         first[256]; /* bytes with which a token begins */
    int          only_first; /* the one such byte, or -1 */
} added_tokens;

typedef struct { size_t start, stop; const added_token *token; } added_match; /* swallowed blanks included */

/* Sorts a->token [a->n] and prepares the search. */
void added_prepare(added_tokens *a);
/* The next match at or behind `from`; false when there is none.  Blanks before `from` belong to others. */
bool added_find(const added_tokens *a, const char *text, size_t n, size_t from, added_match *out);
#endif
