/* bundle.c - a manifest is filled from an engine that was opened plain, or read, and written. */
#include "bundle.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/serve/engine.h"
#include "tiny_model.h"

static void need(status rc, const error *err)
{
    if (rc == OK) return;
    fprintf(stderr, "bundle: %s\n", err->text);
    abort();
}

static void write_manifest(const char *folder, const manifest *m)
{
    char *text;
    size_t n;
    error err;
    need(manifest_text(&text, &n, m, &err), &err);
    tiny_file_write(folder, MANIFEST_FILE, text, n);
    free(text);
}

void bundle_pack(const char *folder, const char *version)
{
    static char golden_text[] = "hello";
    engine *e;
    error err;
    manifest_case one = {.text = golden_text};
    manifest m = {.name = "tiny",
                  .precision = "float16",
                  .p99_ms = 100,
                  .availability = 0.999,
                  .team = "t",
                  .contact = "c",
                  .runbook = "https://x",
                  .golden_cosine = 0.999,
                  .n_cases = 1,
                  .cases = &one};
    const engine_options o = {
        .batch_tokens = 256, .batch_sequences = 4, .threads = 1, .backend = ENGINE_CPU, .plain = true};
    snprintf(m.version, sizeof m.version, "%s", version);
    need(engine_open(&e, folder, o, &err), &err);
    m.files = calloc((size_t)directory_files(e->files), sizeof *m.files);
    for (; m.n_files < directory_files(e->files); m.n_files++) {
        const directory_file f = directory_file_at(e->files, m.n_files);
        m.files[m.n_files] = (manifest_file){.name = strdup(f.name), .size = (int64_t)f.size};
        memcpy(m.files[m.n_files].sha256, f.sha256, sizeof f.sha256);
    }
    memcpy(m.digest, e->digest, sizeof m.digest);
    m.columns = e->description.dimensions;
    one.row = malloc((size_t)m.columns * sizeof *one.row);
    m.contract = e->contract; /* borrowed, as is m */
    e->manifest = &m;
    need(engine_golden_rows(e, one.row, &err), &err);
    write_manifest(folder, &m);
    e->manifest = NULL;
    engine_close(e);
    for (int i = 0; i < m.n_files; i++) free(m.files[i].name);
    free(m.files);
    free(one.row);
}

void bundle_seal(const char *folder)
{
    directory *d, *fresh;
    manifest *m;
    error err;
    need(directory_open(&d, folder, &err), &err);
    need(manifest_read(&m, d, &err), &err);
    for (int i = 0; i < m->n_files; i++) {
        file_bytes bytes;
        need(directory_open(&fresh, folder, &err), &err); /* it has read nothing else */
        if (directory_read(fresh, m->files[i].name, SIZE_MAX / 2, &bytes, &err) == OK) {
            m->files[i].size = (int64_t)bytes.size;
            memcpy(m->files[i].sha256, directory_file_at(fresh, 0).sha256, sizeof m->files[i].sha256);
            file_free(&bytes);
        }
        directory_close(fresh);
    }
    need(manifest_digest(m, m->digest, &err), &err);
    write_manifest(folder, m);
    manifest_free(m);
    directory_close(d);
}
