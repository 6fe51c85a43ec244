/* embed_lines.c - `beeline embed DIR`: texts by line on stdin, a JSON object by line on stdout.
 *
 * Lines are gathered to a batch, computed in this thread and written in their order.  What /embed does by default holds
 * here too: the model's default prompt goes before a line, long lines are cut, vectors have length 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "commands.h"
#include "out.h"
#include "prompt.h"
#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"
#include "runtime/serve/engine.h"

typedef struct {
    engine  *e;
    int32_t *ids;       /* [batch_tokens] */
    int32_t *starts;    /* [batch_sequences + 1] */
    int32_t *full;      /* [batch_sequences]: tokens before the cut */
    uint8_t *normalize; /* [batch_sequences] */
    float   *rows;      /* [batch_sequences, dimensions] */
    int32_t *scratch;   /* ids of one line before the cut */
    size_t   scratch_ids;
    prompt_room room;
    int      S, longest;
    long     lines, bad;
    out      text;
    off_t    total, read; /* bytes of stdin when it is a file, else 0; bytes read */
    int64_t  begun_ns, shown_ns;
    bool     terminal;
} embedder;

enum { SHOW_EVERY_NS = 100000000, BAR = 30 };

static void show_progress(embedder *m, bool last)
{
    int64_t now_ns = clock_ns();
    if (!m->terminal || (!last && now_ns - m->shown_ns < SHOW_EVERY_NS)) return;
    m->shown_ns = now_ns;
    double seconds = (double)(now_ns - m->begun_ns) * 1e-9, rate = seconds > 0 ? (double)m->lines / seconds : 0;
    fprintf(stderr, "\r");
    if (m->total > 0) {
        int done = (int)((double)BAR * (double)m->read / (double)m->total);
        fprintf(stderr, "[%.*s%*s] %3.0f %%  ", done, "##############################", BAR - done, "",
                100.0 * (double)m->read / (double)m->total);
    }
    fprintf(stderr, "%ld texts, %.0f texts/s ", m->lines, rate);
    if (last) fprintf(stderr, "\n");
    fflush(stderr);
}

static status write_batch(embedder *m, error *err)
{
    const model_description *d = &m->e->description;
    batch b = {.S = m->S,
               .T = m->starts[m->S],
               .longest = m->longest,
               .ids = m->ids,
               .starts = m->starts,
               .normalize = m->normalize};
    status rc = m->S ? backend_forward(m->e->ops, m->e->device, &b, m->rows, err) : OK;
    if (rc != OK) return rc;
    m->text.n = 0;
    for (int s = 0; s < m->S; s++) {
        int tokens = m->starts[s + 1] - m->starts[s];
        out_format(&m->text, "{\"index\":%ld,\"tokens\":%d,\"truncated\":%s,\"embedding\":", m->lines++, tokens,
                   m->full[s] > tokens ? "true" : "false");
        out_floats(&m->text, m->rows + (size_t)s * (size_t)d->dimensions, d->dimensions);
        out_text(&m->text, "}\n");
    }
    m->S = m->longest = 0;
    if (m->text.failed) return fail(err, NO_MEMORY, "no memory for the lines of a batch");
    if (fwrite(m->text.p, 1, m->text.n, stdout) != m->text.n)
        return fail(err, IO_FAILED, "stdout: the line could not be written");
    show_progress(m, false);
    return OK;
}

/* A line without a vector keeps its place. */
static status write_refusal(embedder *m, const char *why, error *err)
{
    status rc = write_batch(m, err);
    if (rc != OK) return rc;
    m->bad++;
    if (printf("{\"index\":%ld,\"error\":\"%s\"}\n", m->lines++, why) < 0)
        return fail(err, IO_FAILED, "stdout: the line could not be written");
    return OK;
}

static const char *refusal_of(const char *line, size_t n)
{
    if (!n) return "empty line";
    for (size_t i = 0, step; i < n; i += step)
        if (!(step = utf8_step((const unsigned char *)line + i, n - i))) return "not valid UTF-8";
    return NULL;
}

static status take_line(embedder *m, const char *line, size_t n, error *err)
{
    const engine *e = m->e;
    text_view text = {line, n};
    int full, tokens;
    status rc = prompt_join(&text, &m->room, prompt_default(&e->description), err);
    if (rc != OK) return rc;
    if (tokenizer_bound(text.n) > m->scratch_ids) {
        size_t want = tokenizer_bound(text.n) * 2;
        int32_t *grown = realloc(m->scratch, want * sizeof *grown);
        if (!grown) return fail(err, NO_MEMORY, "no memory for a line of %zu bytes", n);
        m->scratch = grown;
        m->scratch_ids = want;
    }
    tokens = tokenizer_encode(e->tokens, text, NULL, e->description.max_tokens, CUT_RIGHT, m->scratch,
                              NULL, &full);
    if (m->S == e->options.batch_sequences || m->starts[m->S] + tokens > e->options.batch_tokens) {
        rc = write_batch(m, err);
        if (rc != OK) return rc;
    }
    if (tokens > m->longest) m->longest = tokens;
    memcpy(m->ids + m->starts[m->S], m->scratch, (size_t)tokens * sizeof *m->ids);
    m->full[m->S] = full;
    m->normalize[m->S] = 1;
    m->S++;
    m->starts[m->S] = m->starts[m->S - 1] + tokens;
    return OK;
}

static status read_all(embedder *m, error *err)
{
    char  *line = NULL;
    size_t space = 0;
    status rc = OK;
    for (ssize_t n; rc == OK && (n = getline(&line, &space, stdin)) > 0;) {
        m->read += n;
        if (line[n - 1] == '\n') n--;
        if (n && line[n - 1] == '\r') n--;
        const char *why = refusal_of(line, (size_t)n);
        rc = why ? write_refusal(m, why, err) : take_line(m, line, (size_t)n, err);
    }
    free(line);
    if (rc == OK) rc = write_batch(m, err);
    if (rc == OK && ferror(stdin)) rc = fail(err, IO_FAILED, "stdin: could not be read to its end");
    if (rc == OK && fflush(stdout)) rc = fail(err, IO_FAILED, "stdout: the lines could not be written");
    return rc;
}

static status reserve(embedder *m, error *err)
{
    size_t S = (size_t)m->e->options.batch_sequences;
    m->ids = malloc((size_t)m->e->options.batch_tokens * sizeof *m->ids);
    m->starts = calloc(S + 1, sizeof *m->starts);
    m->full = malloc(S * sizeof *m->full);
    m->normalize = malloc(S);
    m->rows = malloc(S * (size_t)m->e->description.dimensions * sizeof *m->rows);
    if (m->ids && m->starts && m->full && m->normalize && m->rows) return OK;
    return fail(err, NO_MEMORY, "no memory for batches of %d tokens", m->e->options.batch_tokens);
}

static void release(embedder *m)
{
    free(m->ids);
    free(m->starts);
    free(m->full);
    free(m->normalize);
    free(m->rows);
    free(m->scratch);
    prompt_room_free(&m->room);
    out_free(&m->text);
    engine_close(m->e);
}

int embed_command(const options *o, const char *dir)
{
    embedder m = {.begun_ns = clock_ns(), .terminal = isatty(STDERR_FILENO)};
    struct stat in;
    error err;
    if (!fstat(STDIN_FILENO, &in) && S_ISREG(in.st_mode)) m.total = in.st_size;
    status rc = engine_from_options(&m.e, o, dir, &err);
    const int refusal = engine_refused(rc);
    if (rc == OK) rc = reserve(&m, &err);
    if (rc == OK) {
        m.begun_ns = clock_ns();
        rc = read_all(&m, &err);
        show_progress(&m, true);
    }
    if (rc != OK) fprintf(stderr, "beeline: %s\n", err.text);
    if (m.bad) fprintf(stderr, "beeline: %ld of %ld lines have no vector\n", m.bad, m.lines);
    if (rc == GPU_LOST) return m.e ? EXIT_GPU_FAILED : refusal; /* a lost device may not let itself be closed */
    release(&m);
    return rc != OK || m.bad ? EXIT_REFUSED : EXIT_OK;
}
