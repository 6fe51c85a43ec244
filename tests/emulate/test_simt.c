/* The emulator takes what is right and finds what is wrong: kernels with one planted bug each (planted/planted.cc),
 * whose words are read.  A bug is found as a wrong result, by the emulator's own word, or by a sanitizer; a row says
 * what each build must say, so that no check can quietly stop to find anything. */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAIN, ASAN, TSAN, BUILDS, SEEDS = 3, CHILD_SECONDS = 120 };
#if defined(__SANITIZE_ADDRESS__)
static const int build = ASAN;
#elif defined(__SANITIZE_THREAD__)
static const int build = TSAN;
#else
static const int build = PLAIN;
#endif

#define WRONG "wrong: number"
#define RACE "data race"

typedef struct {
    const char *kernel;
    const char *says[BUILDS]; /* NULL: this build has no means to see it */
} bug;

static const bug missing_order[] = {
    {"no barrier after writing", {WRONG, WRONG, RACE}},
    {"no barrier before overwriting", {WRONG, WRONG, RACE}},
    {"shuffle for a barrier", {NULL, NULL, RACE}},
};
static const bug copies[] = {
    {"one group too few waited for", {WRONG, WRONG, WRONG}},
    {"copy over what is read", {NULL, NULL, RACE}},
};
static const bug memory[] = {
    {"shared memory not initialised", {WRONG, WRONG, WRONG}},
    {"shuffle from a lane that left", {WRONG, WRONG, WRONG}},
    {"shared written just beyond", {"byte 1 beyond shared memory of 500", "use-after-poison", "byte 1 beyond"}},
    {"shared written beyond", {"byte 1 beyond shared memory of 512", "use-after-poison", "SEGV"}},
    {"shared written far beyond", {"byte 501 beyond shared memory of 500", "use-after-poison", "SEGV"}},
    {"shared written before", {"byte 1 before shared memory of 512", "use-after-poison", "byte 1 before"}},
    {"shared read beyond", {"beyond shared memory of 512", "use-after-poison", "SEGV"}},
    {"global beyond", {NULL, "heap-buffer-overflow", NULL}},
    {"global unmapped", {"where there is nothing: block (0,0,0) thread", "SEGV", "SEGV"}},
    {"cp.async from beyond", {NULL, "16 bytes are not to be read", NULL}},
    {"cp.async before", {"at byte -16 of", "at byte -16 of", "at byte -16 of"}},
    {"ldmatrix beyond", {"at byte 1024 of", "at byte 1024 of", "at byte 1024 of"}},
    {"stack overflows", {"its stack is full", "stack-overflow", NULL}},
};
#define EACH(words) {words, words, words}
static const bug alignment[] = {
    {"ldmatrix misaligned", EACH("which is not on 16 bytes")},
    {"cp.async to misaligned", EACH("which is not on 16 bytes")},
    {"cp.async from misaligned", EACH("which is not on 16 bytes")},
};
static const bug divergence[] = {
    {"barriers in two branches", EACH("threads of one block at different __syncthreads")},
    {"barrier and warp wait for each other", EACH("16 threads, the first (16,0,0), wait for __syncwarp at ")},
    {"lanes at different operations", EACH("lanes of one mask at different operations")},
    {"lane outside its mask", EACH("which is not in its mask 7fffffff")},
    {"mma without all lanes", EACH("mma (bf16) by lanes fffffdff")},
};
static const bug between_blocks[] = {
    {"blocks write one place", {NULL, NULL, RACE}},
    {"a block reads its neighbour", {NULL, NULL, RACE}},
};
static const bug launches[] = {
    {"launch of nothing", EACH("simt: no launch: grid (0,1,1)")},
    {"launch too large", EACH("232449 of at most 232448 bytes")},
};

/* Runs one kernel; what it wrote to stderr is in `said`.  True: it ended with 0. */
static bool run(const char *kernel, unsigned seed, int late, int threads, char *said, size_t room)
{
    char number[3][16];
    snprintf(number[0], sizeof number[0], "%u", seed);
    snprintf(number[1], sizeof number[1], "%d", late);
    snprintf(number[2], sizeof number[2], "%d", threads);
    int words[2], how = -1;
    if (pipe2(words, O_CLOEXEC)) return false;
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(words[1], STDERR_FILENO);
        alarm(CHILD_SECONDS);
        execl(BEELINE_PLANTED, "planted", kernel, number[0], number[1], number[2], (char *)NULL);
        _exit(127);
    }
    close(words[1]);
    size_t used = 0;
    char rest[4096];
    for (ssize_t got = 1; got > 0;) { /* what does not fit is read all the same: the child must not wait for us */
        const bool full = used == room - 1;
        got = full ? read(words[0], rest, sizeof rest) : read(words[0], said + used, room - 1 - used);
        if (got > 0 && !full) used += (size_t)got;
    }
    said[used] = 0;
    close(words[0]);
    return child > 0 && waitpid(child, &how, 0) == child && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

static void pass(const char *kernel, unsigned seed, int late, int threads)
{
    static char said[1 << 16];
    const bool passed = run(kernel, seed, late, threads, said, sizeof said);
    CU_ASSERT(passed);
    CU_ASSERT_STRING_EQUAL(said, ""); /* nor has a sanitizer anything to say */
    if (!passed || *said) fprintf(stderr, "%s, seed %u, late %d, %d threads: %s\n", kernel, seed, late, threads, said);
}

static void right_kernels_pass(void)
{
    static const char *const right[] = {"sums",      "products f16", "products bf16", "transposes",
                                        "exchanges", "turns",        "meetings",      "rounds",
                                        "unwinds",   "launches in turn"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        for (unsigned seed = 0; seed < SEEDS; seed++) {
            pass(right[i], seed, 1, 1);
            pass(right[i], seed, 1, 2);
            pass(right[i], seed, 0, 1 + (int)seed % 2);
        }
}

static void numbers_enter_products_exactly(void)
{
    pass("widened f16", 0, 1, 1);
    pass("widened bf16", 0, 1, 1);
}

static void find(const bug *bugs, size_t n)
{
    static char said[1 << 16];
    for (size_t i = 0; i < n; i++)
        for (unsigned seed = 0; seed < SEEDS; seed++) {
            const char *wanted = bugs[i].says[build];
            if (!wanted) continue;
            const bool passed = run(bugs[i].kernel, seed, 1, 1, said, sizeof said);
            const bool found = strstr(said, wanted);
            CU_ASSERT(found);
            if (!found)
                fprintf(stderr, "%s, seed %u: not a word of \"%s\"; %s, and said: %s\n", bugs[i].kernel, seed, wanted,
                        passed ? "it passed" : "it failed", said);
        }
}
#define FIND(bugs) find(bugs, sizeof bugs / sizeof *bugs)

static void missing_barriers(void) { FIND(missing_order); }
static void copies_too_early(void) { FIND(copies); }
static void memory_of_others(void) { FIND(memory); }
static void misaligned(void) { FIND(alignment); }
static void diverging(void) { FIND(divergence); }
static void racing_blocks(void) { FIND(between_blocks); }
static void impossible_launches(void) { FIND(launches); }

void simt_suite(CU_pSuite s)
{
    CU_add_test(s, "right kernels pass, in any order, with copies late and early", right_kernels_pass);
    CU_add_test(s, "every 16-bit number enters a product as itself", numbers_enter_products_exactly);
    CU_add_test(s, "a missing barrier is found", missing_barriers);
    CU_add_test(s, "a copy waited for too little, or started too early, is found", copies_too_early);
    CU_add_test(s, "memory that is not the kernel's, or was never written, is found", memory_of_others);
    CU_add_test(s, "a misaligned row or copy is found", misaligned);
    CU_add_test(s, "barriers and warp operations that diverge are found", diverging);
    CU_add_test(s, "a race between blocks is found", racing_blocks);
    CU_add_test(s, "an impossible launch is refused", impossible_launches);
}
