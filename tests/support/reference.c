/* reference.c - reads golden/data/minilm_reference.* and models/all-MiniLM-L6-v2. */
#include "reference.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

enum { VOCABULARY = 30522, TOKENIZER_LIMIT = 512 };

static struct { int n; int32_t ids[REFERENCE_LONGEST]; } texts[REFERENCE_ROWS];
static float vectors[REFERENCE_ROWS][REFERENCE_DIMENSIONS];

bool reference_read(void)
{
    static bool done;
    if (done) return true;
    FILE *lines = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.jsonl", "r");
    FILE *rows = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.f32", "rb");
    char *line = NULL;
    size_t size = 0;
    int    n = 0;
    done = lines && rows && fread(vectors, sizeof *vectors, REFERENCE_ROWS, rows) == REFERENCE_ROWS &&
           fgetc(rows) == EOF;
    for (; done && getline(&line, &size, lines) > 0; n++) {
        cJSON *row = cJSON_Parse(line), *ids = cJSON_GetObjectItem(row, "ids"), *id;
        done = n < REFERENCE_ROWS && cJSON_GetArraySize(ids) > 0 && cJSON_GetArraySize(ids) <= REFERENCE_LONGEST;
        if (done) cJSON_ArrayForEach(id, ids) texts[n].ids[texts[n].n++] = id->valueint;
        cJSON_Delete(row);
    }
    done = done && n == REFERENCE_ROWS;
    free(line);
    if (lines) fclose(lines);
    if (rows) fclose(rows);
    return done;
}

const int32_t *reference_ids(int row, int *n)
{
    *n = texts[row].n;
    return texts[row].ids;
}

const float *reference_vector(int row)
{
    return vectors[row];
}

model *reference_model(void)
{
    directory *d = NULL;
    model     *m = NULL;
    error      err;
    if (directory_open(&d, BEELINE_SOURCE_DIR "/models/all-MiniLM-L6-v2", &err) != OK ||
        model_open(&m, d, TOKENIZER_LIMIT, VOCABULARY, &err) != OK)
        fprintf(stderr, "%s (make model)\n", err.text);
    directory_close(d);
    return m;
}
