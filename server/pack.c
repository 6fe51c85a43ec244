/* pack.c - `beeline pack DIR`: vouches for a directory, and writes that down as its beeline.json.
 *
 * Rows are those of the portable fp32 kernels on one thread, so that the same directory and the same words give the
 * same bytes on every machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "commands.h"
#include "runtime/base/json.h"
#include "runtime/serve/engine.h"

enum { LINE_VALUES = 1 << 16 };

/* Short and long, of one language and of none: each goes another way through tokenizer and kernels. */
static const char *const texts[] = {
    "hello",
    "What is the capital of France?",
    "Paris is the capital and the largest city of France.",
    "The quick brown fox jumps over the lazy dog.",
    "A man is playing a guitar on a stage in front of a small audience.",
    "return policy for damaged goods",
    "3.14159, 42 and 1,000,000 are numbers; v1.2.3 is a version.",
    "Übergrößenträger, naïve café, señor, Ångström",
    "東京は日本の首都です。",
    "int main(void) { return 0; }",
    "!?",
    "Embedding models turn a text into a vector of numbers, so that texts that mean the same are close to each other "
    "and "
    "texts that do not are far apart. A search engine computes the vectors of all documents once, keeps them in an "
    "index, "
    "and for each question computes one more vector and looks for its nearest neighbours. An index that was built with "
    "one "
    "model is of no use to another, which is why a version says what its clients depend on.",
};
enum { TEXTS = sizeof texts / sizeof *texts };

/* ---- what is said on the command line ---- */

static status take(char *to, size_t cap, const char *value, const char *name, error *err)
{
    if (!value || !*value) return fail(err, BAD_INPUT, "%s is missing", name);
    if (strlen(value) >= cap) return fail(err, BAD_INPUT, "%s of %zu bytes, at most %zu", name, strlen(value), cap - 1);
    memcpy(to, value, strlen(value) + 1);
    return OK;
}

static status take_slo(manifest *m, const options *o, error *err)
{
    char *end = NULL;
    m->p99_ms = o->objective_ms;
    m->availability = o->availability && *o->availability ? strtod(o->availability, &end) : 0.999;
    if (o->objective_ratio < 0.99 - 1e-9 || o->objective_ratio > 0.99 + 1e-9)
        return fail(err, BAD_INPUT, "--slo %s: wanted p99, as in p99=100ms", o->slo);
    if ((end && *end) || !(m->availability >= 0.5 && m->availability <= 0.999999))
        return fail(err, BAD_INPUT, "--availability %.40s: wanted 0.5 to 0.999999", o->availability);
    return OK;
}

static status take_words(manifest *m, const options *o, error *err)
{
    status rc = take(m->name, sizeof m->name, o->pack_name, "--name", err);
    if (rc == OK) rc = take(m->version, sizeof m->version, o->pack_version, "--version", err);
    if (rc == OK) rc = take(m->team, sizeof m->team, o->owner, "--owner", err);
    if (rc == OK) rc = take(m->contact, sizeof m->contact, o->contact, "--contact", err);
    if (rc == OK) rc = take(m->runbook, sizeof m->runbook, o->runbook, "--runbook", err);
    if (rc != OK) return rc;
    const char *wrong = !manifest_is_name(m->name) ? m->name : !manifest_is_name(m->version) ? m->version : NULL;
    if (wrong)
        return fail(err, BAD_INPUT, "\"%s\": wanted letters, digits and . _ -, the first a letter or a digit", wrong);
    if (strncmp(m->runbook, "http://", 7) && strncmp(m->runbook, "https://", 8))
        return fail(err, BAD_INPUT, "--runbook %.100s: wanted an http:// or https:// URL", m->runbook);
    return take_slo(m, o, err);
}

/* ---- golden cases ---- */

static status reserve_cases(manifest *m, int n, error *err)
{
    m->cases = calloc((size_t)n, sizeof *m->cases);
    return m->cases ? OK : fail(err, NO_MEMORY, "no memory for the golden cases");
}

static status built_in(manifest *m, error *err)
{
    status rc = reserve_cases(m, TEXTS, err);
    for (; rc == OK && m->n_cases < TEXTS; m->n_cases++)
        if (!(m->cases[m->n_cases].text = strdup(texts[m->n_cases])))
            rc = fail(err, NO_MEMORY, "no memory for the golden cases");
    return rc;
}

static status take_line(manifest *m, const cJSON *line, error *err)
{
    static const char *const names[] = {"text", "row"};
    const char *text = NULL;
    status rc = json_exactly(line, names, 2, err);
    if (rc == OK) rc = json_string(&text, line, "text", err);
    if (rc != OK) return rc;
    const cJSON *row = cJSON_GetObjectItemCaseSensitive(line, "row"), *v;
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != m->columns)
        return fail(err, BAD_INPUT, "a row of %d numbers, this model's have %d", cJSON_GetArraySize(row), m->columns);
    manifest_case *c = &m->cases[m->n_cases++];
    c->text = strdup(text);
    c->row = calloc((size_t)m->columns, sizeof *c->row);
    if (!c->text || !c->row) return fail(err, NO_MEMORY, "no memory for the golden cases");
    int i = 0;
    cJSON_ArrayForEach(v, row)
    {
        if (!cJSON_IsNumber(v)) return fail(err, BAD_INPUT, "number %d of the row is none", i);
        c->row[i++] = (float)v->valuedouble;
    }
    return OK;
}

static status from_file(manifest *m, const char *path, error *err)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    if (!f) return fail(err, IO_FAILED, "--golden %.200s: cannot be opened", path);
    status rc = reserve_cases(m, MANIFEST_GOLDEN_MAX, err);
    int lines = 0;
    for (ssize_t n; rc == OK && (n = getline(&line, &cap, f)) > 0;) {
        cJSON *tree = NULL;
        lines++;
        if (m->n_cases == MANIFEST_GOLDEN_MAX) rc = fail(err, BAD_INPUT, "more than %d lines", MANIFEST_GOLDEN_MAX);
        if (rc == OK) rc = json_parse(&tree, line, (size_t)n, (json_limits){4, LINE_VALUES}, err);
        if (rc == OK) rc = take_line(m, tree, err);
        cJSON_Delete(tree);
        if (rc != OK) {
            const error inner = *err;
            rc = fail(err, rc, "--golden %.60s: line %d: %.180s", path, lines, inner.text);
        }
    }
    if (rc == OK && !m->n_cases) rc = fail(err, BAD_INPUT, "--golden %.200s: no lines", path);
    free(line);
    fclose(f);
    return rc;
}

/* Rows that were brought must be ours too; else they are ours. */
static status golden_cases(engine *e, const char *path, error *err)
{
    manifest *m = e->manifest;
    status rc = path && *path ? from_file(m, path, err) : built_in(m, err);
    const size_t columns = (size_t)m->columns;
    float *rows = rc == OK ? malloc((size_t)m->n_cases * columns * sizeof *rows) : NULL;
    if (rc == OK && !rows) rc = fail(err, NO_MEMORY, "no memory for the golden rows");
    if (rc == OK) rc = engine_golden_rows(e, rows, err);
    for (int i = 0; rc == OK && i < m->n_cases; i++) {
        manifest_case *c = &m->cases[i];
        if (c->row) continue;
        c->row = malloc(columns * sizeof *c->row);
        if (c->row) memcpy(c->row, rows + (size_t)i * columns, columns * sizeof *c->row);
        else rc = fail(err, NO_MEMORY, "no memory for the golden rows");
    }
    if (rc == OK) rc = engine_golden_compare(e, rows, &e->golden_least, err);
    free(rows);
    return rc;
}

/* ---- the rest is what was read ---- */

static status take_files(engine *e, error *err)
{
    manifest *m = e->manifest;
    const int n = directory_files(e->files);
    m->files = calloc((size_t)n, sizeof *m->files);
    if (!m->files) return fail(err, NO_MEMORY, "no memory for the list of files");
    for (; m->n_files < n; m->n_files++) {
        const directory_file f = directory_file_at(e->files, m->n_files);
        manifest_file *to = &m->files[m->n_files];
        to->size = (int64_t)f.size;
        memcpy(to->sha256, f.sha256, sizeof to->sha256);
        if (!(to->name = strdup(f.name))) return fail(err, NO_MEMORY, "no memory for the list of files");
    }
    memcpy(m->digest, e->digest, sizeof m->digest);
    return OK;
}

/* Who may read the model may read what it is. */
static status write_manifest(const engine *e, error *err)
{
    char path[4096], beside[4096], *text;
    size_t n;
    struct stat st;
    snprintf(path, sizeof path, "%s/" MANIFEST_FILE, directory_path(e->files));
    snprintf(beside, sizeof beside, "%s/config.json", directory_path(e->files));
    status rc = manifest_text(&text, &n, e->manifest, err);
    if (rc == OK) rc = file_replace(path, text, n, err);
    if (rc == OK && (stat(beside, &st) || chmod(path, st.st_mode & 0666)))
        rc = fail(err, IO_FAILED, "%.200s: its mode could not be set", path);
    free(text);
    return rc;
}

/* Does this machine's CPU, at the precision that is declared, give the golden rows?  Whoever loads it asks that again. */
static status try_precision(engine *e, error *err)
{
    engine_options how = e->options;
    engine *tried = NULL;
    double least;
    const size_t values = (size_t)e->manifest->n_cases * (size_t)e->manifest->columns;
    float *rows = malloc(values * sizeof *rows);
    if (!rows) return fail(err, NO_MEMORY, "no memory for the golden rows");
    how.precision = e->manifest->precision;
    how.kernel = NULL;
    status rc = engine_open(&tried, directory_path(e->files), how, err);
    if (rc == OK) {
        tried->manifest = e->manifest;
        rc = engine_golden_rows(tried, rows, err);
        if (rc == OK) rc = engine_golden_compare(tried, rows, &least, err);
        tried->manifest = NULL; /* it is e's */
    }
    if (rc == OK && least < e->golden_least) e->golden_least = least;
    engine_close(tried);
    free(rows);
    return rc;
}

static status pack(engine *e, const options *o, error *err)
{
    manifest *m = e->manifest;
    const model_description *d = &e->description;
    m->task = d->task;
    const char *declared = d->precision == PRECISION_BF16 ? "bfloat16" : "float16";
    if (strcmp(o->precision, "auto")) declared = o->precision;
    m->golden_cosine = strcmp(declared, "int8") ? 0.999 : 0.99;
    m->columns = backend_columns(d);
    snprintf(m->precision, sizeof m->precision, "%s", declared);
    status rc = contract_of(&m->contract, d, e->contract.tokenizer_digest, err);
    if (rc == OK) rc = take_files(e, err);
    if (rc == OK) rc = golden_cases(e, o->golden, err);
    if (rc == OK) rc = try_precision(e, err);
    if (rc == OK) rc = write_manifest(e, err);
    return rc;
}

static void summary(const engine *e)
{
    const manifest *m = e->manifest;
    printf("packed       %s %s\ndigest       %s\nfiles        %d\n", m->name, m->version, m->digest, m->n_files);
    printf("owner        %s, %s, %s\n", m->team, m->contact, m->runbook);
    printf("precision    %s\n", m->precision);
    printf("objective    p99 %g ms, availability %g\n", m->p99_ms, m->availability);
    printf("golden       %d cases, cosine at least %g, seen %.6f\n", m->n_cases, m->golden_cosine, e->golden_least);
}

int pack_command(const options *o, const char *dir)
{
    const engine_options how = {
        .batch_sequences = 1, .threads = 1, .kernel = "portable", .backend = ENGINE_CPU, .plain = true};
    engine *e = NULL;
    error err;
    manifest *m = calloc(1, sizeof *m);
    status rc = m ? take_words(m, o, &err) : fail(&err, NO_MEMORY, "no memory for a manifest");
    const bool usage = rc == BAD_INPUT;
    if (rc == OK) rc = engine_open(&e, dir, how, &err);
    if (rc == OK) {
        e->manifest = m; /* engine_close() frees it */
        m = NULL;
        rc = pack(e, o, &err);
    }
    if (rc == OK) summary(e);
    else fprintf(stderr, "beeline: %s\n", err.text);
    manifest_free(m);
    engine_close(e);
    return rc == OK ? EXIT_OK : usage ? EXIT_USAGE : EXIT_REFUSED;
}
