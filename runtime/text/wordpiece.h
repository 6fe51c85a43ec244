/* wordpiece.h - one segment of text (no added token in it) to word pieces, in one pass over its bytes.
 *
 *   UTF-8 -> clean, isolate ideographs, NFD, drop marks, lowercase -> one word buffer -> trie walk -> ids
 *
 * Constant memory on any input: a word above the limit of characters is one [UNK] whatever it holds, so nothing behind
 * that limit is kept.  Read-only after open: any thread. */
#ifndef RUNTIME_TEXT_WORDPIECE_H
#define RUNTIME_TEXT_WORDPIECE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tokenizer.h"
#include "trie.h"

enum { WORD_CHARS_MAX = 200 }; /* the largest max_input_chars_per_word; BERT's is 100 */

typedef struct { bool clean_text, isolate_cjk, strip_accents, lowercase; } normalizer_options;

typedef struct {
    trie     trie;
    int      rest;          /* the node after the continuing prefix "##", or TRIE_NONE */
    int      unk_id, word_chars;
    unsigned flag_mask;     /* which flags of unicode.h this normalizer looks at */
    uint8_t  ascii[128];    /* class, or 0x80 | lowercase letter */
} wordpiece;

status wordpiece_open(wordpiece *out, trie_piece *pieces, int n, const char *prefix, int unk_id, int word_chars,
                      normalizer_options normalizer, error *err);
void   wordpiece_close(wordpiece *w); /* {0} is fine */

/* ids [n + 1]; returns how many.  Never more than one a byte. */
int wordpiece_ids(const wordpiece *w, const char *text, size_t n, int32_t *ids);

/* The same with sources, as bytes from `text` plus `offset`.  -1: no memory for a run of combining marks. */
int wordpiece_spans(const wordpiece *w, const char *text, size_t n, int32_t offset, token_span *out);
#endif
