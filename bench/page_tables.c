/* page_tables.c - all that a result says, so that nothing is lost: notes, tables, environment, command. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "markup.h"
#include "page_parts.h"

enum { COLUMNS_MAX = 64, KEY = 80 };

/* As a number of the column is best read: the same digits after the point in all its rows. */
typedef struct {
    const char *name;
    bool is_text, whole;
    double largest, least;
} column;

static bool is_column(const cJSON *v) { return strcmp(v->string, "table") && strcmp(v->string, "name"); }

/* The columns of all the table's rows, in the order of their coming; *more: there are others. */
static int read_columns(column *columns, bool *more, const result *r, const char *table)
{
    int n = 0;
    *more = false;
    for (const cJSON *row = NULL; (row = result_next(r, table, row));) {
        const cJSON *v;
        cJSON_ArrayForEach(v, row)
        {
            int i = 0;
            if (!is_column(v)) continue;
            while (i < n && strcmp(columns[i].name, v->string)) i++;
            if (i == COLUMNS_MAX) {
                *more = true;
                continue;
            }
            if (i == n) columns[n++] = (column){.name = v->string, .whole = true, .least = INFINITY};
            if (cJSON_IsNull(v)) continue;
            if (!cJSON_IsNumber(v)) {
                columns[i].is_text = true;
                continue;
            }
            const double size = fabs(v->valuedouble);
            columns[i].whole = columns[i].whole && size == floor(size);
            columns[i].largest = fmax(columns[i].largest, size);
            if (size > 0) columns[i].least = fmin(columns[i].least, size);
        }
    }
    return n;
}

static void put_key(FILE *f, const char *key)
{
    char words[KEY];
    snprintf(words, sizeof words, "%s", key);
    for (char *p = words; *p; p++)
        if (*p == '_') *p = ' ';
    markup_text(f, strlen(key) < sizeof words ? words : key);
}

/* Enough for two digits of the smallest. */
static int digits_of(const column *c)
{
    const int usual = c->largest >= 1e4 ? 1 : c->largest >= 100 ? 2 : 3, least = 1 - (int)floor(log10(c->least));
    return least > usual ? least : usual;
}

static void put_value(FILE *f, const cJSON *v, const column *c)
{
    if (!v || cJSON_IsNull(v)) {
        fputs("-", f);
    } else if (cJSON_IsString(v)) {
        markup_text(f, v->valuestring);
    } else if (!c || !cJSON_IsNumber(v)) {
        char *text = cJSON_PrintUnformatted(v);
        if (text) markup_text(f, text);
        cJSON_free(text);
    } else if (c->whole && c->largest < 1e15) {
        fprintf(f, "%.0f", v->valuedouble);
    } else if (c->least < 1e-3 || c->largest >= 1e15) {
        fprintf(f, "%.3g", v->valuedouble);
    } else {
        fprintf(f, "%.*f", digits_of(c), v->valuedouble);
    }
}

static void put_table(FILE *f, const result *r, const char *table)
{
    column columns[COLUMNS_MAX];
    bool more;
    const int n = read_columns(columns, &more, r, table);
    fputs("<div>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", f);
    markup_text(f, table);
    fputs("\"><table>\n<caption>", f);
    markup_text(f, table);
    fputs("</caption>\n<thead><tr><th scope=\"col\"></th>", f);
    for (int i = 0; i < n; i++) {
        fputs("<th scope=\"col\">", f);
        put_key(f, columns[i].name);
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
    for (const cJSON *row = NULL; (row = result_next(r, table, row));) {
        fputs("<tr><th scope=\"row\">", f);
        markup_text(f, result_text(row, "name"));
        fputs("</th>", f);
        for (int i = 0; i < n; i++) {
            fputs(columns[i].is_text ? "<td class=\"text\">" : "<td>", f);
            put_value(f, cJSON_GetObjectItemCaseSensitive(row, columns[i].name), &columns[i]);
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
    if (more) fprintf(f, "<p class=\"missing\">Only its first %d columns are shown.</p>\n", COLUMNS_MAX);
    fputs("</div>\n", f);
}

static void put_notes(FILE *f, const result *r)
{
    const cJSON *note;
    if (!r->notes->child) return;
    fputs("<h3>Notes</h3>\n<ul class=\"notes\">\n", f);
    cJSON_ArrayForEach(note, r->notes)
    {
        fputs("<li>", f);
        markup_text(f, note->valuestring);
        fputs("</li>\n", f);
    }
    fputs("</ul>\n", f);
}

static void put_environment(FILE *f, const result *r)
{
    const cJSON *fact;
    if (!r->environment->child) return;
    fputs("<h3>Environment</h3>\n<dl class=\"facts\">\n", f);
    cJSON_ArrayForEach(fact, r->environment)
    {
        fputs("<dt>", f);
        put_key(f, fact->string);
        fputs("</dt><dd>", f);
        put_value(f, fact, NULL);
        fputs("</dd>\n", f);
    }
    fputs("</dl>\n", f);
}

void page_tables(FILE *f, const result *r)
{
    const cJSON *row;
    const char *command = result_fact(r, "command");
    put_notes(f, r);
    fputs("<h3>Tables</h3>\n", f);
    if (!r->rows->child) fputs("<p class=\"missing\">This result has no row.</p>\n", f);
    fputs("<div class=\"tables\">\n", f);
    cJSON_ArrayForEach(row, r->rows)
    {
        const char *table = result_text(row, "table");
        if (result_next(r, table, NULL) == row) put_table(f, r, table);
    }
    fputs("</div>\n", f);
    put_environment(f, r);
    if (!command) return;
    fputs("<h3>To repeat it</h3>\n<pre><code>", f);
    markup_text(f, command);
    fputs("</code></pre>\n", f);
}
