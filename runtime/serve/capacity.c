/* capacity.c - one table of members: the writer and the reader walk it.
 *
 *     {"format": "beeline capacity 1", "build": "...", ..., "service": [{"tokens": 16, ...}, ...], ...}
 *
 * A member that is missing, unknown or out of its range refuses the whole file: half a calibration is none. */
#include "capacity.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"

static const char FORMAT[] = "beeline capacity 1";
static const json_limits LIMITS = {.depth = 4, .values = 1024};
/* A day, more than any of these takes, and exact in the double that JSON's readers have. */
#define TIME_MAX_NS 86400e9
#define RATE_MAX 1e12
#define OBJECTIVE_MAX_MS 3600e3

typedef enum { KIND_TEXT, KIND_TIME, KIND_NUMBER, KIND_COST, KIND_ROWS } kind;
typedef struct {
    const char *name;
    kind kind;
    size_t field, bytes; /* bytes: of a text, with its NUL */
    double low, high;    /* of a number */
} member;

#define TEXT(name)                                                                                                     \
    {                                                                                                                  \
#name, KIND_TEXT, offsetof(capacity, name), sizeof((capacity *)NULL)->name, 0, 0                               \
    }
#define TIME(name)                                                                                                     \
    {                                                                                                                  \
#name, KIND_TIME, offsetof(capacity, name), 0, 0, TIME_MAX_NS                                                  \
    }
#define COST(name)                                                                                                     \
    {                                                                                                                  \
#name, KIND_COST, offsetof(capacity, name), 0, 0, 0                                                            \
    }
#define NUMBER(name, low, high)                                                                                        \
    {                                                                                                                  \
#name, KIND_NUMBER, offsetof(capacity, name), 0, low, high                                                     \
    }
static const member members[] = {
    TEXT(build),
    TEXT(made_at),
    TEXT(model),
    TEXT(digest),
    TEXT(backend),
    TEXT(device),
    TEXT(precision),
    TIME(load_ns),
    TIME(warm_ns),
    COST(parse_per_kib),
    COST(tokenize_per_token),
    COST(row_json),
    COST(row_base64),
    COST(row_binary),
    {"service", KIND_ROWS, offsetof(capacity, service), 0, 0, 0},
    NUMBER(objective_ms, 1, OBJECTIVE_MAX_MS),
    NUMBER(objective_ratio, 0.5, 1),
    NUMBER(knee_tokens_per_s, 0, RATE_MAX),
    NUMBER(knee_requests_per_s, 0, RATE_MAX),
    NUMBER(knee_p50_ms, 0, OBJECTIVE_MAX_MS),
    NUMBER(knee_p99_ms, 0, OBJECTIVE_MAX_MS),
    NUMBER(saturated_tokens_per_s, 0, RATE_MAX),
};
enum { MEMBERS = sizeof members / sizeof *members };

/* ---- writing ---- */

/* A directory's name may hold any bytes; what is no UTF-8 becomes '?', as no reader would take it. */
static int write_text(char *to, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = strlen(text);
    int n = sprintf(to, "\"");
    while (left) {
        const size_t step = utf8_step(p, left), used = step ? step : 1;
        if (!step) n += sprintf(to + n, "?");
        else if (*p < ' ' || *p == '"' || *p == '\\') n += sprintf(to + n, "\\u%04x", *p);
        else n += sprintf(to + n, "%.*s", (int)step, (const char *)p);
        p += used;
        left -= used;
    }
    return n + sprintf(to + n, "\"");
}

/* A short one that reads back as the same. */
static int write_number(char *to, double v)
{
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = sprintf(to, "%.*g", digits, v);
        if (strtod(to, NULL) == v) break;
    }
    return n;
}

static int write_cost(char *to, capacity_cost c)
{
    return sprintf(to, "{\"median_ns\": %lld, \"spread_ns\": %lld}", (long long)c.median_ns, (long long)c.spread_ns);
}

static int write_rows(char *to, const service_table *t)
{
    int n = sprintf(to, "[");
    for (int i = 0; i < t->n; i++) {
        const service_row *r = &t->row[i];
        n += sprintf(to + n, "%s\n    {\"tokens\": %d, \"sequences\": %d, \"median_ns\": %lld, \"spread_ns\": %lld}",
                     i ? "," : "", r->tokens, r->sequences, (long long)r->median_ns, (long long)r->spread_ns);
    }
    return n + sprintf(to + n, "\n  ]");
}

int capacity_write(const capacity *c, char text[CAPACITY_BYTES_MAX])
{
    /* 64 rows of at most 128 bytes, 600 bytes of texts six times as long where all are escaped, and the names. */
    _Static_assert(SERVICE_ROWS_MAX * 128 + 600 * 6 + MEMBERS * 128 < CAPACITY_BYTES_MAX, "the largest fits");
    int n = sprintf(text, "{\n  \"format\": \"%s\"", FORMAT);
    for (int i = 0; i < MEMBERS; i++) {
        const member *m = &members[i];
        const void *field = (const char *)c + m->field;
        n += sprintf(text + n, ",\n  \"%s\": ", m->name);
        switch (m->kind) {
        case KIND_TEXT:
            n += write_text(text + n, field);
            break;
        case KIND_TIME:
            n += sprintf(text + n, "%lld", (long long)*(const int64_t *)field);
            break;
        case KIND_NUMBER:
            n += write_number(text + n, *(const double *)field);
            break;
        case KIND_COST:
            n += write_cost(text + n, *(const capacity_cost *)field);
            break;
        case KIND_ROWS:
            n += write_rows(text + n, field);
            break;
        }
    }
    return n + sprintf(text + n, "\n}\n");
}

/* ---- reading ---- */

static status need(cJSON **out, const cJSON *object, const char *name, error *err)
{
    status rc = json_member(out, object, name, err);
    return rc == OK && !*out ? fail(err, BAD_INPUT, "\"%s\" is missing", name) : rc;
}

static status wrong_type(const char *name, const cJSON *v, const char *wanted, error *err)
{
    return fail(err, BAD_INPUT, "\"%s\" is of type %s, wanted %s", name, json_type_name(v), wanted);
}

static status read_number(double *out, const cJSON *object, const char *name, double low, double high, error *err)
{
    cJSON *v;
    status rc = need(&v, object, name, err);
    if (rc != OK) return rc;
    if (!cJSON_IsNumber(v)) return wrong_type(name, v, "a number", err);
    if (!(v->valuedouble >= low && v->valuedouble <= high))
        return fail(err, BAD_INPUT, "\"%s\" is %.17g, wanted %g to %g", name, v->valuedouble, low, high);
    *out = v->valuedouble;
    return OK;
}

static status read_time(int64_t *out, const cJSON *object, const char *name, error *err)
{
    double ns = 0;
    status rc = read_number(&ns, object, name, 0, TIME_MAX_NS, err);
    if (rc == OK && ns != floor(ns)) rc = fail(err, BAD_INPUT, "\"%s\" is %.17g, wanted whole nanoseconds", name, ns);
    if (rc == OK) *out = (int64_t)ns;
    return rc;
}

static status read_count(int *out, const cJSON *object, const char *name, error *err)
{
    cJSON *v;
    status rc = need(&v, object, name, err);
    *out = 0;
    return rc == OK ? json_int(out, object, name, 1, 1 << 24, err) : rc;
}

static status read_text(char *out, const cJSON *object, const member *m, error *err)
{
    cJSON *v;
    status rc = need(&v, object, m->name, err);
    if (rc != OK) return rc;
    if (!cJSON_IsString(v)) return wrong_type(m->name, v, "a string", err);
    if (strlen(v->valuestring) >= m->bytes)
        return fail(err, BAD_INPUT, "\"%s\" has %zu bytes, at most %zu are taken", m->name, strlen(v->valuestring),
                    m->bytes - 1);
    strcpy(out, v->valuestring);
    return OK;
}

/* Members are as many as were read by name, so one more is one that nobody knows. */
static status check_members(const cJSON *object, int known, const char *what, error *err)
{
    const int seen = cJSON_GetArraySize(object);
    return seen == known ? OK : fail(err, BAD_INPUT, "%s has %d members, wanted %d", what, seen, known);
}

static status read_cost(capacity_cost *out, const cJSON *object, const char *name, error *err)
{
    cJSON *v;
    status rc = need(&v, object, name, err);
    if (rc == OK && !cJSON_IsObject(v)) rc = wrong_type(name, v, "an object", err);
    if (rc == OK) rc = read_time(&out->median_ns, v, "median_ns", err);
    if (rc == OK) rc = read_time(&out->spread_ns, v, "spread_ns", err);
    return rc == OK ? check_members(v, 2, name, err) : rc;
}

static status read_row(service_row *out, const cJSON *v, error *err)
{
    if (!cJSON_IsObject(v)) return wrong_type("service", v, "objects in its list", err);
    status rc = read_count(&out->tokens, v, "tokens", err);
    if (rc == OK) rc = read_count(&out->sequences, v, "sequences", err);
    if (rc == OK) rc = read_time(&out->median_ns, v, "median_ns", err);
    if (rc == OK) rc = read_time(&out->spread_ns, v, "spread_ns", err);
    return rc == OK ? check_members(v, 4, "a service time", err) : rc;
}

static status read_rows(service_table *out, const cJSON *object, const char *name, error *err)
{
    cJSON *list;
    status rc = need(&list, object, name, err);
    if (rc != OK) return rc;
    if (!cJSON_IsArray(list)) return wrong_type(name, list, "a list", err);
    if (cJSON_GetArraySize(list) > SERVICE_ROWS_MAX)
        return fail(err, BAD_INPUT, "\"%s\" has %d rows, at most %d are taken", name, cJSON_GetArraySize(list),
                    SERVICE_ROWS_MAX);
    for (const cJSON *v = list->child; rc == OK && v; v = v->next) rc = read_row(&out->row[out->n++], v, err);
    return rc == OK ? service_check(out, err) : rc;
}

static status read_members(capacity *out, const cJSON *object, error *err)
{
    status rc = OK;
    for (int i = 0; rc == OK && i < MEMBERS; i++) {
        const member *m = &members[i];
        void *field = (char *)out + m->field;
        switch (m->kind) {
        case KIND_TEXT:
            rc = read_text(field, object, m, err);
            break;
        case KIND_TIME:
            rc = read_time(field, object, m->name, err);
            break;
        case KIND_NUMBER:
            rc = read_number(field, object, m->name, m->low, m->high, err);
            break;
        case KIND_COST:
            rc = read_cost(field, object, m->name, err);
            break;
        case KIND_ROWS:
            rc = read_rows(field, object, m->name, err);
            break;
        }
    }
    return rc == OK ? check_members(object, MEMBERS + 1, "the capacity", err) : rc;
}

static status read_format(const cJSON *object, error *err)
{
    cJSON *v;
    if (!cJSON_IsObject(object))
        return fail(err, BAD_INPUT, "the capacity is of type %s, wanted an object", json_type_name(object));
    status rc = need(&v, object, "format", err);
    if (rc != OK) return rc;
    if (!cJSON_IsString(v)) return wrong_type("format", v, "a string", err);
    if (!strcmp(v->valuestring, FORMAT)) return OK;
    return fail(err, BAD_INPUT, "\"format\" is \"%.60s\", wanted \"%s\"", v->valuestring, FORMAT);
}

status capacity_parse(capacity *out, const char *text, size_t n, error *err)
{
    cJSON *tree;
    *out = (capacity){0};
    status rc = json_parse(&tree, text, n, LIMITS, err);
    if (rc == OK) rc = read_format(tree, err);
    if (rc == OK) rc = read_members(out, tree, err);
    cJSON_Delete(tree);
    if (rc != OK) *out = (capacity){0};
    return rc;
}

/* ---- the file ---- */

static status system_failed(const char *file, error *err)
{
    return fail(err, errno == ENOENT ? NOT_FOUND : IO_FAILED, "%.150s: %s", file, strerror(errno));
}

static status read_bytes(int fd, const char *file, char text[CAPACITY_BYTES_MAX + 1], size_t *n, error *err)
{
    struct stat st;
    *n = 0;
    if (fstat(fd, &st)) return system_failed(file, err);
    if (!S_ISREG(st.st_mode)) return fail(err, BAD_INPUT, "%.150s: no file", file);
    while (*n <= CAPACITY_BYTES_MAX) {
        const ssize_t got = read(fd, text + *n, CAPACITY_BYTES_MAX + 1 - *n);
        if (got == 0) return OK;
        if (got < 0 && errno != EINTR) return system_failed(file, err);
        if (got > 0) *n += (size_t)got;
    }
    return fail(err, BAD_INPUT, "%.150s: more than the %d bytes that a capacity has", file, CAPACITY_BYTES_MAX);
}

status capacity_read(capacity *out, const char *file, error *err)
{
    char text[CAPACITY_BYTES_MAX + 1];
    size_t n;
    error why;
    *out = (capacity){0};
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the start up */
    if (fd < 0) return system_failed(file, err);
    status rc = read_bytes(fd, file, text, &n, err);
    close(fd);
    if (rc != OK) return rc;
    rc = capacity_parse(out, text, n, &why);
    return rc == OK ? OK : fail(err, rc, "%.120s: %.130s", file, why.text);
}

/* The name itself is on the disk only when its folder is. */
static bool sync_folder(const char *file)
{
    char folder[4096];
    const char *slash = strrchr(file, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file) + 1 : 1, slash ? file : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return done;
}

status capacity_save(const capacity *c, const char *file, error *err)
{
    char text[CAPACITY_BYTES_MAX], beside[4096];
    capacity again;
    const int n = capacity_write(c, text);
    status rc = capacity_parse(&again, text, (size_t)n, err); /* what no reader takes is not written */
    if (rc != OK) return rc;
    if (snprintf(beside, sizeof beside, "%s.XXXXXX", file) >= (int)sizeof beside)
        return fail(err, BAD_INPUT, "%.100s...: a path of %zu bytes, at most %zu are taken", file, strlen(file),
                    sizeof beside - 8);
    const int fd = mkstemp(beside);
    if (fd < 0) return system_failed(file, err);
    /* No secret is in it, and whoever serves may be another user. */
    const bool written = fchmod(fd, 0644) == 0 && file_write_all(fd, text, (size_t)n) && rename(beside, file) == 0;
    if (!written || !sync_folder(file)) rc = fail(err, IO_FAILED, "%.150s: %s", file, strerror(errno));
    close(fd);
    if (!written) unlink(beside);
    return rc;
}

status capacity_matches(const capacity *c, const char *digest, const char *backend, const char *device,
                        const char *precision, error *err)
{
    const struct {
        const char *what, *seen, *wanted;
    } rows[] = {{"digest", c->digest, digest},
                {"backend", c->backend, backend},
                {"device", c->device, device},
                {"precision", c->precision, precision}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].seen, rows[i].wanted))
            return fail(err, BAD_INPUT, "calibrated for %s \"%.70s\", this is \"%.70s\"", rows[i].what, rows[i].seen,
                        rows[i].wanted);
    return OK;
}
