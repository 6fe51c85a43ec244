/* manifest.c - beeline.json read strictly, and written the same for the same version. */
#include "manifest.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

enum { FILE_BYTES_MAX = 64 << 20, FILES_MAX = 1000, VALUES_MAX = 4 << 20, DEPTH_MAX = 8 };
static const char *const tasks[] = {[TASK_EMBED] = "embed", [TASK_RERANK] = "rerank", [TASK_CLASSIFY] = "classify"};
enum { TASKS = sizeof tasks / sizeof *tasks };

bool manifest_is_name(const char *x) { return directory_is_name(x); }

bool manifest_is_precision(const char *x)
{
    return !strcmp(x, "float32") || !strcmp(x, "float16") || !strcmp(x, "bfloat16") || !strcmp(x, "int8");
}

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

static status read_text(char *to, size_t cap, const cJSON *from, const char *name, error *err)
{
    const char *text = NULL;
    status rc = json_string(&text, from, name, err);
    if (rc == OK && (!*text || strlen(text) >= cap))
        rc = fail(err, BAD_INPUT, "\"%s\" of %zu bytes, wanted 1 to %zu", name, strlen(text), cap - 1);
    if (rc == OK) memcpy(to, text, strlen(text) + 1);
    return rc;
}

static status read_sum(char to[65], const cJSON *from, const char *name, error *err)
{
    status rc = read_text(to, 65, from, name, err);
    if (rc == OK && (strlen(to) != 64 || strspn(to, "0123456789abcdef") != 64))
        rc = fail(err, BAD_INPUT, "\"%s\" is \"%s\", wanted 64 hexadecimal digits", name, to);
    return rc;
}

static status read_number(double *to, const cJSON *from, const char *name, double low, double high, error *err)
{
    const cJSON *v = member(from, name);
    if (!cJSON_IsNumber(v))
        return fail(err, BAD_INPUT, "\"%s\" is of type %s, wanted a number", name, json_type_name(v));
    if (!(v->valuedouble >= low && v->valuedouble <= high))
        return fail(err, BAD_INPUT, "\"%s\" is %g, wanted %g to %g", name, v->valuedouble, low, high);
    *to = v->valuedouble;
    return OK;
}

static status read_name(char *to, const cJSON *from, const char *name, error *err)
{
    status rc = read_text(to, MANIFEST_NAME_MAX + 1, from, name, err);
    if (rc == OK && !manifest_is_name(to))
        rc = fail(err, BAD_INPUT, "\"%s\" is \"%s\", wanted letters, digits and . _ -, the first a letter or a digit",
                  name, to);
    return rc;
}

static status read_files(manifest *m, const cJSON *from, error *err)
{
    static const char *const names[] = {"name", "size", "sha256"};
    if (!cJSON_IsArray(from) || !from->child || cJSON_GetArraySize(from) > FILES_MAX)
        return fail(err, BAD_INPUT, "\"files\": wanted a list of 1 to %d", FILES_MAX);
    m->files = calloc((size_t)cJSON_GetArraySize(from), sizeof *m->files);
    if (!m->files) return fail(err, NO_MEMORY, "no memory for the list of files");
    const cJSON *v;
    cJSON_ArrayForEach(v, from)
    {
        manifest_file *f = &m->files[m->n_files++];
        const char *name = NULL;
        double size = 0;
        status rc = json_exactly(v, names, 3, err);
        if (rc == OK) rc = json_string(&name, v, "name", err);
        if (rc == OK) rc = read_number(&size, v, "size", 0, 9e15, err);
        if (rc == OK) rc = read_sum(f->sha256, v, "sha256", err);
        if (rc != OK) return rc;
        f->size = (int64_t)size;
        f->name = strdup(name);
        if (!f->name) return fail(err, NO_MEMORY, "no memory for the list of files");
        if (m->n_files > 1 && strcmp(f[-1].name, f->name) >= 0)
            return fail(err, BAD_INPUT, "\"files\": %.100s after %.100s, wanted them sorted", f->name, f[-1].name);
    }
    return OK;
}

static status read_row(manifest *m, manifest_case *c, const cJSON *row, error *err)
{
    const int n = cJSON_GetArraySize(row), which = m->n_cases;
    if (!cJSON_IsArray(row) || !n || (m->columns && n != m->columns))
        return fail(err, BAD_INPUT, "golden case %d: a row of %d numbers, wanted %d", which, n, m->columns);
    m->columns = n;
    c->row = calloc((size_t)n, sizeof *c->row);
    if (!c->row) return fail(err, NO_MEMORY, "no memory for the golden cases");
    const cJSON *v;
    int i = 0;
    cJSON_ArrayForEach(v, row)
    {
        if (!cJSON_IsNumber(v) || !isfinite((float)v->valuedouble))
            return fail(err, BAD_INPUT, "golden case %d: number %d of its row is none that fits", which, i);
        c->row[i++] = (float)v->valuedouble;
    }
    return OK;
}

static status read_golden(manifest *m, const cJSON *from, error *err)
{
    static const char *const names[] = {"cosine", "cases"}, *const parts[] = {"text", "row"};
    status rc = json_exactly(from, names, 2, err);
    if (rc == OK) rc = read_number(&m->golden_cosine, from, "cosine", 0.5, 1, err);
    if (rc != OK) return rc;
    const cJSON *cases = member(from, "cases"), *v;
    if (!cJSON_IsArray(cases) || !cases->child || cJSON_GetArraySize(cases) > MANIFEST_GOLDEN_MAX)
        return fail(err, BAD_INPUT, "\"cases\": wanted a list of 1 to %d", MANIFEST_GOLDEN_MAX);
    m->cases = calloc((size_t)cJSON_GetArraySize(cases), sizeof *m->cases);
    if (!m->cases) return fail(err, NO_MEMORY, "no memory for the golden cases");
    m->columns = m->contract.dimensions ? m->contract.dimensions : m->contract.n_labels;
    cJSON_ArrayForEach(v, cases)
    {
        manifest_case *c = &m->cases[m->n_cases++];
        const char *text = NULL;
        rc = json_exactly(v, parts, 2, err);
        if (rc == OK) rc = json_string(&text, v, "text", err);
        if (rc == OK) rc = read_row(m, c, member(v, "row"), err);
        if (rc == OK && !(c->text = strdup(text))) rc = fail(err, NO_MEMORY, "no memory for the golden cases");
        if (rc != OK) return rc;
    }
    return OK;
}

static status read_owner(manifest *m, const cJSON *from, error *err)
{
    static const char *const names[] = {"team", "contact", "runbook"};
    status rc = json_exactly(from, names, 3, err);
    if (rc == OK) rc = read_text(m->team, sizeof m->team, from, "team", err);
    if (rc == OK) rc = read_text(m->contact, sizeof m->contact, from, "contact", err);
    if (rc == OK) rc = read_text(m->runbook, sizeof m->runbook, from, "runbook", err);
    if (rc == OK && strncmp(m->runbook, "http://", 7) && strncmp(m->runbook, "https://", 8))
        rc = fail(err, BAD_INPUT, "\"runbook\" is \"%.100s\", wanted an http:// or https:// URL", m->runbook);
    return rc;
}

static status read_slo(manifest *m, const cJSON *from, error *err)
{
    static const char *const names[] = {"p99_ms", "availability"};
    status rc = json_exactly(from, names, 2, err);
    if (rc == OK) rc = read_number(&m->p99_ms, from, "p99_ms", 1, 3600000, err);
    if (rc == OK) rc = read_number(&m->availability, from, "availability", 0.5, 0.999999, err);
    return rc;
}

static status read_task(manifest *m, const cJSON *from, error *err)
{
    const char *task = NULL;
    status rc = json_string(&task, from, "task", err);
    int i = 0;
    while (rc == OK && i < TASKS && strcmp(tasks[i], task)) i++;
    if (rc == OK && i == TASKS)
        rc = fail(err, BAD_INPUT, "\"task\" is \"%.40s\", wanted embed, rerank or classify", task);
    if (rc == OK) m->task = (model_task)i;
    return rc;
}

/* Prefixed with the part that it is about. */
static status of_part(status rc, const char *part, error *err)
{
    const error inner = *err;
    return rc == OK ? OK : fail(err, rc, "\"%s\": %.200s", part, inner.text);
}

static status read_all(manifest *m, const cJSON *t, error *err)
{
    static const char *const names[] = {"name",   "version",  "task", "precision", "files",
                                        "digest", "contract", "slo",  "owner",     "golden"};
    status rc = json_exactly(t, names, sizeof names / sizeof *names, err);
    if (rc == OK) rc = read_name(m->name, t, "name", err);
    if (rc == OK) rc = read_name(m->version, t, "version", err);
    if (rc == OK) rc = read_task(m, t, err);
    if (rc == OK) rc = read_text(m->precision, sizeof m->precision, t, "precision", err);
    if (rc == OK && !manifest_is_precision(m->precision))
        rc = fail(err, BAD_INPUT, "\"precision\" is \"%s\", wanted float32, float16, bfloat16 or int8", m->precision);
    if (rc == OK) rc = read_files(m, member(t, "files"), err);
    if (rc == OK) rc = read_sum(m->digest, t, "digest", err);
    if (rc == OK) rc = of_part(contract_read(&m->contract, member(t, "contract"), err), "contract", err);
    if (rc == OK) rc = of_part(read_slo(m, member(t, "slo"), err), "slo", err);
    if (rc == OK) rc = of_part(read_owner(m, member(t, "owner"), err), "owner", err);
    if (rc == OK) rc = of_part(read_golden(m, member(t, "golden"), err), "golden", err);
    return rc;
}

status manifest_read(manifest **out, directory *d, error *err)
{
    file_bytes f;
    cJSON *tree = NULL;
    *out = NULL;
    status rc = directory_read_aside(d, MANIFEST_FILE, FILE_BYTES_MAX, &f, err);
    if (rc != OK) return rc;
    manifest *m = calloc(1, sizeof *m);
    rc = m ? json_parse(&tree, f.bytes, f.size, (json_limits){DEPTH_MAX, VALUES_MAX}, err)
           : fail(err, NO_MEMORY, "no memory for a manifest");
    if (rc == OK) rc = read_all(m, tree, err);
    cJSON_Delete(tree);
    file_free(&f);
    if (rc == OK) {
        *out = m;
        return OK;
    }
    manifest_free(m);
    const error inner = *err;
    return fail(err, rc, MANIFEST_FILE ": %.220s", inner.text);
}

void manifest_free(manifest *m)
{
    if (!m) return;
    for (int i = 0; i < m->n_files; i++) free(m->files[i].name);
    for (int i = 0; i < m->n_cases; i++) {
        free(m->cases[i].text);
        free(m->cases[i].row);
    }
    free(m->files);
    free(m->cases);
    contract_free(&m->contract);
    free(m);
}

/* The shortest that reads back as the same number. */
static void write_number(FILE *f, double v)
{
    char text[40];
    if (v == floor(v) && fabs(v) < 1e15) snprintf(text, sizeof text, "%.0f", v);
    else
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtod(text, NULL) == v) break;
        }
    fputs(text, f);
}

static bool write_value(FILE *f, const cJSON *v, int depth);

/* A list of numbers stays on one line: a row of 384 lines is read by nobody. */
static bool write_list(FILE *f, const cJSON *v, int depth)
{
    const bool object = cJSON_IsObject(v), one_line = !v->child || (!object && cJSON_IsNumber(v->child));
    bool ok = true;
    fputc(object ? '{' : '[', f);
    for (const cJSON *c = v->child; ok && c; c = c->next) {
        if (!one_line) fprintf(f, "\n%*s", 2 * depth + 2, "");
        if (object) {
            cJSON *name = cJSON_CreateStringReference(c->string);
            ok = name && write_value(f, name, 0);
            cJSON_Delete(name);
            fputs(": ", f);
        }
        ok = ok && write_value(f, c, depth + 1);
        if (c->next) fputs(one_line ? ", " : ",", f);
    }
    if (!one_line) fprintf(f, "\n%*s", 2 * depth, "");
    fputc(object ? '}' : ']', f);
    return ok;
}

static bool write_value(FILE *f, const cJSON *v, int depth)
{
    if (cJSON_IsObject(v) || cJSON_IsArray(v)) return write_list(f, v, depth);
    if (cJSON_IsNumber(v)) {
        write_number(f, v->valuedouble);
        return true;
    }
    char *text = cJSON_PrintUnformatted(v);
    if (text) fputs(text, f);
    cJSON_free(text);
    return text != NULL;
}

/* As a double that has the float's shortest decimal, so that no digits of the conversion are written. */
static double short_of(float v)
{
    char text[40] = "0";
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    return strtod(text, NULL);
}

static bool add_files(cJSON *t, const manifest *m)
{
    cJSON *list = cJSON_AddArrayToObject(t, "files");
    bool ok = list != NULL;
    for (int i = 0; ok && i < m->n_files; i++) {
        cJSON *f = cJSON_CreateObject();
        ok = cJSON_AddItemToArray(list, f) && cJSON_AddStringToObject(f, "name", m->files[i].name) &&
             cJSON_AddNumberToObject(f, "size", (double)m->files[i].size) &&
             cJSON_AddStringToObject(f, "sha256", m->files[i].sha256);
    }
    return ok;
}

static bool add_golden(cJSON *t, const manifest *m)
{
    cJSON *golden = cJSON_AddObjectToObject(t, "golden");
    bool ok = cJSON_AddNumberToObject(golden, "cosine", m->golden_cosine) != NULL;
    cJSON *list = ok ? cJSON_AddArrayToObject(golden, "cases") : NULL;
    ok = list != NULL;
    for (int i = 0; ok && i < m->n_cases; i++) {
        cJSON *c = cJSON_CreateObject();
        ok = cJSON_AddItemToArray(list, c) && cJSON_AddStringToObject(c, "text", m->cases[i].text);
        cJSON *row = ok ? cJSON_AddArrayToObject(c, "row") : NULL;
        ok = row != NULL;
        for (int k = 0; ok && k < m->columns; k++)
            ok = cJSON_AddItemToArray(row, cJSON_CreateNumber(short_of(m->cases[i].row[k])));
    }
    return ok;
}

static bool add_all(cJSON *t, const manifest *m)
{
    bool ok = cJSON_AddStringToObject(t, "name", m->name) && cJSON_AddStringToObject(t, "version", m->version) &&
              cJSON_AddStringToObject(t, "task", tasks[m->task]) &&
              cJSON_AddStringToObject(t, "precision", m->precision) && add_files(t, m) &&
              cJSON_AddStringToObject(t, "digest", m->digest) &&
              cJSON_AddItemToObject(t, "contract", contract_json(&m->contract));
    cJSON *slo = ok ? cJSON_AddObjectToObject(t, "slo") : NULL;
    ok = slo && cJSON_AddNumberToObject(slo, "p99_ms", m->p99_ms) &&
         cJSON_AddNumberToObject(slo, "availability", m->availability);
    cJSON *owner = ok ? cJSON_AddObjectToObject(t, "owner") : NULL;
    return owner && cJSON_AddStringToObject(owner, "team", m->team) &&
           cJSON_AddStringToObject(owner, "contact", m->contact) &&
           cJSON_AddStringToObject(owner, "runbook", m->runbook) && add_golden(t, m);
}

status manifest_text(char **text, size_t *n, const manifest *m, error *err)
{
    *text = NULL;
    *n = 0;
    cJSON *t = cJSON_CreateObject();
    FILE *f = open_memstream(text, n);
    bool ok = t && f && add_all(t, m) && write_value(f, t, 0);
    if (f) ok = fputc('\n', f) != EOF && ok;
    if (f) ok = !fclose(f) && ok;
    cJSON_Delete(t);
    if (ok) return OK;
    free(*text);
    *text = NULL;
    *n = 0;
    return fail(err, NO_MEMORY, "no memory for a manifest");
}

status manifest_digest(const manifest *m, char digest[65], error *err)
{
    directory_file *list = calloc((size_t)m->n_files + 1, sizeof *list);
    if (!list) return fail(err, NO_MEMORY, "no memory for the list of files");
    for (int i = 0; i < m->n_files; i++) {
        list[i] = (directory_file){.name = m->files[i].name, .size = (size_t)m->files[i].size};
        memcpy(list[i].sha256, m->files[i].sha256, sizeof list[i].sha256);
    }
    status rc = directory_files_digest(list, m->n_files, digest, err);
    free(list);
    return rc;
}

status manifest_verify(const manifest *m, const directory *d, error *err)
{
    char digest[65];
    int i = 0, k = 0; /* both lists are sorted */
    while (i < directory_files(d) || k < m->n_files) {
        const directory_file is = i < directory_files(d) ? directory_file_at(d, i) : (directory_file){0};
        const manifest_file *said = k < m->n_files ? &m->files[k] : NULL;
        const int order = !said ? -1 : !is.name ? 1 : strcmp(is.name, said->name);
        if (order < 0) return fail(err, BAD_INPUT, "%.150s: is part of the version, and not in beeline.json", is.name);
        if (order > 0) return fail(err, BAD_INPUT, "%.150s: in beeline.json, and no part of the version", said->name);
        if ((int64_t)is.size != said->size)
            return fail(err, BAD_INPUT, "%.150s: %zu bytes, beeline.json says %lld", is.name, is.size,
                        (long long)said->size);
        if (strcmp(is.sha256, said->sha256))
            return fail(err, BAD_INPUT, "%.100s: sha256 %.16s..., beeline.json says %.16s...", is.name, is.sha256,
                        said->sha256);
        i++, k++;
    }
    status rc = manifest_digest(m, digest, err);
    if (rc == OK && strcmp(digest, m->digest))
        rc = fail(err, BAD_INPUT, "digest %.16s... of the files, beeline.json says %.16s...", digest, m->digest);
    return rc;
}
