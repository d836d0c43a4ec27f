// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One inode number for (subvolume, inode).
 *
 * The top level keeps its numbers. Elsewhere the subvolume's id stands above the inode number,
 * and both give room for more files than anybody has. What does not fit (an image whose counters
 * ran far ahead) gets a number from a table, marked by the highest bit.
 */
#include "fs/subvol/subvol.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/lock.h"

#define INO_BITS 40
#define SUBVOL_BITS 23 /* 63 together: the highest bit marks numbers from the table */
#define TABLE_MARK (1ULL << 63)

struct pair {
    uint64_t subvol;
    uint64_t ino;
};

struct numbered {
    struct pair pair;
    uint64_t number;
    UT_hash_handle hh;
};

struct subvol_numbers {
    pthread_mutex_t lock;
    struct numbered *by_pair;
    uint64_t next;
};

int subvols_init(struct fs *fs)
{
    struct subvol_numbers *numbers = calloc(1, sizeof(*numbers));

    if (!numbers)
        return fail(-ENOMEM, "no memory for inode numbers");
    int ret = subvol_dead_init(fs);
    if (ret < 0) {
        free(numbers);
        return ret;
    }
    lock_init(&numbers->lock, RANK_NUMBERS);
    fs->numbers = numbers;
    return 0;
}

void subvols_release(struct fs *fs)
{
    struct numbered *entry, *next;

    subvol_dead_release(fs);
    if (!fs->numbers)
        return;
    HASH_ITER (hh, fs->numbers->by_pair, entry, next) {
        HASH_DEL(fs->numbers->by_pair, entry);
        free(entry);
    }
    lock_destroy(&fs->numbers->lock);
    free(fs->numbers);
    fs->numbers = NULL;
}

static uint64_t from_table(struct subvol_numbers *numbers, uint64_t subvol, uint64_t ino)
{
    struct pair pair = {.subvol = subvol, .ino = ino};
    struct numbered *entry;

    SCOPED_LOCK(&numbers->lock);
    HASH_FIND(hh, numbers->by_pair, &pair, sizeof(pair), entry);
    if (entry)
        return entry->number;
    uint64_t number = TABLE_MARK | numbers->next++;
    entry = calloc(1, sizeof(*entry));
    if (entry) {
        entry->pair = pair;
        entry->number = number;
        HASH_ADD(hh, numbers->by_pair, pair, sizeof(entry->pair), entry);
        if (!HASH_ADDED(entry))
            free(entry); /* the number is another one next time */
    }
    return number;
}

uint64_t subvol_ino(struct fs *fs, uint64_t subvol, uint64_t ino)
{
    if (ino >> INO_BITS == 0) {
        if (subvol == TREE_FS)
            return ino;
        if (subvol >> SUBVOL_BITS == 0)
            return subvol << INO_BITS | ino;
    }
    return from_table(fs->numbers, subvol, ino);
}
