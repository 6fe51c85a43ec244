/* check.c - `beeline check DIR`: load as the server would, run once, say what was found and what it would break. */
#include <stdio.h>
#include <string.h>
#include "commands.h"
#include "out.h"
#include "runtime/serve/engine.h"

static engine_options of_options(const options *o)
{
    return (engine_options){
        .batch_tokens = o->batch_tokens,
        .batch_sequences = o->batch_sequences,
        .threads = o->threads,
        .kernel = strcmp(o->kernel, "auto") ? o->kernel : NULL,
        .precision = strcmp(o->precision, "auto") ? o->precision : NULL,
        .backend = !strcmp(o->backend, "cuda")  ? ENGINE_CUDA
                   : !strcmp(o->backend, "cpu") ? ENGINE_CPU
                                                : ENGINE_AUTO,
        .cache_dir = o->cache_dir,
    };
}

status engine_from_options(engine **opened, const options *o, const char *dir, error *err)
{
    return engine_open(opened, dir, of_options(o), err);
}

status engine_beside(engine **opened, const options *o, const char *root, const char *name, error *err)
{
    engine_options e = of_options(o);
    e.root = root;
    e.precision = NULL; /* its manifest's */
    e.beside = true;
    return engine_open(opened, name, e, err);
}

int engine_refused(status why)
{
    return why == GPU_LOST ? EXIT_GPU_GONE : EXIT_REFUSED;
}

enum { BREAKS_MAX = 64 };

typedef struct { int n; char line[BREAKS_MAX + 1][CONTRACT_LINE + sizeof(error)]; } failures;

static void add_failure(failures *f, const char *what, const char *text)
{
    if (f->n <= BREAKS_MAX) snprintf(f->line[f->n++], sizeof f->line[0], "%s%.*s", what, (int)(sizeof f->line[0] - 20), text);
}

/* The contract of a directory: its tokenizer and its description, without the weights. */
static status contract_at(contract *c, const char *dir, error *err)
{
    directory *d = NULL;
    tokenizer *t = NULL;
    model_description m = {0};
    char digest[65];
    *c = (contract){0};
    status rc = directory_open(&d, dir, err);
    if (rc == OK) rc = tokenizer_open(&t, d, err);
    if (rc == OK) rc = directory_digest(d, digest, err);
    if (rc == OK) rc = description_read(&m, d, tokenizer_model_max_length(t), err);
    if (rc == OK) rc = contract_of(c, &m, digest, err);
    description_free(&m);
    tokenizer_close(t);
    directory_close(d);
    return rc;
}

static void compare(failures *f, const contract *next, const char *against)
{
    char line[BREAKS_MAX][CONTRACT_LINE];
    contract live;
    error err;
    if (contract_at(&live, against, &err) != OK) {
        add_failure(f, "--against: ", err.text);
        return;
    }
    const int n = contract_breaks(&live, next, line, BREAKS_MAX);
    for (int i = 0; i < n && i < BREAKS_MAX; i++) add_failure(f, "contract: ", line[i]);
    contract_free(&live);
}

static void write_string(out *o, const char *name, const char *text)
{
    out_format(o, ",\"%s\":", name);
    out_json_string(o, text, strlen(text));
}

static void print_json(const engine *e, const failures *f)
{
    out o = {0};
    out_format(&o, "{\"ok\":%s,\"failures\":[", f->n ? "false" : "true");
    for (int i = 0; i < f->n; i++) {
        if (i) out_text(&o, ",");
        out_json_string(&o, f->line[i], strlen(f->line[i]));
    }
    out_text(&o, "]");
    if (e) write_string(&o, "model", e->manifest ? e->manifest->name : e->description.name);
    if (e && e->manifest) write_string(&o, "version", e->manifest->version);
    if (e) write_string(&o, "digest", e->digest);
    if (e && e->manifest) out_format(&o, ",\"golden_cosine\":%.6f", e->golden_least);
    out_text(&o, "}\n");
    if (!o.failed) fwrite(o.p, 1, o.n, stdout);
    out_free(&o);
}

static void print_text(const engine *e)
{
    const model_description *m = &e->description;
    printf("model        %s\ndigest       %s\n", m->name, e->digest);
    if (e->manifest)
        printf("version      %s %s\nowner        %s, %s, %s\ngolden       %d cases, least cosine %.6f\n",
               e->manifest->name, e->manifest->version, e->manifest->team, e->manifest->contact, e->manifest->runbook,
               e->manifest->n_cases, e->golden_least);
    printf("shape        %d layers, hidden %d, %d heads, inner %d, %d words, %d positions\n", m->shape.layers,
           m->shape.hidden, m->shape.heads, m->shape.inner, m->shape.vocab, m->shape.positions);
    printf("embedding    %d dimensions, pooling %s, %s\n", m->dimensions, pooling_name(m->pooling),
           m->normalize ? "normalized" : "not normalized");
    printf("input        at most %d tokens, vocabulary of %d\n", m->max_tokens, tokenizer_vocab_size(e->tokens));
    for (int i = 0; i < m->n_prompts; i++)
        printf("prompt       %s%s: \"%s\"\n", m->prompts[i].name, i == m->default_prompt ? " (default)" : "",
               m->prompts[i].text);
    printf("runs on      %s, %s, %s\n", e->ops->name, e->ops->describe(e->device), e->ops->precision(e->device));
    printf("loaded in    %.0f ms, first pass in %.0f ms\n", (double)e->load_ns * 1e-6, (double)e->warm_ns * 1e-6);
}

int check_command(const options *o, const char *dir)
{
    engine *e = NULL;
    error err;
    failures f = {.n = 0};
    status rc = engine_from_options(&e, o, dir, &err);
    if (rc != OK) add_failure(&f, "", err.text);
    if (rc == OK && o->against && *o->against) compare(&f, &e->contract, o->against);
    if (o->json) print_json(e, &f);
    else if (e) print_text(e);
    for (int i = 0; i < f.n && !o->json; i++) fprintf(stderr, "beeline: %s\n", f.line[i]);
    engine_close(e);
    return rc != OK ? engine_refused(rc) : f.n ? EXIT_REFUSED : EXIT_OK;
}
