/* A backend as a later build would make it: only its first number may be looked at. */
extern const int beeline_backend;
const int beeline_backend = 1000;
