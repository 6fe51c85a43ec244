#include "engine.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/model/weights.h"
#include "stopwatch.h"

static const char CUDA_LIBRARY[] = "libbeeline_cuda.so";

static const double RANK_AGREEMENT = 0.98; /* of a manifest's golden cases */

enum {
    SEED_RUNS = 3,
    SEED_LEAST = 16,     /* tokens: a short query */
    SEED_SHORT = 64,     /* of the sequences in the shapes with many */
    SEED_NS = 250000000, /* for all shapes, on a CPU */
    SEED_SHAPES = 4
};

/* `tokens` as short sequences, as many as a batch may have; fewer tokens where those cannot be long enough. */
static service_row many_short(const engine *e, int tokens)
{
    const int longest = e->description.max_tokens, room = e->options.batch_sequences;
    const int each = SEED_SHORT < longest ? SEED_SHORT : longest, wanted = (tokens + each - 1) / each;
    const int sequences = wanted < room ? wanted : room;
    return (service_row){.tokens = tokens / longest < sequences ? tokens : sequences * longest, .sequences = sequences};
}

/* The service times that an engine knows of itself.  One sequence of the longest length comes first: it is the warm-up
 * that touches all weights and wakes all threads, and on a CPU that is slow for the model it is all there is time for.
 * A device of its own needs no limit, and so makes the same calls at each start. */
static status measure_seed(engine *e, error *err)
{
    const int longest = e->description.max_tokens, least = SEED_LEAST < longest ? SEED_LEAST : longest;
    service_row shapes[SEED_SHAPES] = {{.tokens = least, .sequences = 1},
                                       {.tokens = longest, .sequences = 1},
                                       many_short(e, longest),
                                       many_short(e, e->options.batch_tokens)}; /* ascending; some may be the same */
    const int64_t until_ns = e->golden ? INT64_MAX : clock_ns() + SEED_NS;
    stopwatch w;
    status rc = stopwatch_open(&w, e, err);
    if (rc == OK) rc = stopwatch_row(&w, &shapes[1], SEED_RUNS, (until_ns - clock_ns()) / 2, err);
    for (int i = 0; rc == OK && i < SEED_SHAPES; i++) {
        const int64_t left_ns = until_ns - clock_ns();
        service_row *r = &shapes[i];
        const bool again = i > 0 && r->tokens == r[-1].tokens && r->sequences == r[-1].sequences;
        if (again || r->median_ns || shapes[1].median_ns * r->tokens / longest > left_ns) continue;
        rc = stopwatch_row(&w, r, SEED_RUNS, left_ns / (SEED_SHAPES - i), err);
    }
    for (int i = 0; i < SEED_SHAPES; i++) {
        const service_row *r = &shapes[i], *last = e->seed.n ? &e->seed.row[e->seed.n - 1] : NULL;
        const bool another = !last || r->tokens > last->tokens || r->sequences > last->sequences;
        if (r->median_ns && another) e->seed.row[e->seed.n++] = *r;
    }
    stopwatch_keep_rising(&e->seed);
    stopwatch_close(&w);
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

/* What the manifest says against what was read. */
static status check_manifest(const engine *e, const model_description *m, error *err)
{
    const manifest *said = e->manifest;
    if (!said) return OK;
    status rc = manifest_verify(said, e->files, err);
    if (rc == OK) rc = contract_same(&e->contract, &said->contract, err);
    if (rc == OK && e->options.precision && strcmp(said->precision, e->options.precision))
        rc = fail(err, BAD_INPUT, "precision: %s was asked for, beeline.json declares %s", e->options.precision,
                  said->precision);
    if (rc == OK && said->task != m->task) rc = fail(err, BAD_INPUT, "task: is another one than beeline.json says");
    return rc;
}

static status load(engine *e, error *err)
{
    model *m = NULL;
    char tokenizer_digest[65];
    directory *d = e->files;
    status rc = e->options.plain ? OK : manifest_read(&e->manifest, d, err);
    if (rc == NOT_FOUND) rc = OK;
    if (rc == OK) rc = tokenizer_open(&e->tokens, d, err);
    if (rc == OK) rc = directory_digest(d, tokenizer_digest, err);
    if (rc == OK) rc = model_open(&m, d, tokenizer_model_max_length(e->tokens), tokenizer_vocab_size(e->tokens), err);
    if (rc != OK) return rc;
    if (e->options.batch_tokens < m->description.max_tokens) e->options.batch_tokens = m->description.max_tokens;
    backend_reserve reserve = {.max_tokens = e->options.batch_tokens, .max_sequences = e->options.batch_sequences,
                               .threads = e->options.threads, .kernel = e->options.kernel,
                               .precision = e->manifest ? e->manifest->precision : e->options.precision,
                               .cache_dir = e->options.cache_dir, .note = note};
    rc = check_task(&m->description, err);
    if (rc == OK) rc = directory_digest(d, e->digest, err);
    if (rc == OK) rc = contract_of(&e->contract, &m->description, tokenizer_digest, err);
    if (rc == OK) rc = check_manifest(e, &m->description, err);
    if (rc == OK) {
        const size_t columns = (size_t)backend_columns(&m->description);
        e->rows = malloc((size_t)e->options.batch_sequences * columns * sizeof *e->rows);
        if (!e->rows) rc = fail(err, NO_MEMORY, "no memory for the rows of %d sequences", e->options.batch_sequences);
    }
    if (rc == OK) rc = open_device(e, m, reserve, err);
    if (rc == OK && (e->ops != &backend_cpu || strcmp(e->ops->precision(e->device), "float32")))
        rc = open_golden(e, m, reserve, err);
    if (rc == OK) { /* the description outlives the weights */
        e->description = m->description;
        memset(&m->description, 0, sizeof m->description);
    }
    model_close(m);
    return rc;
}

status engine_golden_ids(const engine *e, int32_t **ids, int32_t **starts, error *err)
{
    const manifest *m = e->manifest;
    size_t room = 0;
    for (int i = 0; i < m->n_cases; i++) room += tokenizer_bound(strlen(m->cases[i].text));
    *ids = malloc((room + 1) * sizeof **ids);
    *starts = calloc((size_t)m->n_cases + 1, sizeof **starts);
    if (!*ids || !*starts) {
        free(*ids);
        free(*starts);
        *ids = *starts = NULL;
        return fail(err, NO_MEMORY, "no memory for the golden cases");
    }
    for (int i = 0; i < m->n_cases; i++) {
        const text_view text = {m->cases[i].text, strlen(m->cases[i].text)};
        (*starts)[i + 1] = (*starts)[i] + tokenizer_encode(e->tokens, text, NULL, e->description.max_tokens, CUT_RIGHT,
                                                           *ids + (*starts)[i], NULL, NULL);
    }
    return OK;
}

/* Case by case: any budget of a batch takes one. */
status engine_golden_rows(const engine *e, float *rows, error *err)
{
    int32_t *ids, *starts;
    const uint8_t normalize = e->description.normalize;
    status rc = engine_golden_ids(e, &ids, &starts, err);
    if (rc != OK) return rc;
    for (int i = 0; rc == OK && i < e->manifest->n_cases; i++) {
        const int n = starts[i + 1] - starts[i];
        const batch one = {.S = 1, .T = n, .longest = n, .ids = ids + starts[i], .starts = (int32_t[]){0, n},
                           .normalize = &normalize};
        rc = backend_forward(e->ops, e->device, &one, rows + (size_t)i * (size_t)backend_columns(&e->description), err);
        if (rc == NOT_FINITE) rc = OK;
    }
    free(ids);
    free(starts);
    return rc;
}

status engine_golden_compare(const engine *e, const float *rows, double *least, error *err)
{
    const manifest *m = e->manifest;
    *least = 1;
    for (int i = 0; i < m->n_cases; i++) {
        const double seen = golden_cosine(rows + (size_t)i * (size_t)m->columns, m->cases[i].row, m->columns);
        if (!(seen >= *least)) *least = seen;
        if (!(seen >= m->golden_cosine)) /* NaN is below */
            return fail(err, BAD_INPUT, "golden case %d: cosine %.6f, wanted at least %g", i + 1, seen,
                        m->golden_cosine);
    }
    float *want = malloc((size_t)m->n_cases * (size_t)m->columns * sizeof *want);
    if (!want) return fail(err, NO_MEMORY, "no memory for the golden rows");
    for (int i = 0; i < m->n_cases; i++)
        memcpy(want + (size_t)i * (size_t)m->columns, m->cases[i].row, (size_t)m->columns * sizeof *want);
    const double agreement = golden_rank_agreement(rows, want, m->n_cases, m->columns);
    free(want);
    if (agreement < RANK_AGREEMENT)
        return fail(err, BAD_INPUT, "golden cases: %.1f %% of their pairs rank as they should, wanted at least %g %%",
                    agreement * 100, RANK_AGREEMENT * 100);
    return OK;
}

static status check_cases(engine *e, error *err)
{
    float *rows = malloc((size_t)e->manifest->n_cases * (size_t)e->manifest->columns * sizeof *rows);
    status rc = rows ? OK : fail(err, NO_MEMORY, "no memory for the golden rows");
    if (rc == OK) rc = engine_golden_rows(e, rows, err);
    if (rc == OK) rc = engine_golden_compare(e, rows, &e->golden_least, err);
    free(rows);
    return rc;
}

status engine_open(engine **out, const char *dir, engine_options options, error *err)
{
    engine *e = calloc(1, sizeof *e);
    int64_t begun_ns = clock_ns();
    *out = NULL;
    if (!e) return fail(err, NO_MEMORY, "%.150s: no memory", dir);
    e->ops = &backend_cpu;
    e->options = options;
    status rc = options.root ? directory_open_beneath(&e->files, options.root, dir, err)
                             : directory_open(&e->files, dir, err);
    if (rc == OK) rc = load(e, err);
    int64_t loaded_ns = clock_ns();
    if (rc == OK && e->golden && !options.beside) rc = check_golden(e, err);
    if (rc == OK && !options.beside) rc = measure_seed(e, err);
    if (rc == OK && e->manifest && !options.beside) rc = check_cases(e, err);
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
    manifest_free(e->manifest);
    contract_free(&e->contract);
    directory_close(e->files);
    free(e->rows);
    free(e);
}
