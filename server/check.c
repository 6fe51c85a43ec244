/* check.c - `beeline check DIR`: load as the server would, run once, say what was found. */
#include <stdio.h>
#include <string.h>
#include "commands.h"
#include "runtime/serve/engine.h"

static engine_options of_options(const options *o)
{
    return (engine_options){
        .batch_tokens = o->batch_tokens,
        .batch_sequences = o->batch_sequences,
        .threads = o->threads,
        .kernel = strcmp(o->kernel, "auto") ? o->kernel : NULL,
        .backend = !strcmp(o->backend, "cuda")  ? ENGINE_CUDA
                   : !strcmp(o->backend, "cpu") ? ENGINE_CPU
                                                : ENGINE_AUTO,
        .cache_dir = o->cache_dir,
    };
}

status engine_from_options(engine **out, const options *o, const char *dir, error *err)
{
    return engine_open(out, dir, of_options(o), err);
}

status engine_beside(engine **out, const options *o, const char *root, const char *name, error *err)
{
    engine_options e = of_options(o);
    e.root = root;
    e.beside = true;
    return engine_open(out, name, e, err);
}

int engine_refused(status why)
{
    return why == GPU_LOST ? EXIT_GPU_GONE : EXIT_REFUSED;
}

int check_command(const options *o, const char *dir)
{
    engine *e;
    error err;
    status rc = engine_from_options(&e, o, dir, &err);
    if (rc != OK) {
        fprintf(stderr, "beeline: %s\n", err.text);
        return engine_refused(rc);
    }
    const model_description *m = &e->description;
    printf("model        %s\ndigest       %s\n", m->name, e->digest);
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
    engine_close(e);
    return EXIT_OK;
}
