// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every lock has a rank; who holds one takes only locks of ranks that come after it. These are
 * pthread's locks and are taken with its functions. The rank costs nothing where nobody asks for
 * it: src/base/test/lock_ranks.h does, in the stress test.
 */
#ifndef COPSE_BASE_LOCK_H
#define COPSE_BASE_LOCK_H

#include <pthread.h>

/*
 * In the order in which they are taken, each with what who holds it may take of the same rank. From
 * FSYNC on they are held for a moment, and no lock of the engine is taken meanwhile; then come the
 * devices, from the uppermost wrapper down, and what is taken last anywhere.
 */
#define LOCK_RANKS(RANK)                                                                           \
    RANK(GATE, NEVER)       /* shared: content changes; alone: files_quiesce() */                  \
    RANK(INODE, OTHERS)     /* content and size of a file; two: by tree, inode number */           \
    RANK(METADATA, NEVER)   /* all trees; directories */                                           \
    RANK(DURABLE, NEVER)    /* one superblock is written after the other */                        \
    RANK(FILE, NEVER)       /* runs of one file */                                                 \
    RANK(ITEM, NEVER)       /* the inode item in memory */                                         \
    RANK(FILES, NEVER)      /* which files are dirty, what they were promised; holds */            \
    RANK(INODES, NEVER)     /* the table of inodes */                                              \
    RANK(QGROUPS, AGAIN)    /* quota groups; to read their trees takes what follows */             \
    RANK(RESERVE, NEVER)    /* promises of metadata space */                                       \
    RANK(ROOTS, NEVER)      /* the table of trees; a tree is opened meanwhile */                   \
    RANK(SPACE, NEVER)      /* block groups, promises of space */                                  \
    RANK(NODE_CACHE, NEVER) /* tree blocks in memory */                                            \
    RANK(DATA_CACHE, NEVER) /* how large it may be; gives way to tree blocks */                    \
    RANK(DATA_SHARD, NEVER) /* a part of it */                                                     \
    RANK(CHUNK_MAP, NEVER)  /* which chunk holds an address */                                     \
    RANK(FSYNC, NEVER)      /* who waits for an fsync */                                           \
    RANK(DEAD, NEVER)       /* subvolumes that are being deleted */                                \
    RANK(NUMBERS, NEVER)    /* inode numbers given to other subvolumes */                          \
    RANK(RECLAIM, NEVER)    /* where extents lost something */                                     \
    RANK(SHARING, NEVER)    /* what is known about who shares an extent */                         \
    RANK(UNPACKED, NEVER)   /* the last extents unpacked */                                        \
    RANK(BACKGROUND, NEVER) /* the thread of a mount is to end */                                  \
    RANK(RECOUNT, NEVER)    /* references that a check counts anew */                              \
    RANK(CHECK, NEVER)      /* what a check found */                                               \
    RANK(DEV_UNDO, NEVER)   /* what was there before */                                            \
    RANK(DEV_RECORD, NEVER) /* the record; its order is that of the device */                      \
    RANK(DEV_FAULT, NEVER)  /* what fails next */                                                  \
    RANK(DEV_MEMORY, NEVER) /* pages */                                                            \
    RANK(NOTES, NEVER)      /* the user's handler of notes */                                      \
    RANK(WORKERS, NEVER)    /* the queue of env_parallel(), and who hears notes */

enum lock_rank {
#define RANK(name, same) RANK_##name,
    LOCK_RANKS(RANK)
#undef RANK
        RANK_COUNT
};

/* What a thread may take of a rank of which it holds a lock. */
enum lock_same {
    SAME_NEVER,
    SAME_OTHERS, /* another lock: there is an order among them, which the callers keep */
    SAME_AGAIN,  /* the very lock: a recursive mutex */
};

void lock_init(pthread_mutex_t *lock, enum lock_rank rank);
/* May be taken again by the thread that holds it. */
void lock_init_recursive(pthread_mutex_t *lock, enum lock_rank rank);
/* For a lock that is set up by PTHREAD_MUTEX_INITIALIZER. */
void lock_rank_static(pthread_mutex_t *lock, enum lock_rank rank);
void lock_destroy(pthread_mutex_t *lock);

void rwlock_init(pthread_rwlock_t *lock, enum lock_rank rank);
/* Who waits to write comes before new readers; a thread cannot share it twice. */
void rwlock_init_writers_first(pthread_rwlock_t *lock, enum lock_rank rank);
void rwlock_destroy(pthread_rwlock_t *lock);

/*
 * A lock begins and ends. Defined by who checks the order, and where nobody does not at all;
 * hidden, so that the library asks no program that happens to have a function of the name.
 */
__attribute__((visibility("hidden"))) void lock_ranked(const void *lock, enum lock_rank rank);
__attribute__((visibility("hidden"))) void lock_unranked(const void *lock);

#endif
