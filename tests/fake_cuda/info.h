/* info.h - what the fake device says that it is: the numbers of an H100, by another name. */
#ifndef TESTS_FAKE_CUDA_INFO_H
#define TESTS_FAKE_CUDA_INFO_H
#include <cstddef>

static constexpr size_t INFO_SHARED_BYTES = 48 << 10, INFO_SHARED_BYTES_OPTIN = 227 << 10;
static constexpr int    INFO_DRIVER = 13000, INFO_OLD_DRIVER = 12020;
#endif
