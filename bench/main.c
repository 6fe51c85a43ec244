/* main.c - beeline-bench: one table of benchmarks. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "bench.h"

static const struct { const char *name, *arguments, *what; int (*run)(int, char **); } benches[] = {
    {"tokenizer", "DIR [FILE]", "tokens/s and MB/s on one core, English lines and 10 kB texts", bench_tokenizer},
    {"kernels", "", "each kernel against its plain loop, then GFLOP/s and share of the peak", bench_kernels},
    {"model", "DIR", "a whole forward: median ms, tokens/s, GFLOP/s and share of the peak", bench_model},
};
enum { BENCHES = sizeof benches / sizeof *benches, USAGE = 2 };

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
    for (int i = 0; i < BENCHES; i++) {
        if (!all && strcmp(argv[1], benches[i].name)) continue;
        found = true;
        int one = benches[i].run(argc - 2, argv + 2);
        if (one) rc = one;
    }
    return found ? rc : help(stderr);
}
