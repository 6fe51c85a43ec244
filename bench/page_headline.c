/* page_headline.c - may the run be believed, and what did it measure: read within three seconds. */
#include <math.h>
#include <string.h>
#include "markup.h"
#include "page_parts.h"
#include "scale.h"

static const char INVALID[] = "INVALID: ";

void page_verdict(FILE *f, const result *r)
{
    const cJSON *note;
    int valid = 0, reasons = 0;
    cJSON_ArrayForEach(note, r->notes)
    {
        valid |= !strcmp(note->valuestring, "VALID");
        if (strncmp(note->valuestring, INVALID, sizeof INVALID - 1)) continue;
        if (!reasons++)
            fputs("<div class=\"invalid\" role=\"alert\"><strong>INVALID</strong> Do not use these figures:\n<ul>\n",
                  f);
        fputs("<li>", f);
        markup_text(f, note->valuestring + sizeof INVALID - 1);
        fputs("</li>\n", f);
    }
    if (reasons) fputs("</ul></div>\n", f);
    else if (valid) fputs("<p class=\"valid\"><strong>VALID</strong> No rule of an honest run was broken.</p>\n", f);
}

static void card(FILE *f, const char *what, double value, scale_unit unit, double of)
{
    char number[SCALE_NUMBER];
    scale_number(number, value, unit);
    fprintf(f, "<div><dt>%s</dt><dd>%s</dd>", what, number);
    if (value > 0 && of > 0) {
        scale_number(number, value / of, UNIT_SHARE);
        fprintf(f, "<dd class=\"of\">%s of offered</dd>", number);
    }
    fputs("</div>\n", f);
}

static void latency_row(FILE *f, const result *r, const char *name, const char *what)
{
    static const char *const columns[] = {"p50_ms", "p90_ms", "p99_ms", "p999_ms", "p9999_ms", "max_ms"};
    const cJSON *row = result_row(r, "load latency, ms", name);
    char number[SCALE_NUMBER];
    fprintf(f, "<tr><th scope=\"row\">%s</th>", what);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        scale_number(number, result_number(row, columns[i]), UNIT_MS);
        fprintf(f, "<td>%s</td>", number);
    }
    scale_number(number, result_number(row, "n"), UNIT_COUNT);
    fprintf(f, "<td>%s</td></tr>\n", number);
}

void page_headline(FILE *f, const result *r)
{
    const cJSON *load = result_next(r, "load", NULL);
    if (!load) return;
    const double offered = result_number(load, "offered_per_s");
    fputs("<dl class=\"cards\">\n", f);
    card(f, "offered", offered, UNIT_PER_S, NAN);
    card(f, "achieved", result_number(load, "sent_per_s"), UNIT_PER_S, offered);
    card(f, "goodput", result_number(load, "goodput_per_s"), UNIT_PER_S, offered);
    card(f, "tokens", result_number(load, "tokens_per_s"), UNIT_PER_S, NAN);
    card(f, "refused", result_number(load, "refused"), UNIT_COUNT, NAN);
    card(f, "errors", result_number(load, "errors"), UNIT_COUNT, NAN);
    card(f, "censored", result_number(load, "censored"), UNIT_COUNT, NAN);
    fputs(
        "</dl>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"latency\"><table class=\"latency\">\n"
        "<thead><tr><th scope=\"col\">latency</th><th scope=\"col\">p50</th><th scope=\"col\">p90</th><th "
        "scope=\"col\">"
        "p99</th><th scope=\"col\">p99.9</th><th scope=\"col\">p99.99</th><th scope=\"col\">max</th><th scope=\"col\">n"
        "</th></tr></thead>\n<tbody>\n",
        f);
    latency_row(f, r, "200 or no reply, intended", "intended");
    latency_row(f, r, "200 or no reply, service", "service");
    fputs(
        "</tbody></table></div>\n<p class=\"about\">Intended: from the time a request was due, which is what a caller "
        "saw. Service: from the time it was sent. n/a: fewer than ten samples lie beyond that percentile. Censored: "
        "still open at the end, counted with their age.</p>\n",
        f);
}
