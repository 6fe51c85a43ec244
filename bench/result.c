#include "result.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "runtime/base/json.h"

static status read_all(char **out, size_t *n, const char *file, error *err)
{
    struct stat st;
    status rc = OK;
    FILE *f = NULL;
    if (stat(file, &st)) {
        rc = fail(err, IO_FAILED, "%.150s: %s", file, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) { /* to open a FIFO would wait for its writer */
        rc = fail(err, IO_FAILED, "%.150s: no regular file", file);
    } else if (st.st_size > RESULT_BYTES_MAX) {
        rc = fail(err, BAD_INPUT, "%.150s: %lld bytes, a result has at most %d", file, (long long)st.st_size,
                  RESULT_BYTES_MAX);
    } else if (!(*out = malloc((size_t)st.st_size + 1))) {
        rc = fail(err, NO_MEMORY, "%.150s: no memory for %lld bytes", file, (long long)st.st_size);
    } else if (!(f = fopen(file, "r"))) {
        rc = fail(err, IO_FAILED, "%.150s: %s", file, strerror(errno));
    } else {
        *n = fread(*out, 1, (size_t)st.st_size, f);
        if (ferror(f)) rc = fail(err, IO_FAILED, "%.150s: %s", file, strerror(errno));
    }
    if (f) fclose(f);
    return rc;
}

static status check_member(const cJSON **out, const cJSON *document, const char *member, int is_array, const char *name,
                           error *err)
{
    const cJSON *v = *out = cJSON_GetObjectItemCaseSensitive(document, member);
    if (v && (is_array ? cJSON_IsArray(v) : cJSON_IsObject(v))) return OK;
    return fail(err, BAD_INPUT, "%.120s: \"%s\" is %s, wanted an %s: is it a result of --json?", name, member,
                v ? json_type_name(v) : "missing", is_array ? "array" : "object");
}

static status check_rows(const result *r, error *err)
{
    static const char *const strings[] = {"table", "name"};
    int i = 0;
    const cJSON *row, *note;
    cJSON_ArrayForEach(row, r->rows)
    {
        if (!cJSON_IsObject(row))
            return fail(err, BAD_INPUT, "%.120s: rows[%d] is %s, wanted an object", r->name, i, json_type_name(row));
        for (int s = 0; s < 2; s++)
            if (!result_text(row, strings[s]))
                return fail(err, BAD_INPUT, "%.120s: rows[%d] has no \"%s\", wanted a string", r->name, i, strings[s]);
        i++;
    }
    i = 0;
    cJSON_ArrayForEach(note, r->notes)
    {
        if (!cJSON_IsString(note))
            return fail(err, BAD_INPUT, "%.120s: notes[%d] is %s, wanted a string", r->name, i, json_type_name(note));
        i++;
    }
    return OK;
}

status result_view(result *out, const char *name, const cJSON *document, error *err)
{
    status rc = OK;
    *out = (result){.name = name};
    if (!cJSON_IsObject(document))
        rc = fail(err, BAD_INPUT, "%.120s: %s, wanted an object", name, json_type_name(document));
    if (rc == OK) rc = check_member(&out->environment, document, "environment", 0, name, err);
    if (rc == OK) rc = check_member(&out->notes, document, "notes", 1, name, err);
    if (rc == OK) rc = check_member(&out->rows, document, "rows", 1, name, err);
    if (rc == OK) rc = check_rows(out, err);
    if (rc != OK) *out = (result){0};
    return rc;
}

status result_read(result *out, const char *file, error *err)
{
    const json_limits limits = {RESULT_DEPTH_MAX, RESULT_VALUES_MAX};
    char *text = NULL;
    size_t n = 0;
    cJSON *tree = NULL;
    error why;
    *out = (result){0};
    status rc = read_all(&text, &n, file, err);
    if (rc == OK && (rc = json_parse(&tree, text, n, limits, &why)) != OK)
        rc = fail(err, rc, "%.120s: %.120s", file, why.text);
    if (rc == OK) rc = result_view(out, file, tree, err);
    if (rc == OK) out->own = tree;
    else cJSON_Delete(tree);
    free(text);
    return rc;
}

void result_close(result *r)
{
    cJSON_Delete(r->own);
    *r = (result){0};
}

const cJSON *result_next(const result *r, const char *table, const cJSON *after)
{
    const cJSON *row = after ? after->next : r->rows->child;
    while (row && strcmp(result_text(row, "table"), table)) row = row->next;
    return row;
}

const cJSON *result_row(const result *r, const char *table, const char *name)
{
    const cJSON *row = result_next(r, table, NULL);
    while (row && strcmp(result_text(row, "name"), name)) row = result_next(r, table, row);
    return row;
}

int result_rows(const result *r, const char *table)
{
    int n = 0;
    for (const cJSON *row = NULL; (row = result_next(r, table, row));) n++;
    return n;
}

const char *result_text(const cJSON *row, const char *column)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, column));
}

double result_number(const cJSON *row, const char *column)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, column);
    return cJSON_IsNumber(v) ? v->valuedouble : (double)NAN;
}

const char *result_fact(const result *r, const char *name) { return result_text(r->environment, name); }
