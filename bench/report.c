#include "report.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_WIDTH = 40 };

struct report {
    cJSON               *root, *environment, *notes, *rows;
    const char          *table;
    const report_column *columns;
    int                  n_columns;
};

status report_open(report **out, error *err)
{
    report *r = calloc(1, sizeof *r);
    *out = r;
    if (r && (r->root = cJSON_CreateObject())) {
        r->environment = cJSON_AddObjectToObject(r->root, "environment");
        r->notes = cJSON_AddArrayToObject(r->root, "notes");
        r->rows = cJSON_AddArrayToObject(r->root, "rows");
    }
    if (!r || !r->environment || !r->notes || !r->rows) {
        report_close(r);
        *out = NULL;
        return fail(err, NO_MEMORY, "no memory for the report");
    }
    return OK;
}

void report_close(report *r)
{
    if (!r) return;
    cJSON_Delete(r->root);
    free(r);
}

status report_write(const report *r, const char *file, error *err)
{
    status rc = OK;
    char  *text = cJSON_Print(r->root);
    if (!text) return fail(err, NO_MEMORY, "%s: no memory for the report", file);
    FILE *f = fopen(file, "w");
    if (!f || fputs(text, f) < 0 || fputc('\n', f) < 0) rc = fail(err, IO_FAILED, "%s: cannot be written", file);
    if (f && fclose(f) && rc == OK) rc = fail(err, IO_FAILED, "%s: cannot be written", file);
    cJSON_free(text);
    return rc;
}

const cJSON *report_document(const report *r) { return r->root; }
static void put_quoted(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

static void put_row(FILE *f, const cJSON *row)
{
    const cJSON *table = row->child, *name = table->next;
    for (const cJSON *value = name->next; value; value = value->next) {
        put_quoted(f, table->valuestring);
        fputc(',', f);
        put_quoted(f, name->valuestring);
        fprintf(f, ",%s,", value->string);
        if (cJSON_IsNumber(value)) fprintf(f, "%.10g", value->valuedouble);
        fputs("\r\n", f);
    }
}

status report_write_csv(const report *r, const char *file, error *err)
{
    FILE *f = fopen(file, "w");
    if (!f) return fail(err, IO_FAILED, "%s: cannot be written", file);
    fputs("table,name,column,value\r\n", f);
    for (const cJSON *row = r->rows->child; row; row = row->next) put_row(f, row);
    const int broken = ferror(f), unclosed = fclose(f);
    return broken || unclosed ? fail(err, IO_FAILED, "%s: cannot be written", file) : OK;
}

void report_fact(report *r, const char *name, const char *format, ...)
{
    char    text[1280];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("# %s: %s\n", name, text);
    fflush(stdout);
    cJSON_AddStringToObject(r->environment, name, text);
}

void report_note(report *r, const char *format, ...)
{
    char    text[1280];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("%s\n", text);
    fflush(stdout);
    cJSON_AddItemToArray(r->notes, cJSON_CreateString(text));
}

void report_table(report *r, const char *table, const report_column *columns, int n)
{
    r->table = table;
    r->columns = columns;
    r->n_columns = n;
    printf("%-*s", NAME_WIDTH, table);
    for (int i = 0; i < n; i++) printf(" %*s", columns[i].width, columns[i].title);
    printf("\n");
    fflush(stdout);
}

void report_row(report *r, const char *name, const double *values)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "table", r->table);
    cJSON_AddStringToObject(row, "name", name);
    printf("%-*s", NAME_WIDTH, name);
    for (int i = 0; i < r->n_columns; i++) {
        const report_column *c = &r->columns[i];
        char                 number[64] = "-";
        if (!isnan(values[i])) snprintf(number, sizeof number, c->format, values[i]);
        printf(" %*s", c->width, number);
        if (isnan(values[i])) cJSON_AddNullToObject(row, c->key);
        else cJSON_AddNumberToObject(row, c->key, values[i]);
    }
    printf("\n");
    fflush(stdout);
    cJSON_AddItemToArray(r->rows, row);
}
