/* config.c - the limits within which a config file is parsed: generous for real ones, small for memory. */
#include "config.h"

enum { BYTES_MAX = 4 << 20, VALUES_MAX = 1 << 17, DEPTH_MAX = 32 };

status config_read(cJSON **out, directory *d, const char *name, cJSON_bool (*wanted)(const cJSON *), error *err)
{
    file_bytes file;
    error why;
    *out = NULL;
    status rc = directory_read(d, name, BYTES_MAX, &file, err);
    if (rc != OK) return rc;
    rc = json_parse(out, file.bytes, file.size, (json_limits){DEPTH_MAX, VALUES_MAX}, &why);
    file_free(&file);
    if (rc != OK) return fail(err, rc, "%.80s: %.160s", name, why.text);
    if (wanted(*out)) return OK;
    rc = fail(err, BAD_INPUT, "%.80s: is of type %s", name, json_type_name(*out));
    cJSON_Delete(*out);
    *out = NULL;
    return rc;
}

status config_in_file(const char *file, status rc, const error *why, error *err)
{
    return rc == OK ? OK : fail(err, rc, "%.80s: %.160s", file, why->text);
}
