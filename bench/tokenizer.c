/* tokenizer.c - tokens/s of one core.
 *
 * Without FILE the text is made here from the vocabulary's own English words, Zipf-distributed, 10 to 28 words a line,
 * so that the figure needs no download; a text of your own tells more. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "median.h"
#include "runtime/base/clock.h"
#include "runtime/text/tokenizer.h"

enum { TEXT_BYTES = 4 << 20, PIECE_BYTES = 10000, ROUNDS_MIN = 5, LINE_WORDS_MIN = 10, LINE_WORDS_SPREAD = 19 };
static const int64_t TIME_NS = 1500000000;

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((random_state >> 32) * n) >> 32);
}

static int is_word(const char *p)
{
    size_t n = strlen(p);
    if (n < 1 || n > 12) return 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 'a' || p[i] > 'z') return 0;
    return 1;
}

/* BERT's vocabulary is ordered by frequency: rank r is drawn about 1/r of the time. */
static size_t make_text(const tokenizer *t, char *text)
{
    const char **word = malloc((size_t)tokenizer_vocab_size(t) * sizeof *word);
    uint32_t n_words = 0;
    size_t   n = 0;
    for (int id = 0; word && id < tokenizer_vocab_size(t); id++)
        if (tokenizer_piece(t, id) && is_word(tokenizer_piece(t, id))) word[n_words++] = tokenizer_piece(t, id);
    while (n_words && n + 1024 < TEXT_BYTES) {
        uint32_t words = LINE_WORDS_MIN + random_below(LINE_WORDS_SPREAD);
        for (uint32_t w = 0; w < words; w++) {
            uint32_t limit = 1u + random_below(n_words), rank = random_below(limit);
            rank = random_below(rank + 1);
            size_t length = strlen(word[rank]);
            memcpy(text + n, word[rank], length);
            if (w == 0) text[n] = (char)(text[n] - 32);
            n += length;
            text[n++] = w + 1 < words ? (random_below(12) ? ' ' : ',') : '.';
            if (text[n - 1] == ',') text[n++] = ' ';
        }
        text[n++] = '\n';
    }
    free(word);
    return n;
}

typedef struct { size_t texts, bytes, ids; } work;

/* One pass; pieces 0: by line. */
static work pass(const tokenizer *t, const char *text, size_t n, size_t piece, int32_t *ids)
{
    work w = {0};
    for (size_t i = 0, j; i < n; i = piece ? j : j + 1) {
        if (piece) {
            for (j = i + piece < n ? i + piece : n; j < n && ((unsigned char)text[j] & 0xc0) == 0x80;) j++;
        } else {
            const char *end = memchr(text + i, '\n', n - i);
            j = end ? (size_t)(end - text) : n;
        }
        if (j == i) continue;
        w.ids += (size_t)tokenizer_encode(t, (text_view){text + i, j - i}, NULL, 0, CUT_RIGHT, ids, NULL, NULL);
        w.bytes += j - i;
        w.texts++;
    }
    return w;
}

static void time_passes(const tokenizer *t, const char *text, size_t n, size_t piece, int32_t *ids)
{
    double  seconds[1000], first = 0;
    int     rounds = 0;
    int64_t end_ns = clock_ns() + TIME_NS;
    work    w = {0};
    while (rounds < ROUNDS_MIN || (clock_ns() < end_ns && rounds < 1000)) {
        int64_t begun_ns = clock_ns();
        w = pass(t, text, n, piece, ids);
        seconds[rounds] = (double)(clock_ns() - begun_ns) * 1e-9;
        if (!rounds) first = seconds[0];
        rounds++;
    }
    double typical = median(seconds, rounds);
    printf("%-9s %7zu texts %9zu bytes %8zu tokens  median %6.1f Mtokens/s %6.1f MB/s %7.2f us/text  first pass %6.1f "
           "MB/s\n",
           piece ? "10 kB" : "lines", w.texts, w.bytes, w.ids, (double)w.ids / typical * 1e-6,
           (double)w.bytes / typical * 1e-6, typical / (double)w.texts * 1e6, (double)w.bytes / first * 1e-6);
}

static size_t read_text(const char *path, char *text)
{
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, TEXT_BYTES, f) : 0;
    if (f) fclose(f);
    return n;
}

int bench_tokenizer(const bench_options *o)
{
    directory *d;
    tokenizer *t = NULL;
    error err;
    if (!o->target) {
        fprintf(stderr, "usage: beeline-bench tokenizer DIR [FILE]\n");
        return 2;
    }
    int64_t begun_ns = clock_ns();
    status rc = directory_open(&d, o->target, &err);
    if (rc == OK) {
        rc = tokenizer_open(&t, d, &err);
        directory_close(d);
    }
    if (rc != OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("tokenizer %s, one thread, loaded in %.1f ms\n", o->target, (double)(clock_ns() - begun_ns) * 1e-6);
    char    *text = malloc(TEXT_BYTES);
    int32_t *ids = malloc(tokenizer_bound(TEXT_BYTES) * sizeof *ids);
    size_t   n = !text || !ids ? 0 : o->text ? read_text(o->text, text) : make_text(t, text);
    if (n) {
        time_passes(t, text, n, 0, ids);
        time_passes(t, text, n, PIECE_BYTES, ids);
    } else {
        fprintf(stderr, "no text to measure\n");
    }
    free(text);
    free(ids);
    tokenizer_close(t);
    return n ? 0 : 1;
}
