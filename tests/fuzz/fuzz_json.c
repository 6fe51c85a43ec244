/* fuzz_json.c - any bytes as JSON: what passes the door is whole, within its limits, and survives a round trip. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

enum { DEPTH = 16, VALUES = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) abort();
}

static int count(const cJSON *v, int depth)
{
    int n = 1;
    check(depth <= DEPTH);
    for (const cJSON *c = v->child; c; c = c->next) n += count(c, depth + 1);
    return n;
}

static void read_members(const cJSON *object)
{
    const char *text = NULL;
    bool flag = false;
    int number = 3;
    cJSON *v;
    error err;
    if (json_int(&number, object, "a", -5, 5, &err) == OK) check(number >= -5 && number <= 5);
    if (json_string(&text, object, "b", &err) == OK && text) check(strlen(text) <= 1 << 20);
    if (json_bool(&flag, object, "c", &err) != OK) check(!flag);
    if (json_member(&v, object, "a", &err) != OK) check(v == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const json_limits limits = {DEPTH, VALUES};
    cJSON *tree, *again;
    error err;
    status rc = json_parse(&tree, (const char *)data, size, limits, &err);
    check((rc == OK) == (tree != NULL));
    if (rc != OK) {
        check(rc == MALFORMED); /* never "no memory": the check knows all that cJSON knows */
        return 0;
    }
    check(count(tree, 0) <= VALUES);
    read_members(tree);
    char *text = cJSON_PrintUnformatted(tree);
    check(text != NULL);
    check(json_parse(&again, text, strlen(text), limits, &err) == OK);
    char *text_again = cJSON_PrintUnformatted(again); /* not cJSON_Compare(): it knows no name that occurs twice */
    check(text_again && !strcmp(text, text_again));
    cJSON_Delete(again);
    cJSON_Delete(tree);
    cJSON_free(text);
    cJSON_free(text_again);
    return 0;
}
