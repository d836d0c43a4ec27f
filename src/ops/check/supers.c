// SPDX-License-Identifier: GPL-2.0-or-later
/* Superblocks: every copy, and what the one that counts says of itself. */
#include "ops/check/internal.h"

static void check_copy(struct check *c, struct dev *dev, unsigned copy)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    if (super_offset(copy) + SUPER_SIZE > c->super->dev_item.total_bytes)
        return;
    if (dev_read(dev, super_offset(copy), bytes, sizeof(bytes)) < 0 ||
        super_validate(bytes, super_offset(copy)) < 0) {
        report(c, copy ? CHECK_SUPER_COPY_BAD : CHECK_SUPER_BAD, PLACE(0), "superblock copy %u: %s",
               copy, fail_message());
        return;
    }
    super_decode(&super, bytes);
    if (!uuid_equal(&super.fsid, &c->super->fsid))
        report(c, CHECK_SUPER_COPY_BAD, PLACE(0),
               "superblock copy %u belongs to another file system", copy);
    else if (super.generation != c->super->generation)
        report(c, CHECK_SUPER_COPY_STALE, PLACE(0),
               "superblock copy %u is of generation %llu, the primary of %llu", copy,
               LLU(super.generation), LLU(c->super->generation));
}

static void check_backup(struct check *c, unsigned i)
{
    const struct backup_root *backup = &c->super->backups.r[i];

    if (backup->tree_root == 0)
        return;
    if (backup->tree_root_gen == c->super->generation &&
        (backup->tree_root != c->super->root || backup->tree_root_level != c->super->root_level))
        report(c, CHECK_BACKUP_ROOT, PLACE(0),
               "backup root %u of this generation is block %llu, the root tree is block %llu", i,
               LLU(backup->tree_root), LLU(c->super->root));
}

void check_supers(struct check *c, struct dev *dev)
{
    for (unsigned copy = 0; copy < SUPER_COPIES; copy++)
        check_copy(c, dev, copy);
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++)
        check_backup(c, i);
    if (c->super->chunk_root_generation > c->super->generation)
        report(c, CHECK_BLOCK_UNEXPECTED, PLACE(.tree = TREE_CHUNK),
               "the chunk tree is of generation %llu, the superblock of %llu",
               LLU(c->super->chunk_root_generation), LLU(c->super->generation));
}
