/* tiny_model.h - a small random BERT in a folder of its own, for tests to load and to damage.
 *
 * Everything lives beneath a folder made by tiny_folder_make() in /tmp.  What cannot be done (no space, no memory) ends
 * the test program: it is no finding about the code under test. */
#ifndef TESTS_SUPPORT_TINY_MODEL_H
#define TESTS_SUPPORT_TINY_MODEL_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name, *dtype;
    int         rank;
    int64_t     shape[8];
    const void *data;  /* NULL: zeros */
    size_t      bytes;
} tiny_tensor;

/* A field left 0 or NULL has the value in brackets. */
typedef struct {
    int         layers, hidden, heads, inner; /* [2, 32, 4, 64] */
    int         words, positions;             /* [100] lines of vocab.txt, at least 58; [64] */
    const char *dtype;                        /* ["F32"], "F16", "BF16" */
    const char *prefix;                       /* [""], "bert." */
    int         labels;                       /* [0]: no classifier; else pooler and classifier for so many */
    int         pooler;                       /* 1: with the pooler that an embedding does not use */
    const char *pooling;                      /* [no modules.json], else "mean_tokens", "cls_token"... */
    int         normalize;                    /* 1: with a Normalize module */
    unsigned    seed;
} tiny_model;

char *tiny_folder_make(void);           /* the caller hands it to tiny_folder_remove() */
void  tiny_folder_remove(char *folder); /* with all that is in it */
char *tiny_path(const char *folder, const char *name); /* the caller's to free */

void  tiny_model_write(const char *folder, tiny_model m);

void  tiny_file_write(const char *folder, const char *name, const void *bytes, size_t n); /* makes folders on the way */
void  tiny_file_text(const char *folder, const char *name, const char *text);
char *tiny_file_read(const char *folder, const char *name, size_t *n); /* the caller's to free; a NUL follows */
void  tiny_file_remove(const char *folder, const char *name);
void tiny_file_patch(const char *folder, const char *name, const char *from, const char *to); /* first place; must be */

/* A file of these tensors, in this order, with its length; the caller's to free. */
uint8_t *tiny_safetensors(const tiny_tensor *t, int n, size_t *size);
/* The same from a header as it stands and `data` zeros, for headers that no writer would write. */
uint8_t *tiny_safetensors_raw(const char *header, size_t header_bytes, size_t data, size_t *size);
#endif
