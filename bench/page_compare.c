/* page_compare.c - several results beside each other, as ratios to the first.  No verdict: whether a difference is more
 * than noise is for `compare` to say, which interleaves its runs. */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "markup.h"
#include "page_parts.h"
#include "scale.h"

/* row NULL: every row of every table whose name begins so; "": the table's first row, whatever its name.  factor: from
 * the column's unit to the scale's. */
static const struct {
    const char *table, *row, *column, *label;
    scale_unit unit;
    double factor;
} figures[] = {
    {"load", "", "offered_per_s", "offered", UNIT_PER_S, 1},
    {"load", "", "sent_per_s", "achieved", UNIT_PER_S, 1},
    {"load", "", "goodput_per_s", "goodput", UNIT_PER_S, 1},
    {"load", "", "tokens_per_s", "tokens", UNIT_PER_S, 1},
    {"load", "", "refused", "refused", UNIT_COUNT, 1},
    {"load", "", "errors", "errors", UNIT_COUNT, 1},
    {"load", "", "censored", "censored", UNIT_COUNT, 1},
    {"load latency, ms", "200 or no reply, intended", "p50_ms", "p50, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, intended", "p90_ms", "p90, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, intended", "p99_ms", "p99, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, intended", "p999_ms", "p99.9, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, intended", "p9999_ms", "p99.99, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, intended", "max_ms", "longest, intended", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, service", "p50_ms", "p50, service", UNIT_MS, 1},
    {"load latency, ms", "200 or no reply, service", "p99_ms", "p99, service", UNIT_MS, 1},
    {"load server stages of the 200s, ms", NULL, "mean_ms", "mean of the stage", UNIT_MS, 1},
    {"sweep", NULL, "goodput_per_s", "goodput", UNIT_PER_S, 1},
    {"sweep", NULL, "p99_ms", "p99", UNIT_MS, 1},
    {"kernels cpu", NULL, "median_us", "median", UNIT_MS, 1e-3},
    {"kernels cuda", NULL, "warm_us", "warm", UNIT_MS, 1e-3},
    {"model", NULL, "median_ms", "median", UNIT_MS, 1},
    {"model", NULL, "graph_us", "graph", UNIT_MS, 1e-3},
    {"model", NULL, "tokens_s", "tokens", UNIT_PER_S, 1},
    {"host", NULL, "median_ns", "median", UNIT_MS, 1e-6},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static void head(FILE *f, const char *what, const char *class, const result *results, int n)
{
    fprintf(f,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table "
            "class=\"%s\">\n<caption>%s</caption>\n"
            "<thead><tr><th scope=\"col\"></th>",
            what, class, what);
    for (int i = 0; i < n; i++) {
        fputs("<th scope=\"col\" class=\"of-file\">", f);
        markup_text(f, results[i].name);
        fputs("</th>", f);
    }
    fputs("</tr></thead>\n<tbody>\n", f);
}

static const char *fact_of(const result *r, const char *name)
{
    const char *fact = result_fact(r, name);
    return fact ? fact : "-";
}

/* Two machines or two builds make two numbers: said before the ratios. */
static void compare_facts(FILE *f, const result *results, int n)
{
    int rows = 0;
    for (int from = 0; from < n; from++) {
        const cJSON *fact;
        cJSON_ArrayForEach(fact, results[from].environment)
        {
            bool differs = false, said = false;
            for (int i = 0; i < n; i++)
                differs |= strcmp(fact_of(&results[i], fact->string), fact_of(results, fact->string)) != 0;
            for (int i = 0; i < from; i++) said |= result_fact(&results[i], fact->string) != NULL;
            if (!differs || said) continue;
            if (!rows++) head(f, "What differs in how they were made", "texts", results, n);
            fputs("<tr><th scope=\"row\">", f);
            markup_text(f, fact->string);
            fputs("</th>", f);
            for (int i = 0; i < n; i++) {
                fputs("<td class=\"text\">", f);
                markup_text(f, fact_of(&results[i], fact->string));
                fputs("</td>", f);
            }
            fputs("</tr>\n", f);
        }
    }
    if (rows) fputs("</tbody></table></div>\n", f);
    else fputs("<p>They say nothing different of how they were made.</p>\n", f);
}

/* That figure of each result, at the first result's `row`; the number of rows written. */
static int compare_row(FILE *f, int figure, const cJSON *row, const result *results, int n, int rows)
{
    const char *table = result_text(row, "table"), *name = result_text(row, "name");
    const char *column = figures[figure].column, *wanted = figures[figure].row;
    const double first = result_number(row, column) * figures[figure].factor;
    if (isnan(first)) return rows;
    if (!rows) head(f, "Figures, and ratios to the first", "ratios", results, n);
    fputs("<tr><th scope=\"row\">", f);
    if (!wanted && strcmp(table, figures[figure].table)) {
        markup_text(f, table);
        fputs(": ", f);
    }
    if (!wanted) {
        markup_text(f, name);
        fputs(", ", f);
    }
    fprintf(f, "%s</th>", figures[figure].label);
    for (int i = 0; i < n; i++) {
        char number[SCALE_NUMBER];
        const bool any = wanted && !*wanted;
        const cJSON *mine = any ? result_next(&results[i], table, NULL) : result_row(&results[i], table, name);
        const double value = result_number(mine, column) * figures[figure].factor;
        scale_number(number, value, figures[figure].unit);
        fprintf(f, "<td>%s", number);
        if (i && first > 0 && !isnan(value))
            fprintf(f, " <span class=\"ratio\">\303\227\302\240%.*f</span>", value < 10 * first ? 3 : 1, value / first);
        fputs("</td>", f);
    }
    fputs("</tr>\n", f);
    return rows + 1;
}

static int compare_figure(FILE *f, int figure, const result *results, int n, int rows)
{
    const char *table = figures[figure].table, *wanted = figures[figure].row;
    const cJSON *row = NULL;
    if (wanted) {
        row = *wanted ? result_row(results, table, wanted) : result_next(results, table, NULL);
        return row ? compare_row(f, figure, row, results, n, rows) : rows;
    }
    cJSON_ArrayForEach(row, results->rows) if (!strncmp(result_text(row, "table"), table, strlen(table))) rows =
        compare_row(f, figure, row, results, n, rows);
    return rows;
}

void page_compare(FILE *f, const result *results, int n)
{
    for (int i = 0; i < n; i++) {
        fputs("<div class=\"of-one\"><span class=\"name\">", f);
        markup_text(f, results[i].name);
        fputs("</span>\n", f);
        page_verdict(f, &results[i]);
        fputs("</div>\n", f);
    }
    compare_facts(f, results, n);
    int rows = 0;
    for (int i = 0; i < FIGURES; i++) rows = compare_figure(f, i, results, n, rows);
    if (!rows) {
        fputs("<p class=\"missing\">No table of the first result has figures to compare.</p>\n", f);
        return;
    }
    fputs(
        "</tbody></table></div>\n<p class=\"about\">A ratio alone is no verdict: beeline-bench compare says whether it "
        "is more than noise. What the first result does not have is not in this table, but below.</p>\n",
        f);
}
