/* sleeping_device.c - a backend whose times are known exactly: the rows of backend_cpu, handed over no earlier than a
 * device would that takes
 *
 *     t(T, S) = base_us + T * token_ns + S * sequence_ns
 *
 * and one batch after the other: a batch begins when it was submitted, or when the one before it ended.  Rows are
 * computed, on one thread, at the first look at a batch: of a tiny model that costs microseconds of its own time.
 * Built as libbeeline_cuda.so, so that the real program loads it with --backend cuda.
 *
 *     SLEEPING_DEVICE="base_us=2000,token_ns=20000,sequence_ns=0,slots=3;v2:base_us=9000;v3:nan_after=200"
 *
 * The first group is for every model; those with a name add to it for the model of that directory's name.  After so many
 * batches, golden ones included, rows are NaN (nan_after), point elsewhere (drift_after), or the batch fails
 * (fail_after); room_mib is what is said to be free.  Each key at most once in a group; what is left out is 0, of slots
 * 3, of the last four never and not known.  Anything else is refused by open(). */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/backend/backend.h"
#include "runtime/base/clock.h"

extern backend_ops beeline_backend;

typedef struct {
    float *rows;     /* [max_sequences, columns] */
    uint8_t *finite; /* [max_sequences] */
    const batch *in; /* NULL: free */
    bool computed;
    int64_t ready_ns; /* when it may be seen to be done */
} slot;

struct backend {
    backend *cpu; /* another struct of this name: backend_cpu's own */
    int64_t base_us, token_ns, sequence_ns, slots;
    int64_t nan_after, drift_after, fail_after; /* batches; -1: never */
    int64_t room_mib;                           /* -1: not known */
    int64_t collected;                          /* batches */
    size_t columns;
    slot slot[BACKEND_SLOTS_MAX];
    int64_t ready_ns; /* of the last batch */
    char description[160];
};

typedef struct {
    const char *key;
    int64_t *value, least, most;
} setting;
enum { SETTINGS = 8, DIGITS_MAX = 12, TEXT_MAX = 320 };

/* "key=digits", the rest of a word; the key is looked for among those that were not yet there. */
static status read_setting(setting *settings, const char *word, error *err)
{
    const size_t length = strcspn(word, "=");
    const char *number = word + length + (word[length] == '=');
    const size_t digits = strspn(number, "0123456789");
    setting *s = settings;
    while (s < settings + SETTINGS && (!s->key || strlen(s->key) != length || strncmp(word, s->key, length))) s++;
    if (s == settings + SETTINGS)
        return fail(err, BAD_INPUT, "SLEEPING_DEVICE: \"%.80s\": no such setting, or for the second time", word);
    if (digits < 1 || digits > DIGITS_MAX || number[digits])
        return fail(err, BAD_INPUT, "SLEEPING_DEVICE: \"%.80s\" is no key=number", word);
    *s->value = strtoll(number, NULL, 10);
    if (*s->value < s->least || *s->value > s->most)
        return fail(err, BAD_INPUT, "SLEEPING_DEVICE: %s is %lld, must be %lld to %lld", s->key, (long long)*s->value,
                    (long long)s->least, (long long)s->most);
    s->key = NULL;
    return OK;
}

static status read_group(backend *b, char *rest, error *err)
{
    setting settings[SETTINGS] = {{"base_us", &b->base_us, 0, 60000000},
                                  {"token_ns", &b->token_ns, 0, 1000000000},
                                  {"sequence_ns", &b->sequence_ns, 0, 1000000000},
                                  {"slots", &b->slots, 1, BACKEND_SLOTS_MAX},
                                  {"nan_after", &b->nan_after, 0, 1000000},
                                  {"drift_after", &b->drift_after, 0, 1000000},
                                  {"fail_after", &b->fail_after, 0, 1000000},
                                  {"room_mib", &b->room_mib, 0, 1000000}};
    status rc = OK;
    for (char *word; rc == OK && (word = strsep(&rest, ","));) rc = read_setting(settings, word, err);
    return rc;
}

static status read_settings(backend *b, const char *model_name, error *err)
{
    char text[TEXT_MAX];
    const char *given = getenv("SLEEPING_DEVICE");
    if (!given) return fail(err, BAD_INPUT, "SLEEPING_DEVICE is not set");
    if (strlen(given) >= sizeof text)
        return fail(err, BAD_INPUT, "SLEEPING_DEVICE: %zu bytes, at most %zu", strlen(given), sizeof text - 1);
    strcpy(text, given);
    b->slots = BACKEND_SLOTS_MAX;
    b->nan_after = b->drift_after = b->fail_after = b->room_mib = -1;
    char *rest = text;
    status rc = read_group(b, strsep(&rest, ";"), err);
    for (char *group; rc == OK && (group = strsep(&rest, ";"));) {
        const char *name = strsep(&group, ":");
        if (!group) return fail(err, BAD_INPUT, "SLEEPING_DEVICE: \"%.80s\" is no NAME:settings", name);
        backend other = *b; /* that one's is read, too, for its mistakes */
        rc = read_group(strcmp(name, model_name) ? &other : b, group, err);
    }
    return rc;
}

static void sleeping_close(backend *b)
{
    if (!b) return;
    backend_cpu.close(b->cpu);
    for (int i = 0; i < BACKEND_SLOTS_MAX; i++) {
        free(b->slot[i].rows);
        free(b->slot[i].finite);
    }
    free(b);
}

static status open_slots(backend *b, int max_sequences, error *err)
{
    for (int i = 0; i < b->slots; i++) {
        b->slot[i].rows = malloc((size_t)max_sequences * b->columns * sizeof *b->slot[i].rows);
        b->slot[i].finite = malloc((size_t)max_sequences);
        if (!b->slot[i].rows || !b->slot[i].finite) return fail(err, NO_MEMORY, "no memory for the slots");
    }
    return OK;
}

static status sleeping_open(backend **out, const model *m, backend_reserve reserve, error *err)
{
    *out = NULL;
    backend *b = calloc(1, sizeof *b);
    if (!b) return fail(err, NO_MEMORY, "no memory for the device");
    b->columns = (size_t)backend_columns(&m->description);
    reserve.threads = 1;
    status rc = read_settings(b, m->description.name, err);
    if (rc == OK) rc = backend_cpu.open(&b->cpu, m, reserve, err);
    if (rc == OK) rc = open_slots(b, reserve.max_sequences, err);
    if (rc != OK) {
        sleeping_close(b);
        return rc;
    }
    beeline_backend.slots = (int)b->slots; /* nobody asks before a device is open */
    snprintf(b->description, sizeof b->description, "sleeping device, %lld us + %lld ns a token + %lld ns a sequence",
             (long long)b->base_us, (long long)b->token_ns, (long long)b->sequence_ns);
    *out = b;
    return OK;
}

static status sleeping_submit(backend *b, int number, const batch *in, error *err)
{
    if (number < 0 || number >= b->slots || b->slot[number].in)
        return fail(err, GPU_FAILED, "there is no slot %d, or it is not free", number);
    const int64_t now_ns = clock_ns(), begun_ns = now_ns > b->ready_ns ? now_ns : b->ready_ns;
    b->ready_ns = begun_ns + b->base_us * 1000 + in->T * b->token_ns + in->S * b->sequence_ns;
    b->slot[number].in = in;
    b->slot[number].computed = false;
    b->slot[number].ready_ns = b->ready_ns;
    return OK;
}

static bool has_come(const backend *b, int64_t after) { return after >= 0 && b->collected > after; }

/* Of the batch that is the latest. */
static status break_rows(const backend *b, const slot *s, error *err)
{
    const size_t n = (size_t)s->in->S * b->columns;
    if (has_come(b, b->fail_after)) return fail(err, GPU_FAILED, "the device was told to fail");
    for (size_t i = 0; i < n && has_come(b, b->nan_after); i++) s->rows[i] = NAN;
    for (int i = 0; i < s->in->S && has_come(b, b->nan_after); i++) s->finite[i] = 0;
    for (size_t i = 0; i < n && has_come(b, b->drift_after); i += 2) s->rows[i] = -s->rows[i];
    return OK;
}

static status sleeping_collect(backend *b, int number, float *out, uint8_t *finite, error *err)
{
    if (number < 0 || number >= b->slots || !b->slot[number].in)
        return fail(err, GPU_FAILED, "there is no slot %d, or it is empty", number);
    slot *s = &b->slot[number];
    status rc = OK;
    if (!s->computed) {
        rc = backend_cpu.submit(b->cpu, 0, s->in, err);
        if (rc == OK) rc = backend_cpu.collect(b->cpu, 0, s->rows, s->finite, err);
        b->collected++;
        if (rc == OK) rc = break_rows(b, s, err);
        s->computed = rc == OK;
    }
    if (rc == OK && clock_ns() < s->ready_ns) return PENDING;
    if (rc == OK) {
        memcpy(out, s->rows, (size_t)s->in->S * b->columns * sizeof *out);
        memcpy(finite, s->finite, (size_t)s->in->S);
    }
    s->in = NULL;
    return rc;
}

static const char *sleeping_describe(const backend *b) { return b->description; }

/* Of a device; what it has in truth is more. */
static const char *sleeping_precision(const backend *b)
{
    (void)b;
    return "float16";
}

static void sleeping_room(const backend *b, const model_description *d, int64_t *wanted, int64_t *available)
{
    backend_cpu.room(b->cpu, d, wanted, available);
    *available = b->room_mib < 0 ? -1 : b->room_mib << 20;
}

backend_ops beeline_backend = {
    .abi = BACKEND_ABI,
    .name = "cuda",
    .slots = BACKEND_SLOTS_MAX,
    .open = sleeping_open,
    .submit = sleeping_submit,
    .collect = sleeping_collect,
    .close = sleeping_close,
    .describe = sleeping_describe,
    .precision = sleeping_precision,
    .room = sleeping_room,
};
