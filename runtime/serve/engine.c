#include "engine.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/model/weights.h"

static const char CUDA_LIBRARY[] = "libbeeline_cuda.so";

/* One sequence of the longest length touches all weights and wakes all threads. */
static status warm_up(engine *e, error *err)
{
    int n = e->description.max_tokens, vocab = tokenizer_vocab_size(e->tokens);
    int32_t *ids = malloc((size_t)n * sizeof *ids), starts[2] = {0, n};
    float   *row = malloc((size_t)backend_columns(&e->description) * sizeof *row);
    uint8_t  normalize = 1;
    batch    b = {.S = 1, .T = n, .longest = n, .ids = ids, .starts = starts, .normalize = &normalize};
    status   rc = ids && row ? OK : fail(err, NO_MEMORY, "no memory for a warm-up of %d tokens", n);
    for (int i = 0; rc == OK && i < n; i++) ids[i] = (int32_t)(((int64_t)i * 7919) % vocab);
    if (rc == OK) rc = backend_forward(e->ops, e->device, &b, row, err);
    free(ids);
    free(row);
    return rc;
}

/* A backend of its own device has run every shape when it opens; what is left is whether it is right. */
static status check_golden(const engine *e, error *err)
{
    const batch *in = golden_batch(e->golden);
    float *rows = malloc((size_t)in->S * (size_t)backend_columns(&e->description) * sizeof *rows);
    status rc = rows ? OK : fail(err, NO_MEMORY, "no memory for the golden rows");
    if (rc == OK) rc = backend_forward(e->ops, e->device, in, rows, err);
    if (rc == OK || rc == NOT_FINITE) rc = golden_check(e->golden, rows, err);
    free(rows);
    return rc;
}

static void note(const char *line)
{
    log_line(LOG_INFO, "device", "%s", line);
}

static status open_on(engine *e, const backend_ops *ops, const model *m, backend_reserve reserve, error *err)
{
    e->ops = ops;
    return ops->open(&e->device, m, reserve, err);
}

/* What was asked for; of ENGINE_AUTO the first that can be had. */
static status open_device(engine *e, const model *m, backend_reserve reserve, error *err)
{
    const backend_ops *cuda = e->options.cuda;
    if (e->options.backend == ENGINE_CPU) return open_on(e, &backend_cpu, m, reserve, err);
    status rc = cuda ? OK : backend_load(&cuda, CUDA_LIBRARY, err);
    const bool loaded = rc == OK;
    if (loaded) rc = open_on(e, cuda, m, reserve, err);
    const bool refused = loaded && rc == BAD_INPUT; /* the model; a library of another build is nobody's choice */
    if (rc != NOT_FOUND && !(refused && e->options.backend == ENGINE_AUTO)) return rc;
    const error why = *err;
    if (e->options.backend == ENGINE_CUDA)
        return fail(err, GPU_LOST, "--backend cuda, and there is no GPU to use: %.200s", why.text);
    log_line(refused ? LOG_WARN : LOG_INFO, "backend", "cpu, as %s: %s (--backend cpu says so, --backend cuda insists)",
             refused ? "the GPU does not run this model" : "there is no GPU to use", why.text);
    return open_on(e, &backend_cpu, m, reserve, err);
}

static status open_golden(engine *e, const model *m, backend_reserve reserve, error *err)
{
    const int64_t begun_ns = clock_ns();
    status rc = golden_open(&e->golden, m, reserve, tokenizer_vocab_size(e->tokens), e->ops->precision(e->device), err);
    if (rc == OK)
        log_line(LOG_INFO, "golden", "%d sequences, %d tokens on the fp32 CPU in %.0f ms", golden_batch(e->golden)->S,
                 golden_batch(e->golden)->T, (double)(clock_ns() - begun_ns) * 1e-6);
    return rc;
}

/* A head's logits have no route to leave by. */
static status check_task(const model_description *d, error *err)
{
    if (d->task == TASK_EMBED) return OK;
    return fail(err, BAD_INPUT, "%s: %s is not served yet, only embedding models are", d->name,
                d->task == TASK_RERANK ? "a reranker" : "a classifier");
}

static status load(engine *e, directory *d, error *err)
{
    model *m = NULL;
    status rc = tokenizer_open(&e->tokens, d, err);
    if (rc == OK) rc = model_open(&m, d, tokenizer_model_max_length(e->tokens), tokenizer_vocab_size(e->tokens), err);
    if (rc != OK) return rc;
    if (e->options.batch_tokens < m->description.max_tokens) e->options.batch_tokens = m->description.max_tokens;
    backend_reserve reserve = {.max_tokens = e->options.batch_tokens, .max_sequences = e->options.batch_sequences,
                               .threads = e->options.threads, .kernel = e->options.kernel,
                               .cache_dir = e->options.cache_dir, .note = note};
    rc = check_task(&m->description, err);
    if (rc == OK) rc = directory_digest(d, e->digest, err);
    if (rc == OK) rc = open_device(e, m, reserve, err);
    if (rc == OK && e->ops != &backend_cpu) rc = open_golden(e, m, reserve, err);
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
    if (rc == OK) rc = e->golden ? check_golden(e, err) : warm_up(e, err);
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
    golden_close(e->golden);
    description_free(&e->description);
    tokenizer_close(e->tokens);
    free(e);
}
