/* ops_routes.h - what the operator's port answers: numbers and what happened last.  No text of a client is ever shown;
 * what changes something is a POST. */
#ifndef SERVER_OPS_ROUTES_H
#define SERVER_OPS_ROUTES_H
#include "routes.h"

extern const route ops_routes[];
extern const int ops_routes_count;
#endif
