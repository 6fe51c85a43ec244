/* tokenizer.h - text to token ids, exactly as Hugging Face `tokenizers` 0.22 does for BERT, and back.
 *
 * raw text -> split on added tokens -> clean, isolate CJK, NFD, drop marks, lowercase -> words -> WordPiece
 * -> truncate (longest_first) -> template [CLS] A [SEP] ( B [SEP] ).
 * A tokenizer is read-only after open: any thread, no lock; tokenizer_encode() allocates nothing.
 * Text must be valid UTF-8 (see base/utf8.h); it is a length, so U+0000 is an ordinary (dropped) character. */
#ifndef RUNTIME_TEXT_TOKENIZER_H
#define RUNTIME_TEXT_TOKENIZER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "runtime/base/file.h"
#include "runtime/base/status.h"

typedef struct tokenizer tokenizer;
typedef struct { const char *p; size_t n; } text_view; /* n bytes at p, not owned */
typedef enum { CUT_RIGHT, CUT_LEFT } cut_side;

/* tokenizer.json, or vocab.txt + tokenizer_config.json.  Other kinds of tokenizer are refused by name. */
status tokenizer_open(tokenizer **out, directory *d, error *err);
void   tokenizer_close(tokenizer *t); /* NULL is fine */

int         tokenizer_vocab_size(const tokenizer *t);       /* highest id + 1, added tokens included */
int         tokenizer_model_max_length(const tokenizer *t); /* of tokenizer_config.json; 0: none stated */
const char *tokenizer_piece(const tokenizer *t, int32_t id); /* NULL when no token has this id */

/* One text, or a pair when b is not NULL; at most max_tokens ids with the template's (0: no limit; else at least 3, or
 * 4 for a pair).  ids [tokenizer_bound(a.n + b.n)], types (same size, may be NULL).  Returns the number of ids;
 * *full (may be NULL) is what it would have been without the cut. */
static inline size_t tokenizer_bound(size_t bytes) { return bytes + 3; }
int tokenizer_encode(const tokenizer *t, text_view a, const text_view *b, int max_tokens, cut_side side,
                     int32_t *ids, int8_t *types, int *full);

/* For /tokenize: the same ids with their source.  start, stop are UTF-8 bytes of `a` (of `b` for type 1); both -1 for
 * tokens of the template, and only they are `special`: one that a user typed is a token like any other.
 * out [tokenizer_bound(...)].  add_template false leaves [CLS] and [SEP] out.  -1: no memory (a long run of combining
 * marks is sorted with its ranges). */
typedef struct { int32_t id, start, stop; int8_t type, special; } token_span;
int tokenizer_spans(const tokenizer *t, text_view a, const text_view *b, int max_tokens, cut_side side,
                    bool add_template, token_span *out);

/* Writes the decoded text, at most cap bytes with the ending NUL, and returns how many bytes it wants without the NUL
 * (as snprintf does).  Unknown ids are skipped. */
size_t tokenizer_decode(const tokenizer *t, const int32_t *ids, int n, bool skip_special, char *out, size_t cap);
#endif
