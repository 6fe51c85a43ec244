#include "page.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "markup.h"
#include "page_parts.h"
#include "runtime/base/file.h"
#include "server/build.h"

static const char STYLE[] =
#include "page_style.inc"
    ;

static void put_head(FILE *f, const result *results, int n)
{
    /* The policy holds a browser to what this page promises: it fetches nothing and runs nothing. */
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          f);
    if (n == 1) markup_text(f, results->name);
    else fprintf(f, "beeline-bench: %d results", n);
    fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", STYLE);
}

/* What was asked of whom, where a result says it. */
static void put_origin(FILE *f, const result *r)
{
    static const char *const facts[] = {"target", "requests"};
    for (int i = 0; i < 2; i++) {
        const char *fact = result_fact(r, facts[i]);
        if (!fact) continue;
        fputs("<p class=\"about\">", f);
        markup_text(f, fact);
        fputs("</p>\n", f);
    }
}

static void put_result(FILE *f, const result *r, const char *heading)
{
    fprintf(f, "<section>\n<%s>", heading);
    markup_text(f, r->name);
    fprintf(f, "</%s>\n", heading);
    put_origin(f, r);
    page_verdict(f, r);
    page_headline(f, r);
    fputs("<div class=\"figures\">\n", f);
    page_curves(f, r, 1);
    page_figures(f, r);
    fputs("</div>\n", f);
    page_tables(f, r);
    fputs("</section>\n", f);
}

static void put_page(FILE *f, const result *results, int n)
{
    put_head(f, results, n);
    fputs("<main>\n", f);
    if (n > 1) {
        fprintf(f, "<section>\n<h1>%d results</h1>\n", n);
        page_compare(f, results, n);
        fputs("<div class=\"figures\">\n", f);
        page_curves(f, results, n);
        fputs("</div>\n</section>\n", f);
    }
    for (int i = 0; i < n; i++) put_result(f, &results[i], n > 1 ? "h2" : "h1");
    fprintf(f, "</main>\n<footer>Page by beeline-bench %s %s.</footer>\n</body>\n</html>\n", build_version(),
            build_commit());
}

status page_write(const char *file, const result *results, int n, error *err)
{
    struct stat st;
    char *text = NULL;
    size_t bytes = 0;
    const int is_new = stat(file, &st) != 0;
    if (!is_new && !S_ISREG(st.st_mode)) return fail(err, IO_FAILED, "%.200s: no regular file", file);
    FILE *f = open_memstream(&text, &bytes);
    if (!f) return fail(err, NO_MEMORY, "%.200s: no memory for the page", file);
    put_page(f, results, n);
    const int bad = ferror(f);
    status rc = fclose(f) || bad ? fail(err, NO_MEMORY, "%.200s: no memory for the page", file) : OK;
    if (rc == OK) rc = file_replace(file, text, bytes, err);
    /* No secret is in it, and others shall read it. */
    if (rc == OK && is_new && chmod(file, 0644)) rc = fail(err, IO_FAILED, "%.200s: %s", file, strerror(errno));
    free(text);
    return rc;
}
