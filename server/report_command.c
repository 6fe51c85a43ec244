/* report_command.c - `beeline report`: what the ledger and the incidents of a running server add up to. */
#include <stdio.h>
#include "commands.h"
#include "ops_client.h"
#include "report_figures.h"
#include "runtime/base/json.h"

/* Each of an array, oldest first or last: the figures do not mind which for incidents. */
static status take(report_figures *f, const options *o, const char *target,
                   void (*one)(report_figures *, const cJSON *), error *err)
{
    int code;
    out answer = {0};
    cJSON *tree = NULL;
    const cJSON *each;
    status rc = ops_ask(o, "GET", target, NULL, &code, &answer, err);
    if (rc == OK) rc = json_parse(&tree, answer.p, answer.n, (json_limits){16, 1000000}, err);
    if (rc == OK) cJSON_ArrayForEach(each, tree) one(f, each);
    cJSON_Delete(tree);
    out_free(&answer);
    return rc;
}

int report_command(const options *o, const char *none)
{
    error err;
    out text = {0};
    report_figures *f = report_figures_new();
    (void)none;
    status rc = f ? OK : fail(&err, NO_MEMORY, "no memory for the figures");
    if (rc == OK) rc = take(f, o, "/admin/ledger", report_figures_line, &err);
    if (rc == OK) rc = take(f, o, "/admin/incidents", report_figures_incident, &err);
    if (rc == OK && !report_figures_end(f)) rc = fail(&err, NO_MEMORY, "no memory for all figures");
    if (rc == OK && o->json) report_figures_json(&text, f);
    else if (rc == OK) report_figures_text(&text, f);
    if (rc == OK && text.failed) rc = fail(&err, NO_MEMORY, "no memory for the text");
    if (rc == OK) fwrite(text.p, 1, text.n, stdout);
    else fprintf(stderr, "beeline: %s\n", err.text);
    out_free(&text);
    report_figures_free(f);
    return rc == OK ? EXIT_OK : EXIT_REFUSED;
}
