/* manifest.h - beeline.json: what a version is, who answers for it, and how to know that it is whole and right.
 *
 *   {"name": "...", "version": "1.2", "task": "embed", "precision": "float16",
 *    "files": [{"name": "config.json", "size": 612, "sha256": "..."}, ...], "digest": "...",
 *    "contract": {...}, "slo": {"p99_ms": 100, "availability": 0.999},
 *    "owner": {"team": "...", "contact": "...", "runbook": "https://..."},
 *    "golden": {"cosine": 0.999, "cases": [{"text": "...", "row": [0.1, ...]}, ...]}}
 *
 * beeline.json is about the version and is not itself among its files.  Written it is the same bytes for the same
 * version: members in this order, two blanks of indent, numbers as short as they can be, no time.  Unknown members are
 * refused: a misspelled one would be silently without effect. */
#ifndef RUNTIME_MODEL_MANIFEST_H
#define RUNTIME_MODEL_MANIFEST_H
#include "contract.h"

#define MANIFEST_FILE "beeline.json"
enum { MANIFEST_GOLDEN_MAX = 256, MANIFEST_NAME_MAX = 64, MANIFEST_TEXT_MAX = 256 };

typedef struct { char *name; int64_t size; char sha256[65]; } manifest_file;
typedef struct { char *text; float *row; /* [columns] */ } manifest_case;

typedef struct manifest {
    char name[MANIFEST_NAME_MAX + 1];    /* ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ */
    char version[MANIFEST_NAME_MAX + 1]; /* likewise */
    model_task task;
    char precision[16];                  /* what it is computed in: see backend.h */
    int n_files;
    manifest_file *files;                /* [n_files], by name */
    char digest[65];                     /* of the list of files */
    contract contract;
    double p99_ms, availability;         /* 0.999: one request in a thousand may fail */
    char team[MANIFEST_TEXT_MAX + 1], contact[MANIFEST_TEXT_MAX + 1], runbook[MANIFEST_TEXT_MAX + 1];
    double golden_cosine;                /* least, of each case */
    int n_cases, columns;
    manifest_case *cases;                /* [n_cases], at least one */
} manifest;

/* NOT_FOUND: the directory has none.  BAD_INPUT, MALFORMED: says which member and what is wanted; owner's team, contact
 * and runbook must be there and not empty, the runbook an http:// or https:// URL. */
status manifest_read(manifest **out, directory *d, error *err);
void   manifest_free(manifest *m); /* NULL is fine */
/* The same bytes for the same manifest; the caller frees *text. */
status manifest_text(char **text, size_t *n, const manifest *m, error *err);
/* Of the list of files, as directory_digest() of a directory that has read just these. */
status manifest_digest(const manifest *m, char digest[65], error *err);

/* Each file that was read from d is in the list with its size and sum, and none of the list is unread.  BAD_INPUT says
 * which is not and both values. */
status manifest_verify(const manifest *m, const directory *d, error *err);
/* May x be a version's or a model's name? */
bool   manifest_is_name(const char *x);
bool   manifest_is_precision(const char *x); /* "float32", "float16", "bfloat16", "int8" */
#endif
