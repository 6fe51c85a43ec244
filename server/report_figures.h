/* report_figures.h - what the ledger and the incidents add up to: counts, times, and what hurt how often.  Pure: no
 * file, no clock.
 *
 * First every line of the ledger, oldest first, then every incident.  What is of a wrong type or missing is not
 * counted. A release counts by its last outcome; without one it is under way.  Times are in milliseconds; one that is
 * negative, because the wall clock jumped, is left out. A release that its bake took back says rolled_back, and why in
 * detail, "RULE: numbers"; one by hand is a line of action rollback. */
#ifndef SERVER_REPORT_FIGURES_H
#define SERVER_REPORT_FIGURES_H
#include <cjson/cJSON.h>
#include "out.h"

typedef struct report_figures report_figures;
report_figures *report_figures_new(void); /* NULL: no memory */
void report_figures_free(report_figures *f);
void report_figures_line(report_figures *f, const cJSON *line);
void report_figures_incident(report_figures *f, const cJSON *incident);
/* Once, after the last of them; false: memory was short, and figures are missing. */
bool report_figures_end(report_figures *f);

void report_figures_text(out *o, const report_figures *f); /* lines of at most 100 columns */
void report_figures_json(out *o, const report_figures *f); /* one object */
#endif
