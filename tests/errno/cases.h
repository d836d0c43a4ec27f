// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls that are asked too much, and what Linux answers: watched on btrfs (rows of XFS where btrfs
 * does not have the call). One table for two judges: kernel.c makes the calls on a mounted file
 * system and shows whether the table is right, copse.c makes them by the library.
 */
#ifndef COPSE_TESTS_ERRNO_CASES_H
#define COPSE_TESTS_ERRNO_CASES_H

#include <stddef.h>
#include <stdint.h>

/* What the calls are made on; they are made anew for each case. */
#define DATA_SIZE 66536 /* of every file but empty: 16 blocks and 1000 bytes */
/*
 * data, twin   the same bytes
 * other        other bytes
 * tail         the same bytes, and then some
 * nosum        the same bytes, without checksums
 * fixed        immutable        append   may only be appended to
 * empty        nothing          dir, fifo, link (to data)
 * far/data     in another file system
 * snap/data    in a read-only snapshot
 */
enum errno_call { CALL_WRITE, CALL_TRUNCATE, CALL_FALLOCATE, CALL_CLONE, CALL_COPY, CALL_DEDUPE };

/* A dedupe that finds different bytes. */
#define DIFFERS 10000

struct errno_case {
    enum errno_call call;
    int mode; /* of fallocate */
    const char *src, *dst;
    int64_t from, len, to; /* one file: to and len */
    int answer;            /* errno, 0, or DIFFERS */
    uint64_t done;         /* bytes that a dedupe says it did */
    enum { ON_BTRFS, ON_XFS } judge;
};

extern const struct errno_case errno_cases[];
extern const size_t errno_case_count;

/* "clone data+4096 16384 -> other+1" */
const char *errno_case_text(const struct errno_case *which);

/* Byte i of a file. */
static inline uint8_t errno_byte(const char *name, size_t i)
{
    return (uint8_t)((name[0] == 'o' ? 'A' : 'a') + i / 4096 % 16);
}

#endif
