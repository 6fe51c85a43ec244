#include "environment.h"
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "server/build.h"

/* Files of one line; of a name that occurs twice the first that is there counts (control groups of version 2, then 1).
 */
static const struct {
    const char *name, *file;
} lines[] = {
    {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
    {"numa nodes", "/sys/devices/system/node/online"},
    {"cgroup cpu quota", "/sys/fs/cgroup/cpu.max"},
    {"cgroup cpu quota", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"},
    {"somaxconn", "/proc/sys/net/core/somaxconn"},
};
enum { LINES = sizeof lines / sizeof *lines };

/* 1: read. */
static int read_line(char out[256], const char *file)
{
    FILE *f = fopen(file, "r");
    const int found = f && fgets(out, 256, f);
    if (f) fclose(f);
    if (found) out[strcspn(out, "\n")] = 0;
    return found;
}

static void say_processor(report *r)
{
    char line[512], processor[256] = "unknown processor";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %255[^\n]", processor) == 1) break;
    if (f) fclose(f);
    report_fact(r, "processor", "%s, %ld cores online", processor, sysconf(_SC_NPROCESSORS_ONLN));
}

void environment_say(report *r, int argc, char **argv)
{
    char text[256], command[1024] = "";
    struct utsname machine;
    say_processor(r);
    for (int i = 0; i < LINES; i++) {
        const int found = read_line(text, lines[i].file),
                  again = i + 1 < LINES && !strcmp(lines[i].name, lines[i + 1].name);
        if (!found && again) continue;
        report_fact(r, lines[i].name, "%s", found ? text : "unknown");
        if (again) i++;
    }
    if (!uname(&machine)) report_fact(r, "kernel", "%s %s %s", machine.sysname, machine.release, machine.machine);
    report_fact(r, "build", "beeline %s %s (%s)", build_version(), build_commit(), build_flags());
    for (size_t i = 0, used = 0; i < (size_t)argc && used < sizeof command; i++)
        used += (size_t)snprintf(command + used, sizeof command - used, "%s%s", i ? " " : "", argv[i]);
    report_fact(r, "command", "%s", command);
}
