// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * uthash for library code: by itself it ends the program when memory runs out. Here an element that
 * could not be added says so: HASH_ADDED() is asked after every HASH_ADD.
 */
#ifndef COPSE_BASE_HASH_H
#define COPSE_BASE_HASH_H

#include <stddef.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->hh.tbl = NULL)
#include <uthash.h>

#define HASH_ADDED(element) ((element)->hh.tbl != NULL)

#endif
