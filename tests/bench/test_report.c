/* test_report.c - a report's numbers as CSV. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/environment.h"
#include "bench/report.h"
#include "runtime/base/json.h"
#include "tests/support/quiet.h"

static const report_column columns[] = {{"n", "n", "%5.0f", 5}, {"p50_ms", "p50", "%5.1f", 5}};
static error err;

static char *read_all(const char *file)
{
    static char text[65536];
    FILE *f = fopen(file, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    unlink(file);
    return text;
}

static void csv_has_a_line_a_number(void)
{
    report *r;
    char file[] = "/tmp/report_XXXXXX";
    close(mkstemp(file));
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    const int screen = quiet_begin();
    report_fact(r, "processor", "none of the table");
    report_table(r, "load latency, ms", columns, 2);
    report_row(r, "200 or no reply, intended", (double[]){123456789, 0.1});
    report_row(r, "a \"name\"", (double[]){3, NAN});
    quiet_end(screen);
    CU_ASSERT_EQUAL(report_write_csv(r, file, &err), OK);
    CU_ASSERT_STRING_EQUAL(read_all(file), "table,name,column,value\r\n"
                                           "\"load latency, ms\",\"200 or no reply, intended\",n,123456789\r\n"
                                           "\"load latency, ms\",\"200 or no reply, intended\",p50_ms,0.1\r\n"
                                           "\"load latency, ms\",\"a \"\"name\"\"\",n,3\r\n"
                                           "\"load latency, ms\",\"a \"\"name\"\"\",p50_ms,\r\n");
    CU_ASSERT_EQUAL(report_write_csv(r, "/nowhere/at/all", &err), IO_FAILED);
    CU_ASSERT_STRING_EQUAL(err.text, "/nowhere/at/all: cannot be written");
    report_close(r);
}

static void the_machine_is_in_the_report(void)
{
    static const char *const facts[] = {"processor", "governor", "numa nodes", "cgroup cpu quota",
                                        "somaxconn", "kernel",   "build",      "command"};
    report *r;
    cJSON *tree = NULL;
    char file[] = "/tmp/report_XXXXXX";
    close(mkstemp(file));
    CU_ASSERT_EQUAL_FATAL(report_open(&r, &err), OK);
    const int screen = quiet_begin();
    environment_say(r, 3, (char *[]){"beeline-bench", "load", "URL", NULL});
    quiet_end(screen);
    CU_ASSERT_EQUAL(report_write(r, file, &err), OK);
    report_close(r);
    const char *text = read_all(file);
    CU_ASSERT_EQUAL_FATAL(json_parse(&tree, text, strlen(text), (json_limits){8, 100}, &err), OK);
    const cJSON *environment = cJSON_GetObjectItem(tree, "environment");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(environment), (int)(sizeof facts / sizeof *facts)); /* each of them once */
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(environment, facts[i]));
        CU_ASSERT_TRUE(value && *value);
    }
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(environment, "command")), "beeline-bench load URL");
    cJSON_Delete(tree);
}

void report_suite(CU_pSuite s)
{
    CU_add_test(s, "CSV has a line a number, quoted where it must be, empty where nothing was measured",
                csv_has_a_line_a_number);
    CU_add_test(s, "machine, build and command are in the report", the_machine_is_in_the_report);
}
