/* What is left of memory, by files as a kernel writes them. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/base/memory.h"

static char folder[64];
static const char *const names[] = {"meminfo", "memory.max", "memory.current", "memory.stat"};

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void begin(void)
{
    strcpy(folder, "/tmp/beeline-memory-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void end(void)
{
    for (int i = 0; i < 4; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static int64_t available(void) { return memory_available_at(folder, folder); }

static void of_the_system(void)
{
    begin();
    CU_ASSERT_EQUAL(available(), -1);
    write_file("meminfo", "MemTotal:       16384 kB\nMemFree:         100 kB\nMemAvailable:    2048 kB\nBuffers: 1 kB\n");
    CU_ASSERT_EQUAL(available(), 2048 * 1024);
    write_file("memory.current", "1048576\n");
    write_file("memory.max", "max\n"); /* no limit */
    CU_ASSERT_EQUAL(available(), 2048 * 1024);
    write_file("meminfo", "MemAvailable:\n");
    CU_ASSERT_EQUAL(available(), -1);
    end();
}

static void the_smaller_of_system_and_group(void)
{
    begin();
    write_file("meminfo", "MemAvailable:    2048 kB\n");
    write_file("memory.current", "1048576\n");
    write_file("memory.max", "2097152\n");
    CU_ASSERT_EQUAL(available(), 1048576);
    write_file("memory.stat", "anon 900000\nfile 140000\nactive_file 7\ninactive_file 100000\n");
    CU_ASSERT_EQUAL(available(), 1148576); /* the file cache gives way */
    write_file("memory.max", "1000000\n");
    CU_ASSERT_EQUAL(available(), 51424);
    write_file("memory.max", "4096\n");
    CU_ASSERT_EQUAL(available(), 0);
    write_file("memory.max", "104857600\n");
    CU_ASSERT_EQUAL(available(), 2048 * 1024);
    write_file("meminfo", "");
    CU_ASSERT_EQUAL(available(), 104857600 - 1048576 + 100000);
    end();
}

static void of_this_machine(void) { CU_ASSERT(memory_available() > 0); }

void memory_suite(CU_pSuite s)
{
    CU_add_test(s, "of the system it is what the kernel says may be taken", of_the_system);
    CU_add_test(s, "a control group's limit counts, less what its file cache would give", the_smaller_of_system_and_group);
    CU_add_test(s, "this machine says how much it has", of_this_machine);
}
