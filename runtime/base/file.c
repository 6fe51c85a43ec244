/* file.c - names opened beneath the directory, bytes read once, hashed as they come.
 *
 * openat2(RESOLVE_BENEATH) lets the kernel follow links as long as they stay inside.  Where it is missing (Linux
 * before 5.6) or filtered (older container runtimes answer EPERM) the name is walked part by part and every link is
 * refused: stricter, never laxer.  O_NONBLOCK, because opening a FIFO would otherwise wait for a writer.
 * A directory belongs to one thread. */
#include "file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 /* is hashed while it is still in the cache */, NAME_MAX_BYTES = 1024, SHA_BYTES = 32 };

typedef struct {
    char         *name;
    size_t        size;
    unsigned char sha[SHA_BYTES];
} file_record;

struct directory {
    int          fd;
    char        *path;
    file_record *record; /* [n], sorted by name */
    size_t       n;
};

status directory_open(directory **out, const char *path, error *err)
{
    directory *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return fail(err, NO_MEMORY, "%s: no memory", path);
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d->path = strdup(path);
    status rc = OK;
    if (d->fd < 0 && errno == ENOENT) rc = fail(err, NOT_FOUND, "%s: no such directory", path);
    else if (d->fd < 0) rc = fail(err, IO_FAILED, "%s: %s", path, strerror(errno));
    else if (!d->path) rc = fail(err, NO_MEMORY, "%s: no memory", path);
    if (rc != OK) directory_close(d);
    else *out = d;
    return rc;
}

void directory_close(directory *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n; i++) free(d->record[i].name);
    free(d->record);
    free(d->path);
    if (d->fd >= 0) close(d->fd);
    free(d);
}

const char *directory_path(const directory *d) { return d->path; }

bool directory_is_name(const char *x)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t n = strspn(x, first);
    return n >= 1 && n <= DIRECTORY_NAME_MAX && !x[n] && !strchr("._-", x[0]);
}

status directory_open_beneath(directory **out, const char *root, const char *name, error *err)
{
    *out = NULL;
    if (!directory_is_name(name))
        return fail(err, BAD_INPUT, "\"%.80s\": no name of a version, wanted 1 to %d of A-Z a-z 0-9 . _ -, the first a "
                    "letter or a digit", name, DIRECTORY_NAME_MAX);
    directory *d = calloc(1, sizeof *d);
    if (!d) return fail(err, NO_MEMORY, "%s: no memory", name);
    d->fd = -1;
    const int above = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) d->fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int why = errno;
    status rc = OK;
    if (above < 0) rc = fail(err, IO_FAILED, "%.150s: %s", root, strerror(why));
    else if (d->fd < 0 && why == ENOENT) rc = fail(err, NOT_FOUND, "%s: no such directory in %.150s", name, root);
    else if (d->fd < 0 && (why == ELOOP || why == ENOTDIR))
        rc = fail(err, BAD_INPUT, "%s: a link or a file, wanted a directory in %.150s", name, root);
    else if (d->fd < 0) rc = fail(err, IO_FAILED, "%s in %.150s: %s", name, root, strerror(why));
    else if (asprintf(&d->path, "%s/%s", root, name) < 0) {
        d->path = NULL;
        rc = fail(err, NO_MEMORY, "%s: no memory", name);
    }
    if (above >= 0) close(above);
    if (rc != OK) directory_close(d);
    else *out = d;
    return rc;
}

/* The kernel would refuse most of these too; said here they mean the same with and without openat2. */
static status check_name(const char *name, error *err)
{
    size_t n = strlen(name);
    if (!n || n >= NAME_MAX_BYTES)
        return fail(err, BAD_INPUT, "file name of %zu bytes, wanted 1 to %d", n, NAME_MAX_BYTES - 1);
    if (name[0] == '/')
        return fail(err, BAD_INPUT, "%.100s: a name within the directory must not begin with '/'", name);
    for (const char *p = name; p; p = strchr(p, '/')) {
        if (*p == '/') p++;
        if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/'))
            return fail(err, BAD_INPUT, "%.100s: leaves the directory", name);
    }
    return OK;
}

enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

static int open_part_by_part(int dir, const char *name)
{
    char path[NAME_MAX_BYTES], *rest = NULL;
    int at = dir;
    memcpy(path, name, strlen(name) + 1);
    for (char *part = strtok_r(path, "/", &rest), *next; part; part = next) {
        next = strtok_r(NULL, "/", &rest);
        int fd = openat(at, part, OPEN_FLAGS | O_NOFOLLOW | (next ? O_DIRECTORY : 0));
        int why = errno;
        if (at != dir) close(at);
        errno = why;
        if (fd < 0) return -1;
        at = fd;
    }
    return at;
}

static int open_beneath(int dir, const char *name)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return open_part_by_part(dir, name);
    return (int)fd;
}

static status open_failed(const char *name, error *err)
{
    switch (errno) {
    case ENOENT: return fail(err, NOT_FOUND, "%.150s: no such file", name);
    case EXDEV: return fail(err, BAD_INPUT, "%.150s: a link that leaves the directory", name);
    case ELOOP: return fail(err, BAD_INPUT, "%.150s: a link, wanted a file", name);
    case ENXIO: return fail(err, BAD_INPUT, "%.150s: a socket or device, wanted a file", name);
    default: return fail(err, IO_FAILED, "%.150s: %s", name, strerror(errno));
    }
}

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

static status read_and_hash(int fd, const char *name, file_bytes *out, unsigned char sha[SHA_BYTES], error *err)
{
    status rc = OK;
    char beyond;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        rc = fail(err, NO_MEMORY, "%.150s: SHA-256 cannot start", name);
    for (size_t have = 0; rc == OK && have < out->size;) {
        size_t want = out->size - have < CHUNK ? out->size - have : CHUNK;
        ssize_t got = read(fd, out->bytes + have, want);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) rc = fail(err, IO_FAILED, "%.150s: %s", name, strerror(errno));
        else if (got == 0)
            rc = fail(err, IO_FAILED, "%.150s: cut to %zu bytes while it was read, was %zu", name, have, out->size);
        else if (!EVP_DigestUpdate(hash, out->bytes + have, (size_t)got))
            rc = fail(err, IO_FAILED, "%.150s: SHA-256 failed", name);
        else have += (size_t)got;
    }
    if (rc == OK && read(fd, &beyond, 1) > 0)
        rc = fail(err, IO_FAILED, "%.150s: grew while it was read, was %zu bytes", name, out->size);
    if (rc == OK && !EVP_DigestFinal_ex(hash, sha, NULL)) rc = fail(err, IO_FAILED, "%.150s: SHA-256 failed", name);
    EVP_MD_CTX_free(hash);
    return rc;
}

/* A file read a second time must be the same: the digest can name one content only. */
static status remember(directory *d, const char *name, size_t size, const unsigned char sha[SHA_BYTES], error *err)
{
    size_t i = 0;
    while (i < d->n && strcmp(d->record[i].name, name) < 0) i++;
    if (i < d->n && !strcmp(d->record[i].name, name)) {
        if (d->record[i].size == size && !memcmp(d->record[i].sha, sha, SHA_BYTES)) return OK;
        return fail(err, IO_FAILED, "%.150s: changed between two reads", name);
    }
    file_record *grown = realloc(d->record, (d->n + 1) * sizeof *grown);
    if (grown) d->record = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) return fail(err, NO_MEMORY, "%.150s: no memory", name);
    memmove(&grown[i + 1], &grown[i], (d->n - i) * sizeof *grown);
    grown[i] = (file_record){.name = copy, .size = size};
    memcpy(grown[i].sha, sha, SHA_BYTES);
    d->n++;
    return OK;
}

static status read_whole(const directory *d, const char *name, size_t max_bytes, file_bytes *out,
                         unsigned char sha[SHA_BYTES], error *err)
{
    struct stat st;
    *out = (file_bytes){0};
    status rc = check_name(name, err);
    if (rc != OK) return rc;
    int fd = open_beneath(d->fd, name);
    if (fd < 0) return open_failed(name, err);
    if (fstat(fd, &st)) rc = fail(err, IO_FAILED, "%.150s: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode)) rc = fail(err, BAD_INPUT, "%.150s: %s, wanted a file", name, kind_name(st.st_mode));
    else if ((uint64_t)st.st_size > max_bytes)
        rc = fail(err, BAD_INPUT, "%.150s: %lld bytes, at most %zu are read", name, (long long)st.st_size, max_bytes);
    if (rc != OK) goto done;
    out->size = (size_t)st.st_size;
    out->bytes = malloc(out->size + 1);
    if (!out->bytes) {
        rc = fail(err, NO_MEMORY, "%.150s: no memory for %zu bytes", name, out->size);
        goto done;
    }
    out->bytes[out->size] = 0;
    rc = read_and_hash(fd, name, out, sha, err);
done:
    close(fd);
    if (rc != OK) file_free(out);
    return rc;
}

status directory_read(directory *d, const char *name, size_t max_bytes, file_bytes *out, error *err)
{
    unsigned char sha[SHA_BYTES];
    status rc = read_whole(d, name, max_bytes, out, sha, err);
    if (rc == OK) rc = remember(d, name, out->size, sha, err);
    if (rc != OK) file_free(out);
    return rc;
}

status directory_read_aside(directory *d, const char *name, size_t max_bytes, file_bytes *out, error *err)
{
    unsigned char sha[SHA_BYTES];
    return read_whole(d, name, max_bytes, out, sha, err);
}

void file_free(file_bytes *f)
{
    free(f->bytes);
    *f = (file_bytes){0};
}

static void to_hex(char out[2 * SHA_BYTES + 1], const unsigned char sha[SHA_BYTES])
{
    for (int i = 0; i < SHA_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", sha[i]);
}

int directory_files(const directory *d) { return (int)d->n; }

directory_file directory_file_at(const directory *d, int i)
{
    directory_file f = {.name = d->record[i].name, .size = d->record[i].size};
    to_hex(f.sha256, d->record[i].sha);
    return f;
}

status directory_files_digest(const directory_file *files, int n, char out[65], error *err)
{
    unsigned char sha[SHA_BYTES];
    char tail[128];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    out[0] = 0;
    for (int i = 0; ok && i < n; i++) {
        const int bytes = snprintf(tail, sizeof tail, " %zu %s\n", files[i].size, files[i].sha256);
        ok = EVP_DigestUpdate(hash, files[i].name, strlen(files[i].name)) &&
             EVP_DigestUpdate(hash, tail, (size_t)bytes);
    }
    ok = ok && EVP_DigestFinal_ex(hash, sha, NULL);
    EVP_MD_CTX_free(hash);
    if (!ok) return fail(err, NO_MEMORY, "SHA-256 failed");
    to_hex(out, sha);
    return OK;
}

status directory_digest(const directory *d, char out[65], error *err)
{
    directory_file *files = malloc((d->n + 1) * sizeof *files);
    out[0] = 0;
    if (!files) return fail(err, NO_MEMORY, "%.150s: no memory", d->path);
    for (int i = 0; i < (int)d->n; i++) files[i] = directory_file_at(d, i);
    status rc = directory_files_digest(files, (int)d->n, out, err);
    free(files);
    return rc;
}

bool file_write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        const ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes += done;
        n -= (size_t)done;
    }
    return fsync(fd) == 0; /* else a crash may leave the new name with no bytes */
}

/* Without this a crash may bring the old name back. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    const int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool ok = fsync(fd) == 0;
    const int why = errno;
    close(fd);
    errno = why;
    return ok;
}

status file_replace(const char *path, const char *bytes, size_t n, error *err)
{
    char beside[PATH_MAX];
    struct stat st;
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return fail(err, BAD_INPUT, "%.100s...: a path of %zu bytes, at most %d", path, strlen(path), PATH_MAX - 5);
    unlink(beside); /* of a start that was killed */
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return fail(err, IO_FAILED, "%.200s: %s", beside, strerror(errno));
    bool ok = stat(path, &st) || !fchmod(fd, st.st_mode & 0777);
    ok = ok && file_write_all(fd, bytes, n);
    int why = errno;
    if (close(fd) && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(beside, path)) {
        ok = false;
        why = errno;
    }
    if (!ok) {
        unlink(beside);
        return fail(err, IO_FAILED, "%.200s: %s", path, strerror(why));
    }
    if (!sync_folder_of(path)) return fail(err, IO_FAILED, "the folder of %.200s: %s", path, strerror(errno));
    return OK;
}
