// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes and numbers, as btrfs and xfs_io read and print them. */
#ifndef COPSE_CLI_SIZE_H
#define COPSE_CLI_SIZE_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

struct cli;

/* "4096", "4k", "1M", "0x10": a number and k, m, g, t, p, e in either case. */
bool parse_size(const char *text, uint64_t *out);
/* A plain number in any base that strtoull knows. */
bool parse_number(const char *text, uint64_t *out);

struct size_mode {
    unsigned base;  /* 1024 or 1000; 1: bytes, without a unit */
    unsigned units; /* 0: what fits; else 1 for k, 2 for m, ... */
};

#define SIZE_MODE_DEFAULT ((struct size_mode){1024, 0})

/* The options that btrfs has for it; take_size_option returns whether the option was one. */
#define SIZE_OPTIONS_SHORT "bhHkmgt"
enum { OPTION_RAW = 256, OPTION_IEC, OPTION_SI, OPTION_KIB, OPTION_MIB, OPTION_GIB, OPTION_TIB };
/* clang-format off */
#define SIZE_OPTIONS_LONG                                                                          \
    {"raw", no_argument, NULL, OPTION_RAW}, {"human-readable", no_argument, NULL, 'h'},            \
    {"iec", no_argument, NULL, OPTION_IEC}, {"si", no_argument, NULL, OPTION_SI},                  \
    {"kbytes", no_argument, NULL, OPTION_KIB}, {"mbytes", no_argument, NULL, OPTION_MIB},          \
    {"gbytes", no_argument, NULL, OPTION_GIB}, {"tbytes", no_argument, NULL, OPTION_TIB}
/* clang-format on */
bool take_size_option(int option, struct size_mode *mode);

#define SIZE_TEXT_MAX 40
const char *size_text(uint64_t bytes, struct size_mode mode, char buf[SIZE_TEXT_MAX]);

#endif
