#include "engine.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/model/weights.h"

/* One sequence of the longest length touches all weights and wakes all threads: the first request pays for nothing. */
static status warm_up(engine *e, error *err)
{
    int n = e->description.max_tokens, vocab = tokenizer_vocab_size(e->tokens);
    int32_t *ids = malloc((size_t)n * sizeof *ids), starts[2] = {0, n};
    float   *row = malloc((size_t)e->description.dimensions * sizeof *row);
    uint8_t  normalize = 1;
    batch    b = {.S = 1, .T = n, .longest = n, .ids = ids, .starts = starts, .normalize = &normalize};
    status   rc = ids && row ? OK : fail(err, NO_MEMORY, "no memory for a warm-up of %d tokens", n);
    for (int i = 0; rc == OK && i < n; i++) ids[i] = (int32_t)(((int64_t)i * 7919) % vocab);
    if (rc == OK) rc = e->ops->forward(e->device, &b, row, err);
    for (int i = 0; rc == OK && i < e->description.dimensions; i++)
        if (!isfinite(row[i]))
            rc = fail(err, NOT_FINITE, "the warm-up gave a vector that is not finite at component %d", i);
    free(ids);
    free(row);
    return rc;
}

static status load(engine *e, directory *d, error *err)
{
    model *m = NULL;
    status rc = tokenizer_open(&e->tokens, d, err);
    if (rc == OK) rc = model_open(&m, d, tokenizer_model_max_length(e->tokens), tokenizer_vocab_size(e->tokens), err);
    if (rc != OK) return rc;
    if (e->options.batch_tokens < m->description.max_tokens) e->options.batch_tokens = m->description.max_tokens;
    backend_reserve reserve = {.max_tokens = e->options.batch_tokens, .max_sequences = e->options.batch_sequences,
                               .threads = e->options.threads, .kernel = e->options.kernel};
    rc = directory_digest(d, e->digest, err);
    if (rc == OK) rc = e->ops->open(&e->device, m, reserve, err);
    if (rc == OK) { /* the description outlives the weights */
        e->description = m->description;
        memset(&m->description, 0, sizeof m->description);
    }
    model_close(m);
    return rc;
}

status engine_open(engine **out, const char *dir, engine_options options, error *err)
{
    directory *d = NULL;
    engine *e = calloc(1, sizeof *e);
    int64_t begun_ns = clock_ns();
    *out = NULL;
    if (!e) return fail(err, NO_MEMORY, "%.150s: no memory", dir);
    e->ops = &backend_cpu;
    e->options = options;
    status rc = directory_open(&d, dir, err);
    if (rc == OK) rc = load(e, d, err);
    directory_close(d);
    int64_t loaded_ns = clock_ns();
    if (rc == OK) rc = warm_up(e, err);
    e->load_ns = loaded_ns - begun_ns;
    e->warm_ns = clock_ns() - loaded_ns;
    if (rc != OK) engine_close(e);
    else *out = e;
    return rc;
}

void engine_close(engine *e)
{
    if (!e) return;
    e->ops->close(e->device);
    description_free(&e->description);
    tokenizer_close(e->tokens);
    free(e);
}
