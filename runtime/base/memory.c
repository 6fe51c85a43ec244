#include "memory.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 16384 };

/* The number that follows `name` at the start of a line, or of the file where name is "". */
static bool read_number(const char *folder, const char *file, const char *name, int64_t *number)
{
    char path[512], text[TEXT];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *end;
        if (strncmp(line, name, strlen(name))) continue;
        *number = strtoll(line + strlen(name), &end, 10);
        return end > line + strlen(name);
    }
    return false;
}

int64_t memory_available_at(const char *proc, const char *group)
{
    int64_t available = -1, kib, limit, used, cache = 0;
    if (read_number(proc, "meminfo", "MemAvailable:", &kib)) available = kib * 1024;
    if (!read_number(group, "memory.max", "", &limit) || !read_number(group, "memory.current", "", &used))
        return available;
    (void)read_number(group, "memory.stat", "inactive_file ", &cache);
    const int64_t left = limit - used + cache > 0 ? limit - used + cache : 0;
    return available < 0 || left < available ? left : available;
}

int64_t memory_available(void) { return memory_available_at("/proc", "/sys/fs/cgroup"); }
