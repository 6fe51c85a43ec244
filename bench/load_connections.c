#include "load_connections.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "runtime/base/clock.h"

enum { EVENTS = 64, READ_BYTES = 65536 };
static const int64_t SECOND_NS = 1000000000, CONNECT_NS = 10000000000, RETRY_NS = 100000000, START_NS = 20000000,
                     WARM_START_NS = 200000, WINDOW_NS = 500000000, LEAVE_LEAST_NS = 1000000, LEAVE_MOST_NS = 50000000;

typedef enum { CLOSED, CONNECTING, FREE, BUSY } connection_state;
typedef struct connection {
    connection_state state;
    int fd;                   /* -1: CLOSED */
    int request;              /* BUSY: its place in the schedule */
    int64_t due_ns;           /* BUSY: when it should have been sent */
    load_tally *t;            /* BUSY: where its end counts */
    bool leaves;              /* BUSY: will close at the deadline */
    size_t unsent;            /* BUSY: bytes of the request that the kernel has not taken */
    int64_t free_ns, sent_ns; /* since when it is FREE; when its request began to be sent */
    int64_t deadline_ns;      /* CLOSED: tries again; CONNECTING, BUSY: gives up.  INT64_MAX: none */
    TAILQ_ENTRY(connection) free;
    load_reply reply;
} connection;

typedef struct {
    const load_job *job;
    const load_schedule *schedule; /* this and what follows: of the warm-up, then of the run */
    load_tally *t;
    load_window window; /* since the last look at it: the warm-up's, or the second that is shown */
    struct addrinfo *address;
    int epoll, timer;
    connection *all;
    TAILQ_HEAD(, connection) free;  /* the last is taken: the longest idle may be about to be closed by the server */
    TAILQ_HEAD(, connection) spare; /* CLOSED by the server when idle: opened again when a request has need of one */
    int established, busy, failure; /* failure: errno of the last connection that could not be made */
    int due, taken;                 /* the FIFO */
    int64_t start_ns, end_ns, next_look_ns;
    int64_t next_deadline_ns; /* no connection's is before it */
    char bytes[READ_BYTES];
} run;

/* ---- a connection's states --------------------------------------------------------------------------------------- */

static void watch(run *r, connection *k, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = k};
    epoll_ctl(r->epoll, how, k->fd, &event);
}

static void set_deadline(run *r, connection *k, int64_t at_ns)
{
    k->deadline_ns = at_ns;
    if (at_ns < r->next_deadline_ns) r->next_deadline_ns = at_ns;
}

/* One of t's counters, and where that time is shown. */
static void count_error(run *r, load_tally *t, int64_t *counter)
{
    ++*counter;
    if (t != r->t) return;
    r->window.errors++;
    load_windows_error(&t->windows, clock_ns() - r->start_ns);
}

/* Whatever it was doing is over. */
static void shut(run *r, connection *k)
{
    if (k->state == FREE) TAILQ_REMOVE(&r->free, k, free);
    if (k->state == BUSY) r->busy--;
    if (k->state == FREE || k->state == BUSY) r->established--;
    if (k->fd >= 0) close(k->fd);
    k->fd = -1;
    k->state = CLOSED;
    k->deadline_ns = INT64_MAX;
}

static void fail_connect(run *r, connection *k, int why)
{
    count_error(r, r->t, &r->t->connects_failed);
    r->failure = why;
    shut(r, k);
    set_deadline(r, k, clock_ns() + RETRY_NS);
}

static void dial(run *r, connection *k)
{
    const struct addrinfo *a = r->address;
    k->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0 || (connect(k->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)) {
        fail_connect(r, k, errno);
        return;
    }
    setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    k->state = CONNECTING;
    set_deadline(r, k, clock_ns() + CONNECT_NS);
    watch(r, k, EPOLL_CTL_ADD, EPOLLOUT);
}

static void redial(run *r, connection *k)
{
    r->t->reopened++;
    shut(r, k);
    dial(r, k);
}

static void dial_spare(run *r)
{
    connection *k = TAILQ_FIRST(&r->spare);
    if (!k) return;
    TAILQ_REMOVE(&r->spare, k, free);
    r->t->reopened++;
    dial(r, k);
}

static void set_free(run *r, connection *k)
{
    if (k->state == BUSY) r->busy--;
    else r->established++;
    k->state = FREE;
    k->free_ns = clock_ns();
    k->deadline_ns = INT64_MAX;
    TAILQ_INSERT_HEAD(&r->free, k, free);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static int64_t due_ns(const run *r, int request) { return r->start_ns + r->schedule->at_ns[request]; }

/* A failure is left to the event that follows it, so that one place ends requests. */
static void send_rest(run *r, connection *k)
{
    const load_requests *pool = r->job->requests;
    const int body = load_requests_body(pool, r->job->plan->seed, k->request);
    const ssize_t sent = send(k->fd, pool->bytes + pool->starts[body + 1] - k->unsent, k->unsent, MSG_NOSIGNAL);
    const bool was_partial = k->unsent < pool->starts[body + 1] - pool->starts[body];
    if (sent > 0) k->unsent -= (size_t)sent;
    if (k->unsent && (sent >= 0 || errno == EAGAIN)) watch(r, k, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (was_partial || k->unsent) watch(r, k, EPOLL_CTL_MOD, EPOLLIN);
}

static void begin(run *r, connection *k, int request)
{
    const load_plan *p = r->job->plan;
    const load_requests *pool = r->job->requests;
    const int body = load_requests_body(pool, p->seed, request);
    TAILQ_REMOVE(&r->free, k, free);
    k->state = BUSY;
    r->busy++;
    k->request = request;
    k->t = r->t;
    k->unsent = pool->starts[body + 1] - pool->starts[body];
    k->leaves = load_chance(p->seed, LOAD_LEAVES, request) < p->leave;
    load_reply_begin(&k->reply);
    const double after = load_chance(p->seed, LOAD_LEAVES_AFTER, request);
    const int64_t leave_ns = LEAVE_LEAST_NS + (int64_t)(after * (double)(LEAVE_MOST_NS - LEAVE_LEAST_NS));
    k->sent_ns = clock_ns();
    send_rest(r, k);
    set_deadline(r, k, k->sent_ns + (k->leaves ? leave_ns : p->timeout_ns));
    k->due_ns = p->arrivals == LOAD_CLOSED ? k->sent_ns : due_ns(r, request);
    const int64_t could_ns = k->free_ns > k->due_ns ? k->free_ns : k->due_ns;
    if (p->arrivals != LOAD_CLOSED) load_latency_record(&r->t->lateness, k->sent_ns - could_ns);
    r->t->sent++;
    if (k->sent_ns >= r->end_ns) r->t->sent_late++;
}

/* All that is free sends, as long as the run lasts. */
static void serve_closed(run *r)
{
    const int64_t now_ns = clock_ns();
    if (now_ns < r->start_ns || now_ns >= r->end_ns) return;
    while (!TAILQ_EMPTY(&r->spare)) dial_spare(r);
    while (!TAILQ_EMPTY(&r->free)) begin(r, TAILQ_FIRST(&r->free), r->taken++);
}

/* Sends what is due, as far as there are connections. */
static void serve(run *r)
{
    const int64_t now_ns = clock_ns();
    if (r->job->plan->arrivals == LOAD_CLOSED) {
        serve_closed(r);
        return;
    }
    for (;;) {
        connection *k = TAILQ_FIRST(&r->free);
        if (k && r->taken < r->due) begin(r, k, r->taken++);
        else if (r->due < r->schedule->n && due_ns(r, r->due) <= now_ns) {
            if (!k) r->t->waited++;
            if (!k) dial_spare(r);
            r->due++;
        } else return;
    }
}

static void end_with_reply(run *r, connection *k)
{
    const int64_t now_ns = clock_ns();
    load_tally_reply(k->t, &k->reply, now_ns - k->due_ns, now_ns - k->sent_ns, now_ns < r->end_ns);
    if (k->t == r->t) {
        load_window_reply(&r->window, &k->reply, now_ns - k->due_ns);
        load_windows_reply(&r->t->windows, &k->reply, now_ns - r->start_ns, now_ns - k->due_ns);
    }
    if (k->reply.closes || k->unsent) redial(r, k); /* who answers half a request reads no more of it */
    else set_free(r, k);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void on_connected(run *r, connection *k)
{
    int why = 0;
    socklen_t n = sizeof why;
    getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &why, &n);
    if (why) {
        fail_connect(r, k, why);
        return;
    }
    watch(r, k, EPOLL_CTL_MOD, EPOLLIN);
    set_free(r, k);
}

static void on_bytes(run *r, connection *k)
{
    const ssize_t n = recv(k->fd, r->bytes, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        if (k->state == FREE) {
            shut(r, k);
            TAILQ_INSERT_TAIL(&r->spare, k, free);
            return;
        }
        count_error(r, k->t, &k->t->resets);
        redial(r, k);
        return;
    }
    if (k->state == FREE) k->t = r->t; /* nobody asked for it */
    const load_reply_state state =
        k->state == BUSY ? load_reply_feed(&k->reply, r->bytes, (size_t)n) : LOAD_REPLY_MALFORMED;
    if (state == LOAD_REPLY_DONE) {
        end_with_reply(r, k);
    } else if (state == LOAD_REPLY_MALFORMED) {
        count_error(r, k->t, &k->t->malformed);
        redial(r, k);
    }
}

static void on_event(run *r, connection *k, uint32_t events)
{
    if (k->state == CONNECTING) on_connected(r, k);
    else if ((events & EPOLLOUT) && k->state == BUSY && !(events & (EPOLLERR | EPOLLHUP))) send_rest(r, k);
    else on_bytes(r, k);
}

/* Given up at at_ns; service_ns < 0: it was never sent. */
static void unanswered(run *r, load_tally *t, int64_t at_ns, int64_t was_due_ns, int64_t service_ns)
{
    load_tally_unanswered(t, at_ns - was_due_ns, service_ns);
    if (t == r->t) load_windows_unanswered(&t->windows, at_ns - r->start_ns, at_ns - was_due_ns);
}

static void expire(run *r, connection *k)
{
    if (k->state == CLOSED) {
        dial(r, k);
    } else if (k->state == CONNECTING) {
        fail_connect(r, k, ETIMEDOUT);
    } else {
        const int64_t timeout_ns = r->job->plan->timeout_ns;
        if (k->leaves) k->t->left++;
        else count_error(r, k->t, &k->t->timeouts);
        if (!k->leaves) unanswered(r, k->t, k->sent_ns + timeout_ns, k->due_ns, timeout_ns);
        redial(r, k);
    }
}

/* Looks at all of them only when one may have come: with no leaver and no fault that is once in half a minute. */
static void expire_all(run *r)
{
    const int64_t now_ns = clock_ns();
    if (now_ns < r->next_deadline_ns) return;
    r->next_deadline_ns = INT64_MAX;
    for (int i = 0; i < r->job->plan->connections; i++) {
        connection *k = &r->all[i];
        if (k->deadline_ns <= now_ns) expire(r, k);
        if (k->deadline_ns < r->next_deadline_ns) r->next_deadline_ns = k->deadline_ns;
    }
}

/* Waits until wake_ns or an event, and takes what has come. */
static void step(run *r, int64_t wake_ns)
{
    struct epoll_event events[EVENTS];
    if (r->next_deadline_ns < wake_ns) wake_ns = r->next_deadline_ns;
    const struct itimerspec at = {.it_value = {wake_ns / SECOND_NS, wake_ns % SECOND_NS}};
    timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &at, NULL); /* which also makes it unreadable again */
    const int n = epoll_wait(r->epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
        serve(r); /* what is due does not wait for a heap of replies */
        if (events[i].data.ptr) on_event(r, events[i].data.ptr, events[i].events);
    }
    expire_all(r);
    serve(r);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static status establish(run *r, error *err)
{
    const load_plan *p = r->job->plan;
    const int64_t until_ns = clock_ns() + CONNECT_NS;
    for (int i = 0; i < p->connections && !r->failure; i++) dial(r, &r->all[i]);
    while (r->established < p->connections && !r->failure && clock_ns() < until_ns) step(r, until_ns);
    if (r->established == p->connections) return OK;
    return fail(err, UNAVAILABLE, "%s port %s: %d of %d connections, then %s", p->host, p->port, r->established,
                p->connections, strerror(r->failure ? r->failure : ETIMEDOUT));
}

/* What follows counts in t, from at_ns on. */
static void start(run *r, const load_schedule *s, load_tally *t, int64_t at_ns, int64_t duration_ns)
{
    r->schedule = s;
    r->t = t;
    r->due = r->taken = 0;
    r->start_ns = at_ns;
    r->end_ns = at_ns + duration_ns;
    r->window = (load_window){0};
}

/* What came since since_ns, and begins anew. */
static void show(run *r, int64_t since_ns, const char *phase)
{
    const int64_t now_ns = clock_ns();
    const load_progress p = {&r->window, (double)(now_ns - since_ns) * 1e-9, (double)(now_ns - r->start_ns) * 1e-9,
                             r->due - r->taken, phase};
    if (r->job->progress) r->job->progress(&p);
    r->window = (load_window){0};
}

/* One step towards wake_ns, or to what is due before it. */
static void step_towards(run *r, int64_t wake_ns)
{
    if (r->job->plan->arrivals == LOAD_CLOSED && clock_ns() < r->start_ns) wake_ns = r->start_ns;
    if (r->due < r->schedule->n && due_ns(r, r->due) < wake_ns) wake_ns = due_ns(r, r->due);
    step(r, wake_ns);
}

static void warm_up(run *r, load_tally *scrap)
{
    load_warmup *w = r->job->warm;
    start(r, r->job->warmup, scrap, clock_ns() + START_NS, r->job->plan->warmup_ns);
    for (int64_t since_ns = r->start_ns, now_ns = since_ns; now_ns < r->end_ns && !w->steady; now_ns = clock_ns()) {
        const double seconds = (double)(now_ns - since_ns) * 1e-9;
        if (load_warmup_full(&r->window, seconds)) {
            load_warmup_take(w, &r->window, seconds);
            show(r, since_ns, "warm-up");
            since_ns = now_ns;
        } else {
            step_towards(r, now_ns < since_ns + WINDOW_NS && since_ns + WINDOW_NS < r->end_ns ? since_ns + WINDOW_NS
                                                                                              : r->end_ns);
        }
    }
    w->took_s = (double)(clock_ns() - r->start_ns) * 1e-9;
}

static void follow_schedule(run *r)
{
    const load_schedule *s = r->schedule;
    const double cpu_before = cpu_seconds();
    bool in_time = true;
    r->next_look_ns = r->start_ns + SECOND_NS;
    for (int64_t now_ns = clock_ns();; now_ns = clock_ns()) {
        if (in_time && now_ns >= r->end_ns) {
            r->t->cpu = (cpu_seconds() - cpu_before) / ((double)(now_ns - r->start_ns) * 1e-9);
            in_time = false;
        }
        const bool all_sent = r->taken >= s->n;
        if (!in_time && ((all_sent && !r->busy) || now_ns >= r->end_ns + r->job->plan->grace_ns)) return;
        if (now_ns >= r->next_look_ns) {
            show(r, r->next_look_ns - SECOND_NS, "run");
            r->next_look_ns += SECOND_NS;
        }
        int64_t wake_ns = in_time ? r->end_ns : r->end_ns + r->job->plan->grace_ns;
        if (r->job->progress && r->next_look_ns < wake_ns) wake_ns = r->next_look_ns;
        step_towards(r, wake_ns);
    }
}

/* What is still open has waited at least this long. */
static void censor(run *r)
{
    const int64_t now_ns = clock_ns();
    for (int i = 0; i < r->job->plan->connections; i++) {
        const connection *k = &r->all[i];
        if (k->state != BUSY || k->t != r->t) continue;
        unanswered(r, r->t, now_ns, k->due_ns, now_ns - k->sent_ns);
        r->t->censored++;
    }
    for (int i = r->taken; i < r->schedule->n; i++) {
        unanswered(r, r->t, now_ns, due_ns(r, i), -1);
        r->t->censored++;
    }
}

/* Whether the load is the same in every tenth. */
static bool is_even(const load_plan *p)
{
    if (p->arrivals == LOAD_REPLAY) return false;
    return p->arrivals != LOAD_BURST || 2 * p->burst.each_ns * 4 * LOAD_TENTHS <= p->duration_ns;
}

static status measure(run *r, load_tally *t, error *err)
{
    const load_job *j = r->job;
    load_windows_divide(&t->windows, j->plan->duration_ns);
    t->windows.even = is_even(j->plan);
    const status rc = j->mark ? j->mark(j->context, err) : OK;
    if (rc != OK) return rc;
    start(r, j->schedule, t, clock_ns() + (j->warm ? WARM_START_NS : START_NS), j->plan->duration_ns);
    follow_schedule(r);
    censor(r);
    return j->mark ? j->mark(j->context, err) : OK;
}

static status prepare(run *r, error *err)
{
    const load_plan *p = r->job->plan;
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    const int rc = getaddrinfo(p->host, p->port, &wanted, &r->address);
    if (rc) return fail(err, NOT_FOUND, "%s: %s", p->host, gai_strerror(rc));
    r->all = calloc((size_t)p->connections, sizeof *r->all);
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!r->all || r->epoll < 0 || r->timer < 0) return fail(err, NO_MEMORY, "no memory for the connections");
    for (int i = 0; i < p->connections; i++) r->all[i] = (connection){.fd = -1, .deadline_ns = INT64_MAX};
    struct epoll_event tick = {.events = EPOLLIN};
    epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->timer, &tick);
    return OK;
}

status load_connections_run(load_tally *t, const load_job *j, error *err)
{
    run *r = calloc(1, sizeof *r);
    load_tally *scrap = NULL; /* of the warm-up: nobody reads it */
    if (!r) return fail(err, NO_MEMORY, "no memory for a run");
    r->job = j;
    r->t = t;
    r->schedule = j->schedule;
    r->epoll = r->timer = -1;
    r->start_ns = r->next_deadline_ns = INT64_MAX / 2; /* nothing is due before all connections are there */
    TAILQ_INIT(&r->free);
    TAILQ_INIT(&r->spare);
    status rc = prepare(r, err);
    if (rc == OK && j->warm) rc = load_tally_open(&scrap, err);
    if (rc == OK) rc = establish(r, err);
    if (rc == OK && j->warm) warm_up(r, scrap);
    if (rc == OK) rc = measure(r, t, err);
    for (int i = 0; r->all && i < j->plan->connections; i++) shut(r, &r->all[i]);
    free(r->all);
    if (r->address) freeaddrinfo(r->address);
    if (r->epoll >= 0) close(r->epoll);
    if (r->timer >= 0) close(r->timer);
    free(r);
    load_tally_close(scrap);
    return rc;
}
