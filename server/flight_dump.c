#include "flight_dump.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "http.h"
#include "runtime/base/clock.h"
#include "runtime/base/flight.h"

static void number(out *o, const char *name, uint64_t v)
{
    if (name[0]) out_format(o, ",\"%s\":%llu", name, (unsigned long long)v);
}

static void event(out *o, const flight_record *r, int64_t now_ns)
{
    const flight_row *row = &flight_rows[r->kind];
    out_format(o, "{\"ago_us\":%.1f,\"event\":\"%s\"", (double)(now_ns - r->ns) / 1e3, row->name);
    number(o, row->a, r->a);
    number(o, row->b, r->b);
    number(o, row->c, r->c);
    out_text(o, "}");
}

void flight_dump(out *o, int most)
{
    flight_record *records = malloc(FLIGHT_EVENTS * sizeof *records);
    struct timespec wall;
    struct tm utc;
    char at[32], name[32];
    clock_gettime(CLOCK_REALTIME, &wall);
    const int64_t now_ns = clock_ns();
    gmtime_r(&wall.tv_sec, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
    out_format(o, "{\"taken_at\":\"%s.%03dZ\",\"rings\":[", at, (int)(wall.tv_nsec / 1000000));
    if (!records) o->failed = true;
    for (int i = 0; i < flight_rings() && !o->failed; i++) {
        const int n = flight_read(i, records);
        flight_ring_name(i, name);
        out_text(o, i ? ",\n{\"thread\":" : "\n{\"thread\":");
        out_json_string(o, name, strlen(name));
        out_text(o, ",\"events\":[");
        const int first = n > most ? n - most : 0;
        for (int k = first; k < n; k++) {
            out_text(o, k > first ? ",\n" : "\n");
            event(o, &records[k], now_ns);
        }
        out_text(o, "]}");
    }
    out_text(o, "]}\n");
    free(records);
}

static status write_all(int fd, const out *o, const char *path, error *err)
{
    for (size_t done = 0; done < o->n;) {
        const ssize_t n = write(fd, o->p + done, o->n - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(err, IO_FAILED, "%.150s: %s after %zu of %zu bytes", path, strerror(errno), done, o->n);
        done += (size_t)n;
    }
    return OK;
}

status flight_dump_file(const char *directory, char path[PATH_MAX], error *err)
{
    out o = {0};
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    const int n = snprintf(path, PATH_MAX, "%s/beeline-flight-%d-%lld.json", directory, (int)getpid(),
                           (long long)wall.tv_sec * 1000 + wall.tv_nsec / 1000000);
    if (n >= PATH_MAX) {
        path[0] = 0;
        return fail(err, BAD_INPUT, "the flight recorder's path has %d bytes, the limit is %d", n, PATH_MAX - 1);
    }
    flight_dump(&o, FLIGHT_EVENTS);
    status rc = o.failed ? fail(err, NO_MEMORY, "no memory for the flight recorder's document") : OK;
    /* O_EXCL, O_NOFOLLOW: in a folder that others may write to, a file or a link that waits there is not ours. */
    int fd = rc == OK ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (rc == OK && fd < 0) rc = fail(err, IO_FAILED, "%.150s: %s", path, strerror(errno));
    if (fd >= 0) {
        rc = write_all(fd, &o, path, err);
        if (close(fd) && rc == OK) rc = fail(err, IO_FAILED, "%.150s: %s", path, strerror(errno));
        if (rc != OK) unlink(path);
    }
    if (rc != OK) path[0] = 0;
    out_free(&o);
    return rc;
}

void flight_get(call *c)
{
    out o = {0};
    flight_dump(&o, FLIGHT_EVENTS);
    call_reply(c, 200, "application/json", &o, "cache-control: no-store\r\n");
}
