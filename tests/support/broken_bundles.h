/* broken_bundles.h - versions of which each is broken in one way: the rows M 51 to 64, and what a manifest may hide.
 *
 * Where the fault is meant to be found by its own check, sums and digest are those of the broken files: nothing is
 * refused because it was changed, unless that is the fault.  Row 60, a file that shrinks while it is read, is no
 * version on a disk; the row here is one that has shrunk since it was packed. */
#ifndef TESTS_SUPPORT_BROKEN_BUNDLES_H
#define TESTS_SUPPORT_BROKEN_BUNDLES_H

typedef enum {
    FOUND_AT_OPEN,    /* engine_open(), also where it runs nothing */
    FOUND_BY_GOLDEN,  /* by the golden cases alone */
    FOUND_BY_CONTRACT /* it is whole, and breaks the contract of the good one: contract_breaks() */
} broken_bundle_finder;

int broken_bundles_count(void);
const char *broken_bundle_name(int i);   /* "51 header longer than the file" */
const char *broken_bundle_reason(int i); /* part of what the refusal must say */
broken_bundle_finder broken_bundle_found(int i);
/* `to` is made, as the folder `good` but broken.  good: packed, weights in one model.safetensors, vocab.txt. */
void broken_bundle_make(int i, const char *good, const char *to);
#endif
