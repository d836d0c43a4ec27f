// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Directories: every entry that came or went since the last commit. What an entry that came names
 * is logged with it, and so is what one that went named, if it still exists: it is elsewhere now.
 */
#include "fs/fsync/write.h"

static const void *item_of(const struct diff_cursor *side, uint32_t *size)
{
    *size = leaf_size(side->nodes[0], side->slots[0]);
    return leaf_data(side->nodes[0], side->slots[0]);
}

static int decode_entry(const struct diff_cursor *side, struct dir_item *head)
{
    uint32_t size;
    const void *data = item_of(side, &size);

    if (size < sizeof(disk_dir_item))
        return fail(-EUCLEAN, "tree %llu: a directory entry is cut short",
                    (unsigned long long)side->owner);
    dir_item_decode(head, data);
    /* Subvolumes come and go by commits. */
    return head->location.type == KEY_INODE_ITEM ? 0 : FULL_COMMIT;
}

/* Indexes that are gone, in a row. */
struct gone {
    uint64_t first, last;
    bool any;
};

static int put_gone(struct logging *l, uint64_t dir, const struct gone *gone)
{
    struct key key = key_make(dir, KEY_DIR_LOG_INDEX, gone->first);
    const struct dir_log_item item = {.end = gone->last};
    disk_dir_log_item disk;

    if (!gone->any)
        return 0;
    dir_log_item_encode(&disk, &item);
    return wish_add(l, &key, &disk, sizeof(disk));
}

static int entry_gone(struct logging *l, uint64_t dir, uint64_t index, struct gone *gone)
{
    if (gone->any && index == gone->last + 1) {
        gone->last = index;
        return 0;
    }
    TRY(put_gone(l, dir, gone));
    *gone = (struct gone){.first = index, .last = index, .any = true};
    return 0;
}

static int one_difference(struct logging *l, const struct diff *diff, const struct diff_item *item,
                          struct gone *gone)
{
    struct dir_item head;

    if (item->in_old && item->in_new)
        return FULL_COMMIT;
    if (item->in_old) {
        PASS(decode_entry(&diff->old_side, &head));
        TRY(entry_gone(l, item->key.objectid, item->key.offset, gone));
        return name_goes(l, head.location.objectid, head.type);
    }
    uint32_t size;
    const void *data = item_of(&diff->new_side, &size);
    PASS(decode_entry(&diff->new_side, &head));
    TRY(wish_add(l, &item->key, data, size));
    return todo_add(l, head.location.objectid);
}

static int all_differences(struct logging *l, struct inode *dir, struct diff *diff)
{
    struct key key = key_make(dir->ino, KEY_DIR_INDEX, 0);
    struct diff_item item;
    struct gone gone = {0};
    int ret;

    TRY(diff_skip_to(diff, &key));
    while ((ret = diff_next(diff, &item)) == 0) {
        if (item.key.objectid != dir->ino || item.key.type != KEY_DIR_INDEX)
            break;
        PASS(one_difference(l, diff, &item, &gone));
    }
    TRY(ret);
    return put_gone(l, dir->ino, &gone);
}

int wish_entries(struct logging *l, struct inode *dir)
{
    struct diff diff;

    TRY(diff_open(&diff, &l->log->durable, &l->tree->root));
    int ret = all_differences(l, dir, &diff);
    diff_close(&diff);
    return ret;
}
