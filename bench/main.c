/* main.c - beeline-bench: one table of benchmarks. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"
#include "server/build.h"

static const struct { const char *name, *arguments, *what; int (*run)(int, char **); } benches[] = {
    {"tokenizer", "DIR [FILE]", "tokens/s and MB/s on one core, English lines and 10 kB texts", bench_tokenizer},
    {"kernels", "", "each kernel against its plain loop, then GFLOP/s and share of the peak", bench_kernels},
    {"model", "DIR", "a whole forward: median ms, tokens/s, GFLOP/s and share of the peak", bench_model},
};
enum { BENCHES = sizeof benches / sizeof *benches, USAGE = 2 };

/* What a figure is worth nothing without: machine, build, command. */
static void print_origin(int argc, char **argv)
{
    char line[256], cpu[256] = "unknown processor";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %255[^\n]", cpu) == 1) break;
    if (f) fclose(f);
    printf("# %s, %ld cores online; beeline %s %s (%s)\n#", cpu, sysconf(_SC_NPROCESSORS_ONLN), build_version(),
           build_commit(), build_flags());
    for (int i = 0; i < argc; i++) printf(" %s", argv[i]);
    printf("\n");
}

static int help(FILE *f)
{
    fprintf(f, "usage: beeline-bench BENCH [arguments]\n\n");
    for (int i = 0; i < BENCHES; i++)
        fprintf(f, "  %-10s %-11s %s\n", benches[i].name, benches[i].arguments, benches[i].what);
    fprintf(f, "  %-10s %-11s all of these\n\nDIR is a model directory.\n", "all", "DIR");
    return f == stdout ? 0 : USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) return help(stderr);
    if (!strcmp(argv[1], "--help")) return help(stdout);
    bool all = !strcmp(argv[1], "all"), found = all;
    int  rc = 0;
    print_origin(argc, argv);
    for (int i = 0; i < BENCHES; i++) {
        if (!all && strcmp(argv[1], benches[i].name)) continue;
        found = true;
        int one = benches[i].run(argc - 2, argv + 2);
        if (one) rc = one;
    }
    return found ? rc : help(stderr);
}
