#include "server.h"
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 32, READY_MS = 180000 };

static const char *const *environment;

void server_environment(const char *const *variables) { environment = variables; }

static pid_t run(const char *const *words, int in, int out, int err)
{
    pid_t pid = fork();
    if (pid) return pid;
    char *argv[WORDS_MAX + 2] = {(char *)(size_t)BEELINE_BINARY};
    for (int i = 0; words[i] && i < WORDS_MAX; i++) argv[i + 1] = (char *)(size_t)words[i];
    if (in >= 0) dup2(in, STDIN_FILENO);
    if (out >= 0) dup2(out, STDOUT_FILENO);
    if (err >= 0) dup2(err, STDERR_FILENO);
    setenv("BEELINE_BACKEND", "cpu", 1); /* on a machine with a GPU, too */
    setenv("BEELINE_OPS", "127.0.0.1:0", 1);
    setenv("BEELINE_CACHE_DIR", "", 1); /* what was calibrated on this machine is not the test's */
    for (int i = 0; environment && environment[i]; i++) putenv((char *)(size_t)environment[i]);
    execv(BEELINE_BINARY, argv);
    _exit(127);
}

/* More of the log; false at its end. */
static bool read_log(server_process *s, int ms)
{
    struct pollfd p = {.fd = s->log_fd, .events = POLLIN};
    if (poll(&p, 1, ms) != 1) return false;
    if (s->log_bytes + 1 >= sizeof s->log) s->log_bytes = 0; /* a chatty server: only the end is kept */
    ssize_t n = read(s->log_fd, s->log + s->log_bytes, sizeof s->log - 1 - s->log_bytes);
    if (n <= 0) return false;
    s->log_bytes += (size_t)n;
    s->log[s->log_bytes] = 0;
    return true;
}

/* Of the first address behind `words`; 0: there is none. */
static int port_after(const char *log, const char *words)
{
    static const char address[] = "http://127.0.0.1:";
    const char *at = log ? strstr(log, words) : NULL;
    at = at ? strstr(at, address) : NULL;
    return at ? atoi(at + strlen(address)) : 0;
}

/* What every server says when it stops must add up, whatever its clients did: no request is lost or answered twice, and
 * by Little's law the time that requests were in hand is the time that they were there. */
static void check_books(const server_process *s)
{
    long long admitted, answered, expired, cancelled, failed, in_hand;
    double held_s, sojourn_s;
    const char *at = strstr(s->log, "\"stopped\""), *law = at ? strstr(at, "deadline; ") : NULL;
    at = at ? strstr(at, "\"message\":\"") : NULL;
    if (!at || !law) return; /* it was killed, or never ready */
    CU_ASSERT_EQUAL_FATAL(sscanf(at,
                                 "\"message\":\"%lld admitted = %lld answered + %lld expired + %lld cancelled + %lld "
                                 "failed + %lld in hand",
                                 &admitted, &answered, &expired, &cancelled, &failed, &in_hand),
                          6);
    CU_ASSERT_EQUAL_FATAL(sscanf(law, "deadline; %lf s in hand, %lf s sojourn", &held_s, &sojourn_s), 2);
    CU_ASSERT_EQUAL(admitted, answered + expired + cancelled + failed + in_hand);
    if (in_hand == 0) CU_ASSERT_DOUBLE_EQUAL(held_s, sojourn_s, 2e-6); /* as printed */
}

bool server_start(server_process *s, const char *dir, const char *const *more)
{
    enum { OWN = 4 };
    const char *words[WORDS_MAX + 1] = {"serve", dir, "--listen", "127.0.0.1:0"}, *at = NULL;
    int n = OWN, pipes[2];
    memset(s, 0, sizeof *s);
    for (; more && more[n - OWN] && n < WORDS_MAX; n++) words[n] = more[n - OWN];
    if (pipe2(pipes, O_CLOEXEC)) return false;
    s->pid = run(words, -1, -1, pipes[1]);
    close(pipes[1]);
    s->log_fd = pipes[0];
    while (!(at = strstr(s->log, "\"ready\"")) || !strchr(at, '\n'))
        if (!read_log(s, READY_MS)) break;
    s->ops_port = port_after(s->log, "ops on");
    s->port = port_after(at, "");
    if (!s->port) {
        fprintf(stderr, "the server did not start: %s\n", s->log);
        server_end(s, SIGKILL);
    }
    return s->port > 0;
}

int server_end(server_process *s, int sig)
{
    int how = 0;
    if (sig) kill(s->pid, sig);
    while (read_log(s, READY_MS)) continue;
    close(s->log_fd);
    check_books(s);
    if (waitpid(s->pid, &how, 0) != s->pid) return -1;
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

long server_resident_kib(const server_process *s)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "VmRSS: %ld", &kib);
    if (f) fclose(f);
    return kib;
}

int server_command(const char *const *words, const char *input, char *text, size_t cap)
{
    FILE *in = tmpfile(), *out = tmpfile();
    int how = -1;
    if (!in || !out) return -1;
    fputs(input ? input : "", in);
    rewind(in);
    pid_t pid = run(words, fileno(in), fileno(out), fileno(out));
    waitpid(pid, &how, 0);
    rewind(out);
    text[fread(text, 1, cap - 1, out)] = 0;
    fclose(in);
    fclose(out);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}
