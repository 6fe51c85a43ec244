/* fuzz_tokenizer.c - any bytes: a UTF-8 check, then both walkers must agree and keep their bounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nab\nabc\n##a\n##b\n##c\n##bc\n.\n,\n[\n]"
                            "\n\xe4\xb8\xad\n\xcc\x81\n##\xcc\x81\n\xe1\x84\x80\n##\xe1\x85\xa1\n"
                            "\xe3\x80\xae\n##\xe3\x80\xae\n##\xe3\x80\xaf\nm\n##as\n##k\n";

static tokenizer *open_small(void)
{
    char folder[] = "/tmp/beeline-fuzz-XXXXXX", path[64];
    tokenizer *t = NULL;
    directory *d;
    error err;
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    FILE *f = fopen(path, "w");
    if (!f || fputs(vocab, f) < 0 || fclose(f)) abort();
    if (directory_open(&d, folder, &err) != OK || tokenizer_open(&t, d, &err) != OK) abort();
    directory_close(d);
    unlink(path);
    rmdir(folder);
    return t;
}

static void demand(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tokenizer *t;
    if (!t) t = open_small();
    for (size_t i = 0, step; i < size; i += step)
        if (!(step = utf8_step(data + i, size - i))) return 0;
    text_view text = {(const char *)data, size};
    int32_t    *ids = malloc(tokenizer_bound(size) * sizeof *ids);
    token_span *spans = malloc(tokenizer_bound(size) * sizeof *spans);
    int full, n = tokenizer_encode(t, text, NULL, 0, CUT_RIGHT, ids, NULL, &full);
    demand(n == full && (size_t)n <= size + 2, "at most one token a byte");
    demand(tokenizer_spans(t, text, NULL, 0, CUT_RIGHT, true, spans) == n, "both walkers count alike");
    for (int i = 0; i < n; i++) {
        demand(ids[i] == spans[i].id && ids[i] >= 0 && ids[i] < tokenizer_vocab_size(t),
               "both walkers give the same ids");
        demand(spans[i].start == -1 ||
                   (spans[i].start >= 0 && spans[i].start <= spans[i].stop && (size_t)spans[i].stop <= size),
               "ranges lie inside");
    }
    int32_t head[8];
    memcpy(head, ids, (n < 5 ? (size_t)n : 5) * sizeof *head);
    if (n > 5) {
        demand(tokenizer_encode(t, text, NULL, 5, CUT_RIGHT, ids, NULL, NULL) == 5, "cut to five");
        demand(!memcmp(ids, head, 4 * sizeof *ids), "a cut keeps the front");
    }
    char decoded[64];
    tokenizer_decode(t, ids, n < 5 ? n : 5, true, decoded, sizeof decoded);
    free(ids);
    free(spans);
    return 0;
}
