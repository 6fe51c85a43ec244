/* config.h - one JSON file of a model directory as a tree, with the file's name in every message.
 *
 * For the readers in this folder only.  A tree belongs to its caller (cJSON_Delete). */
#ifndef RUNTIME_MODEL_CONFIG_H
#define RUNTIME_MODEL_CONFIG_H
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/status.h"

/* wanted: cJSON_IsObject or cJSON_IsArray, what the top must be.  NOT_FOUND when there is no such file. */
status config_read(cJSON **out, directory *d, const char *name, cJSON_bool (*wanted)(const cJSON *), error *err);

/* Passes `rc` on; unless it is OK, err becomes `why` with the file's name before it. */
status config_in_file(const char *file, status rc, const error *why, error *err);
#endif
