#include "routes.h"
#include "handlers.h"

enum { MIB = 1 << 20, TOKENIZE_MAX = 256 << 10 /* a reply is up to 60 times its text */ };

const route routes[] = {
    {"POST", "/", embed_post, 2 * MIB, SHAPE_TEI, "the task's default: /embed"},
    {"POST", "/embed", embed_post, 2 * MIB, SHAPE_TEI,
     "texts to vectors; JSON or, by Accept: application/octet-stream, float32"},
    {"POST", "/v1/embeddings", embeddings_post, 2 * MIB, SHAPE_OPENAI,
     "texts to vectors as OpenAI does; float or base64"},
    {"POST", "/embeddings", embeddings_post, 2 * MIB, SHAPE_OPENAI, "the same"},
    {"POST", "/tokenize", tokenize_post, TOKENIZE_MAX, SHAPE_TEI, "texts to tokens with their place in the text"},
    {"POST", "/decode", decode_post, TOKENIZE_MAX, SHAPE_TEI, "token ids to text"},
    {"GET", "/info", info_get, 0, SHAPE_TEI, "what is served, by what, with which limits"},
    {"GET", "/v1/models", models_get, 0, SHAPE_OPENAI, "the one model, as OpenAI lists it"},
    {"GET", "/health", health_get, 0, SHAPE_TEI, "200 when ready, else 503; empty"},
    {"GET", "/health/live", health_live_get, 0, SHAPE_TEI, "200 as long as the process answers"},
    {"GET", "/health/ready", health_ready_get, 0, SHAPE_TEI, "200, or 503 with the reason"},
    {"GET", "/health/startup", health_ready_get, 0, SHAPE_TEI, "the same"},
};
const int routes_count = sizeof routes / sizeof *routes;

bool routes_compute(const route *r) { return r->run == embed_post || r->run == embeddings_post; }
