/* bench.h - what beeline-bench can measure.  Each checks first, then times, and prints the machine and the command.
 *
 * argv holds what followed the command; returns the process's exit status. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H
int bench_tokenizer(int argc, char **argv); /* DIR [FILE] */
int bench_kernels(int argc, char **argv);   /* nothing */
int bench_model(int argc, char **argv);     /* DIR */
#endif
