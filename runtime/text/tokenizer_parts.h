/* tokenizer_parts.h - what a tokenizer is made of: filled by tokenizer_load.c, read by tokenizer.c; nobody else's. */
#ifndef RUNTIME_TEXT_TOKENIZER_PARTS_H
#define RUNTIME_TEXT_TOKENIZER_PARTS_H
#include "added.h"
#include "tokenizer.h"
#include "wordpiece.h"

typedef struct { char *p; int n; bool special; } piece_text; /* p NULL: no token has this id; a NUL follows */

struct tokenizer {
    wordpiece    words;
    added_tokens added;
    piece_text  *piece;  /* [size], by id */
    int          size;
    int32_t      cls_id, sep_id;
    int          model_max_length;
    char        *prefix; /* "##" */
    size_t       prefix_bytes;
    bool         cleanup; /* of the decoder */
};
#endif
