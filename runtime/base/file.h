/* file.h - reads a file of a model directory whole, and remembers what it read.
 *
 * Read, not mapped: a mapped file that is cut short later kills the process with SIGBUS, and the digest must cover
 * the very bytes that are used.  Names are opened beneath the directory: a link that leaves it, a FIFO, a folder or
 * a device is refused by name. */
#ifndef RUNTIME_BASE_FILE_H
#define RUNTIME_BASE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "status.h"

/* A model directory under way: every file read through it enters the digest. */
typedef struct directory directory;
typedef struct { char *bytes; size_t size; } file_bytes; /* a NUL follows bytes[size-1] */

status directory_open(directory **out, const char *path, error *err);
void   directory_close(directory *d); /* NULL is fine */
const char *directory_path(const directory *d);

/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ */
enum { DIRECTORY_NAME_MAX = 64 };
bool   directory_is_name(const char *x);
/* The directory `name` beneath `root`, as one part of a path and no link: what a network may name.  BAD_INPUT: a name
 * that is none (directory_is_name), a link, a file; NOT_FOUND. */
status directory_open_beneath(directory **out, const char *root, const char *name, error *err);

/* NOT_FOUND when there is no such file (no line is worth an error then: the caller may have an alternative). */
status directory_read(directory *d, const char *name, size_t max_bytes, file_bytes *out, error *err);
/* The same for a file that is about the version and not of it: the digest does not know it. */
status directory_read_aside(directory *d, const char *name, size_t max_bytes, file_bytes *out, error *err);
void   file_free(file_bytes *f); /* {0} is fine */

/* SHA-256 over the sorted lines "name size sha256\n" of all files read so far, as 64 hex digits: the version's digest.
 */
status directory_digest(const directory *d, char out[65], error *err);

/* The files read so far, sorted by name: what the digest is of.  They live as long as the directory, and until the next
 * read. */
typedef struct { const char *name; size_t size; char sha256[65]; } directory_file;
int    directory_files(const directory *d);
directory_file directory_file_at(const directory *d, int i);
/* directory_digest() of a directory that has read just these, sorted by name. */
status directory_files_digest(const directory_file *files, int n, char out[65], error *err);

/* `path` has these bytes and is on the disk, or is as it was: written beside it (path.new), synced, renamed over it, and
 * the folder synced.  Mode 0600 where it is new. */
status file_replace(const char *path, const char *bytes, size_t n, error *err);
/* All n bytes, and on the disk: what may then be renamed over an older file.  false: errno says why. */
bool   file_write_all(int fd, const char *bytes, size_t n);
#endif
