/* bundle.h - beeline.json for a folder, without the program: for tests below a server, and to seal what they damage. */
#ifndef TESTS_SUPPORT_BUNDLE_H
#define TESTS_SUPPORT_BUNDLE_H

/* Of what is in the folder: version of "tiny", owned by "t", p99 100 ms, one golden case. */
void bundle_pack(const char *folder, const char *version);
/* Sizes, sums and digest anew, of the files that the manifest lists and that can be read; all else in it stays. */
void bundle_seal(const char *folder);
#endif
