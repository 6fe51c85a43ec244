/* test_report_figures.c - a made-up history and what it adds up to. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/report_figures.h"

static char text[8192], json[8192];

static void take(report_figures *f, void (*one)(report_figures *, const cJSON *), const char *line)
{
    cJSON *tree = cJSON_Parse(line);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    one(f, tree);
    cJSON_Delete(tree);
}

static void keep(char *to, out *o)
{
    CU_ASSERT_FATAL(!o->failed && o->n < sizeof text);
    memcpy(to, o->p ? o->p : "", o->n);
    to[o->n] = 0;
    out_free(o);
}

static void figures_of(const char *const *lines, const char *const *incidents)
{
    out o = {0};
    report_figures *f = report_figures_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (; *lines; lines++) take(f, report_figures_line, *lines);
    for (; *incidents; incidents++) take(f, report_figures_incident, *incidents);
    CU_ASSERT_TRUE(report_figures_end(f));
    report_figures_text(&o, f);
    keep(text, &o);
    report_figures_json(&o, f);
    keep(json, &o);
    cJSON *whole = cJSON_Parse(json);
    CU_ASSERT_PTR_NOT_NULL(whole);
    cJSON_Delete(whole);
    report_figures_free(f);
}

static void has(const char *in, const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(in, part));
    if (!strstr(in, part)) printf("\n    no %s in %s", part, in);
}

#define LINE(at, number, step, outcome, more) \
    "{\"at\":\"2026-11-25T" at "Z\",\"release\":" number ",\"action\":\"release\",\"step\":\"" step \
    "\",\"outcome\":\"" outcome "\"" more "}"
static const char *const none[] = {NULL};

static void nothing_has_happened(void)
{
    static const char *const lines[] = {"{\"at\":\"2026-11-25T09:00:00Z\",\"action\":\"start\",\"outcome\":\"ok\"}", NULL};
    figures_of(none, none);
    CU_ASSERT_STRING_EQUAL(text, "No release, no rollback and no incident has been recorded yet.\n");
    figures_of(lines, none);
    CU_ASSERT_STRING_EQUAL(text, "No release, no rollback and no incident has been recorded yet.\n");
    has(json, "{\"releases\":{\"total\":0,\"done\":0,");
}

static void releases_and_their_times(void)
{
    static const char *const lines[] = {
        LINE("09:00:00.000", "1", "check", "begun", ""), LINE("09:00:00.100", "1", "check", "ok", ",\"ms\":100"),
        LINE("09:00:01.000", "1", "load", "ok", ",\"ms\":800"), LINE("09:00:02.000", "1", "switch", "ok", ",\"ms\":0.5"),
        LINE("09:02:02.000", "1", "bake", "ok", ",\"ms\":120000"), LINE("09:02:02.000", "1", "done", "ok", ",\"ms\":122000"),
        LINE("10:00:00.000", "2", "check", "begun", ""), LINE("10:00:00.300", "2", "check", "ok", ",\"ms\":300"),
        LINE("10:00:00.400", "2", "contract", "refused", ",\"ms\":100,\"detail\":\"1 break\""),
        LINE("11:00:00.000", "3", "check", "begun", ""), LINE("11:00:00.400", "3", "contract", "refused", ",\"ms\":1"),
        LINE("12:00:00.000", "4", "check", "begun", ""), LINE("12:00:04.000", "4", "switch", "ok", ",\"ms\":0.5"),
        LINE("12:00:34.000", "4", "bake", "rolled_back", ",\"detail\":\"p99_previous: p99 80.0 ms\""),
        LINE("13:00:00.000", "5", "check", "begun", ""), LINE("13:00:00.500", "5", "load", "failed", ",\"ms\":500"),
        LINE("14:00:00.000", "6", "load", "begun", ""), LINE("14:10:00.000", "6", "load", "interrupted", ""),
        LINE("15:00:00.000", "7", "check", "begun", ""), NULL};
    figures_of(lines, none);
    has(json, "{\"releases\":{\"total\":7,\"done\":1,\"refused\":2,\"failed\":1,\"rolled_back\":1,\"interrupted\":1,\"under_way\":1}");
    has(json, "\"check\":{\"count\":2,\"median\":200.0,\"longest\":300.0}");
    has(json, "\"order_to_switch\":{\"count\":2,\"median\":3000.0,\"longest\":4000.0}");
    has(json, "\"order_to_done\":{\"count\":1,\"median\":122000.0,\"longest\":122000.0}");
    has(json, "\"rollbacks\":{\"automatic\":1,\"by_hand\":0}");
    has(json, "\"automatic\":{\"count\":1,\"median\":30000.0,\"longest\":30000.0}");
    has(json, "\"hurt_twice_or_more\":[{\"times\":2,\"what\":\"release refused at contract\"}]");
    has(json, "{\"times\":1,\"what\":\"rolled back by rule p99_previous\"}");
    has(json, "{\"times\":1,\"what\":\"release failed at load\"}");
    has(json, "{\"times\":1,\"what\":\"release interrupted at load\"}");
    has(text, "Releases                            7\n");
    has(text, "Hurt twice or more: worth generalising\n     2  release refused at contract\n");
    has(text, "  order to done                     1        2.0 min        2.0 min\n");
}

/* The process died amid the first, and its ledger was cut within the second. */
static void a_release_without_an_end_or_a_beginning(void)
{
    static const char *const lines[] = {
        LINE("09:00:00.000", "1", "check", "begun", ""), LINE("09:00:01.000", "1", "check", "ok", ",\"ms\":1000"),
        LINE("10:00:03.000", "2", "load", "ok", ",\"ms\":2000"), LINE("10:00:05.000", "2", "switch", "ok", ",\"ms\":1"),
        NULL};
    figures_of(lines, none);
    has(json, "{\"releases\":{\"total\":2,\"done\":0,");
    has(json, "\"interrupted\":1,\"under_way\":1}");
    has(json, "\"order_to_switch\":{\"count\":1,\"median\":4000.0,"); /* from the beginning of what is known */
}

/* Out of a bake by hand: the bake's line and the rollback's are one rollback. */
static void by_hand_is_counted_once(void)
{
    static const char *const lines[] = {
        LINE("09:00:00.000", "1", "check", "begun", ""), LINE("09:00:01.000", "1", "switch", "ok", ",\"ms\":0.5"),
        "{\"at\":\"2026-11-25T09:00:11.000Z\",\"release\":1,\"action\":\"rollback\",\"outcome\":\"ok\",\"ms\":0.01}",
        LINE("09:00:11.010", "1", "bake", "rolled_back", ",\"detail\":\"by ada@host: slow\""),
        "{\"at\":\"2026-11-25T09:00:21.000Z\",\"release\":1,\"action\":\"rollback\",\"outcome\":\"failed\"}", NULL};
    figures_of(lines, none);
    has(json, "\"rolled_back\":1");
    has(json, "\"rollbacks\":{\"automatic\":0,\"by_hand\":1}");
    has(json, "\"by_hand\":{\"count\":1,\"median\":10000.0,\"longest\":10000.0}");
    CU_ASSERT_PTR_NULL(strstr(json, "rolled back by rule"));
}

#define INCIDENT(cause, state, opened, more) \
    "{\"cause\":\"" cause "\",\"state\":\"" state "\",\"opened_at\":\"2026-11-25T" opened "Z\"" more "}"

static void incidents_by_cause_and_time(void)
{
    static const char *const lines[] = {
        "{\"at\":\"2026-11-25T09:05:00Z\",\"action\":\"rollback\",\"outcome\":\"ok\",\"ms\":0.01}", NULL};
    static const char *const incidents[] = {
        INCIDENT("slo_burn", "resolved", "09:00:00", ",\"acknowledged_at\":\"2026-11-25T09:01:00Z\",\"resolved_at\":\"2026-11-25T10:00:00Z\""),
        INCIDENT("slo_burn", "resolved", "12:00:00", ",\"resolved_at\":\"2026-11-25T12:10:00Z\""),
        INCIDENT("rollback", "open", "13:00:00", ""), INCIDENT("gpu_fault", "acknowledged", "14:00:00", ""), NULL};
    figures_of(lines, incidents);
    has(json, "\"incidents\":{\"total\":4,\"open\":2,\"by_cause\":{\"slo_burn\":2,\"gpu_fault\":1,\"rollback\":1}}");
    has(json, "\"acknowledge\":{\"count\":1,\"median\":60000.0");
    has(json, "\"resolve\":{\"count\":2,\"median\":2100000.0,\"longest\":3600000.0}");
    has(json, "\"mitigate\":{\"count\":2,\"median\":450000.0,\"longest\":600000.0}"); /* the first by the rollback */
    has(json, "\"hurt_twice_or_more\":[{\"times\":2,\"what\":\"incident: slo_burn\"}],\"hurt_once\":[{\"times\":1,\"what\":\"incident: gpu_fault\"}]");
    has(text, "  slo_burn                          2\n");
}

static void what_is_odd_is_left_out(void)
{
    static const char *const lines[] = {"1", "{}", "{\"action\":1}", "{\"action\":\"release\",\"outcome\":\"ok\",\"step\":\"done\"}",
                                        LINE("09:00:02.000", "1", "switch", "ok", ",\"ms\":-5"),
                                        LINE("08:00:00.000", "1", "done", "ok", ""), NULL};
    static const char *const incidents[] = {"{}", "{\"cause\":\"slo_burn\",\"opened_at\":\"soon\"}", NULL};
    figures_of(lines, incidents);
    has(json, "{\"releases\":{\"total\":1,\"done\":1,");
    has(json, "\"switch\":{\"count\":0}");
    has(json, "\"order_to_done\":{\"count\":0}"); /* the clock went back */
}

void report_figures_suite(CU_pSuite s)
{
    CU_add_test(s, "of nothing there is one line", nothing_has_happened);
    CU_add_test(s, "releases by their end, times by step, what hurt once and twice", releases_and_their_times);
    CU_add_test(s, "a release without an end, and one without a beginning", a_release_without_an_end_or_a_beginning);
    CU_add_test(s, "a rollback by hand amid a bake is one", by_hand_is_counted_once);
    CU_add_test(s, "incidents by cause, times until they were acknowledged, resolved, mitigated", incidents_by_cause_and_time);
    CU_add_test(s, "what is odd is left out", what_is_odd_is_left_out);
}
