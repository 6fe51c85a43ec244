/* fuzz_config.c - any bytes as config.json; after a NUL (which no JSON holds) the next file of a model directory. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/model/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
    "config_sentence_transformers.json", "tokenizer_config.json",
};
enum { NAMES = sizeof names / sizeof *names };
static char folder[] = "/tmp/beeline-fuzz-XXXXXX";

static void check(int holds)
{
    if (!holds) abort();
}

static void path_of(char out[128], const char *name) { snprintf(out, 128, "%s/%s", folder, name); }

static void remove_folder(void)
{
    char path[128];
    for (int i = 0; i < NAMES; i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    path_of(path, "1_Pooling");
    rmdir(path);
    rmdir(folder);
}

static void make_folder(void)
{
    static int made;
    char path[128];
    if (made++) return;
    check(mkdtemp(folder) != NULL);
    path_of(path, "1_Pooling");
    check(mkdir(path, 0700) == 0);
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    make_folder();
    for (int i = 0; i < NAMES; i++) {
        char path[128];
        path_of(path, names[i]);
        if (i && data == end) {
            unlink(path);
            continue;
        }
        const uint8_t *stop = size ? memchr(data, 0, (size_t)(end - data)) : NULL;
        if (!stop) stop = end;
        FILE *f = fopen(path, "wb");
        check(f && fwrite(data, 1, (size_t)(stop - data), f) == (size_t)(stop - data) && fclose(f) == 0);
        data = stop == end ? end : stop + 1;
    }
    directory *d;
    model_description m;
    error err;
    check(directory_open(&d, folder, &err) == OK);
    if (description_read(&m, d, 512, &err) == OK) {
        check(m.shape.hidden > 0 && m.shape.heads > 0 && m.shape.hidden % m.shape.heads == 0 && m.shape.layers > 0);
        check(m.max_tokens >= 4 && m.max_tokens <= m.shape.positions && m.layer_norm_eps > 0);
        check((m.task == TASK_EMBED) == (m.n_labels == 0) && (m.task == TASK_EMBED) == (m.pooling != 0));
        check(m.task != TASK_EMBED || m.dimensions >= m.shape.hidden);
        check(m.default_prompt >= -1 && m.default_prompt < m.n_prompts);
        check(!*pooling_name(m.pooling) == !m.pooling);
        for (int i = 0; i < m.n_labels; i++) check(m.labels[i] != NULL);
    } else {
        check(*err.text && !m.labels && !m.prompts);
    }
    description_free(&m);
    directory_close(d);
    return 0;
}
