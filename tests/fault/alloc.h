/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocations of this program that fail on demand (the linker puts these in front of the real). */
#ifndef COPSE_TESTS_FAULT_ALLOC_H
#define COPSE_TESTS_FAULT_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* The how manieth from now on fails (0: none), and, permanent, all after it. */
void alloc_fail(uint64_t nth, bool permanent);
/* How many there were while nobody said alloc_pause(true), since alloc_fail; how many failed. */
uint64_t alloc_count(void);
uint64_t alloc_hits(void);
/* Those of the test itself neither count nor fail. */
void alloc_pause(bool on);

#endif
