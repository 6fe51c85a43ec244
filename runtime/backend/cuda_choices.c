/* cuda_choices.c - a table in memory and its file. */
#include "cuda_choices.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/base/file.h"

enum { FILE_MAX_BYTES = 4 << 20, ROWS_MAX = 16384, WORDS = 8, NAME_BYTES = 40 };

static const char first_line[] = "beeline gemm choices 1\n";
static const char *const thens[] = {
    [CUDA_GEMM_PLAIN] = "plain", [CUDA_GEMM_BIAS] = "bias", [CUDA_GEMM_BIAS_GELU] = "gelu",
    [CUDA_GEMM_BIAS_RELU] = "relu", [CUDA_GEMM_BIAS_RESIDUAL] = "residual"};
static const char *const scopes[] = {[CHOICE_ALONE] = "alone", [CHOICE_WITH_NORM] = "norm"};

struct cuda_choices {
    char        *dir, *identity, *path; /* dir and path "": nothing is kept */
    char         name[NAME_BYTES];      /* of the file, in dir */
    cuda_choice *rows;                  /* [n] */
    int          n, room;
    bool         changed;
    void       (*note)(const char *line);
};

static void __attribute__((format(printf, 2, 3))) note(const cuda_choices *c, const char *format, ...)
{
    char    line[512];
    va_list arguments;
    if (!c->note) return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    c->note(line);
}

/* FNV-1a: guards against a torn or edited file, not against an enemy. */
static uint64_t sum_of(const char *bytes, size_t n)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) sum = (sum ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return sum;
}

/* ---- the table ---- */

static bool same(const cuda_choice *row, cuda_gemm_shape s, cuda_choice_scope scope)
{
    return row->shape.M == s.M && row->shape.N == s.N && row->shape.K == s.K && row->shape.then == s.then &&
           row->scope == scope;
}

const cuda_choice *cuda_choices_find(const cuda_choices *c, cuda_gemm_shape shape, cuda_choice_scope scope)
{
    for (int i = 0; i < c->n; i++)
        if (same(&c->rows[i], shape, scope)) return &c->rows[i];
    return NULL;
}

static status put(cuda_choices *c, const cuda_choice *choice, error *err)
{
    for (int i = 0; i < c->n; i++)
        if (same(&c->rows[i], choice->shape, choice->scope)) {
            c->rows[i] = *choice;
            return OK;
        }
    if (c->n == ROWS_MAX) return OK; /* measured again at the next start; some 60 models have left their shapes here */
    if (c->n == c->room) {
        const int    room = c->room ? 2 * c->room : 256;
        cuda_choice *more = realloc(c->rows, (size_t)room * sizeof *more);
        if (!more) return fail(err, NO_MEMORY, "no memory for %d choices of products", room);
        c->rows = more;
        c->room = room;
    }
    c->rows[c->n++] = *choice;
    return OK;
}

status cuda_choices_put(cuda_choices *c, const cuda_choice *choice, error *err)
{
    c->changed = true;
    return put(c, choice, err);
}

/* ---- reading ---- */

static int find_word(const char *const *words, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(words[i], word)) return (int)i;
    return -1;
}

static bool read_row(cuda_choice *out, const char *line)
{
    char then[12], scope[12];
    int  at = 0, then_index, scope_index;
    if (sscanf(line, "%d %d %d %11s %11s %f%n", &out->shape.M, &out->shape.N, &out->shape.K, then, scope, &out->us,
               &at) != 6)
        return false;
    then_index = find_word(thens, sizeof thens / sizeof *thens, then);
    scope_index = find_word(scopes, sizeof scopes / sizeof *scopes, scope);
    if (then_index < 0 || scope_index < 0 || !isfinite(out->us) || out->us <= 0) return false;
    out->shape.then = (cuda_gemm_then)then_index;
    out->scope = (cuda_choice_scope)scope_index;
    for (int i = 0; i < WORDS; i++) {
        int n = 0;
        if (sscanf(line + at, " %16" SCNx64 "%n", &out->algorithm.data[i], &n) != 1) return false;
        at += n;
    }
    return line[at] == 0;
}

/* Takes the text apart in place; NULL, or what is wrong with it. */
static const char *parse(cuda_choices *c, char *text, size_t size, error *err)
{
    const size_t first = sizeof first_line - 1, identity = strlen(c->identity);
    uint64_t     sum;
    char        *last = text && size > first ? memrchr(text, '\n', size - 1) : NULL;
    if (!last || memchr(text, 0, size) || sscanf(last + 1, "sum %16" SCNx64, &sum) != 1 ||
        sum != sum_of(text, (size_t)(last + 1 - text)))
        return "is corrupt";
    if (strncmp(text, first_line, first)) return "is of another version of beeline";
    if (strncmp(text + first, c->identity, identity) || text[first + identity] != '\n')
        return "is of another device or library";
    last[1] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text + first + identity + 1, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        cuda_choice row;
        if (!read_row(&row, line)) return "has a row that is none";
        if (put(c, &row, err) != OK) return "is too large";
    }
    return NULL;
}

static void read_file(cuda_choices *c)
{
    directory *d = NULL;
    file_bytes f = {0};
    error      err;
    status     rc = directory_open(&d, c->dir, &err);
    if (rc == OK) rc = directory_read(d, c->name, FILE_MAX_BYTES, &f, &err);
    if (rc == OK) {
        const char *wrong = parse(c, f.bytes, f.size, &err);
        if (wrong) {
            c->n = 0;
            note(c, "%.200s %s: products are timed again", c->path, wrong);
        }
    } else if (rc != NOT_FOUND) { /* a first start has none */
        note(c, "%.200s: products are timed again", err.text);
    }
    file_free(&f);
    directory_close(d);
}

/* ---- writing ---- */

static char *write_text(const cuda_choices *c, size_t *size)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, size);
    if (!f) return NULL;
    fprintf(f, "%s%s\n", first_line, c->identity);
    for (int i = 0; i < c->n; i++) {
        const cuda_choice *r = &c->rows[i];
        fprintf(f, "%d %d %d %s %s %.3f", r->shape.M, r->shape.N, r->shape.K, thens[r->shape.then], scopes[r->scope],
                (double)r->us);
        for (int w = 0; w < WORDS; w++) fprintf(f, " %016" PRIx64, r->algorithm.data[w]);
        fputc('\n', f);
    }
    fflush(f);
    if (!ferror(f)) fprintf(f, "sum %016" PRIx64 "\n", sum_of(text, *size));
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

void cuda_choices_save(cuda_choices *c)
{
    char   *temporary = NULL, *text = NULL;
    size_t  size = 0;
    int     fd = -1;
    bool    done = false;
    if (!*c->dir || !c->changed) return;
    if (mkdir(c->dir, 0700) < 0 && errno != EEXIST) goto end;
    errno = ENOMEM;
    text = write_text(c, &size);
    if (!text || asprintf(&temporary, "%s.XXXXXX", c->path) < 0) goto end;
    fd = mkstemp(temporary);
    if (fd >= 0) done = file_write_all(fd, text, size) && rename(temporary, c->path) == 0;
    if (fd >= 0 && !done) unlink(temporary);
end:
    if (done) c->changed = false;
    else note(c, "%.200s: %s: the choices of products are not kept", c->path, strerror(errno));
    if (fd >= 0) close(fd);
    free(temporary);
    free(text);
}

/* ---- open and close ---- */

status cuda_choices_open(cuda_choices **out, const char *dir, const char *identity, void (*listener)(const char *line),
                         error *err)
{
    cuda_choices *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) return fail(err, NO_MEMORY, "no memory for the choices of products");
    c->note = listener;
    c->dir = strdup(dir ? dir : "");
    c->identity = strdup(identity);
    snprintf(c->name, sizeof c->name, "gemm-%016" PRIx64 ".txt", sum_of(identity, strlen(identity)));
    if (!c->dir || !c->identity || asprintf(&c->path, *c->dir ? "%s/%s" : "%.0s%.0s", c->dir, c->name) < 0) {
        c->path = NULL;
        cuda_choices_close(c);
        return fail(err, NO_MEMORY, "no memory for the choices of products");
    }
    if (*c->dir) read_file(c);
    *out = c;
    return OK;
}

void cuda_choices_close(cuda_choices *c)
{
    if (!c) return;
    free(c->dir);
    free(c->identity);
    free(c->path);
    free(c->rows);
    free(c);
}

const char *cuda_choices_path(const cuda_choices *c)
{
    return c->path;
}
