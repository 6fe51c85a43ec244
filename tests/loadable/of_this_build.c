/* A backend as backend_load() wants it; nothing of it is called. */
#include "runtime/backend/backend.h"

extern const backend_ops beeline_backend;
const backend_ops beeline_backend = {.abi = BACKEND_ABI, .name = "loaded", .slots = 1};
