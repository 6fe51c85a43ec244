/* sentence.h - what sentence-transformers wrote beside config.json: pooling, length, prompts.
 *
 * Part of description_read(); for this folder only. */
#ifndef RUNTIME_MODEL_SENTENCE_H
#define RUNTIME_MODEL_SENTENCE_H
#include "description.h"

enum { SENTENCE_TOKENS_MIN = 4 /* a pair's template and one token */ };

/* m->shape is set; sets pooling, normalize, dimensions, prompts.  *limit (tokens) changes if a file states it.
 * On failure m may hold prompts: description_free() ends them. */
status sentence_read(model_description *m, int *limit, directory *d, error *err);
#endif
