// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks the order of locks (base/lock.h). A program that depends on lock_ranks_dep, and has the
 * engine linked in statically, ends with a message and SIGABRT when a thread
 *
 *   - waits for a lock whose rank does not come after the ranks of all it holds (who shares a lock
 *     holds it too; with trylock nobody waits, but what it got is held);
 *   - waits for a condition, and so for its mutex, while it holds what comes after that;
 *   - gives back what it does not hold.
 *
 * The build then links in (ld's --wrap) what lock_ranks.c has in place of pthread's functions. Not
 * in a build with sanitizers: they replace the same functions, and -Db_sanitize=thread looks for
 * cycles of locks itself.
 */
#ifndef COPSE_BASE_TEST_LOCK_RANKS_H
#define COPSE_BASE_TEST_LOCK_RANKS_H

#include <stdint.h>

/* How many locks with a rank were taken so far: that it is not zero shows that the check is on. */
uint64_t lock_ranks_taken(void);

#endif
