// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_FS_INODE_INTERNAL_H
#define COPSE_FS_INODE_INTERNAL_H

#include "fs/inode/inode.h"

/* inode.c: the number that the next inode of the tree gets, and that it has been given away. */
int inode_next_number(struct tree_handle *tree, uint64_t *out) MUST_USE;
void inode_number_used(struct tree_handle *tree);
/* What a new inode says of itself, from what is asked for and what dir hands down. */
void inode_item_fill(struct fs *fs, const struct inode *dir, const struct inode_new *what,
                     struct inode_item *out);
/* The inode whose item was inserted, in memory, with the properties dir hands down. On failure the
 * transaction is aborted. */
int inode_come_alive(struct fs *fs, struct tree_handle *tree, struct inode *dir, uint64_t ino,
                     const struct inode_item *item, struct inode **out) MUST_USE;
/* With item_lock: the item changed, with mtime the content too. */
void item_touch(struct inode_item *item, const struct timestamp *now, bool mtime);

/* dir.c: parts of names. */
int dir_name_ok(const void *name, uint16_t len) MUST_USE;
struct key dir_item_key(const struct inode *dir, const void *name, uint16_t len);
int dir_insert_index(struct inode *dir, const void *name, uint16_t len, const struct dir_item *head,
                     uint64_t index) MUST_USE;
/* -ENOENT; *head: what the name pointed at. */
int dir_remove_item(struct inode *dir, const void *name, uint16_t len,
                    struct dir_item *head) MUST_USE;
int dir_remove_index(struct inode *dir, const void *name, uint16_t len, uint64_t index) MUST_USE;
/* A name came or went: the directory's size follows, and its times unless now is NULL. */
void dir_resize(struct inode *dir, int64_t name_bytes, const struct timestamp *now);

/* Back references of names: INODE_REF and INODE_EXTREF items (refs.c). */

/* Adds the reference of name `index` in directory dir to inode ino. -EMLINK: no room. */
int ref_add(struct tree_handle *tree, uint64_t ino, uint64_t dir, uint64_t index, const void *name,
            uint16_t len) MUST_USE;
/* Removes it; *index: what it said. -ENOENT. */
int ref_remove(struct tree_handle *tree, uint64_t ino, uint64_t dir, const void *name, uint16_t len,
               uint64_t *index) MUST_USE;

/*
 * Entries of an item that packs several because their keys collide: DIR_ITEM and XATTR_ITEM
 * (packed.c). All are struct dir_item, name, value.
 */
struct packed_entry {
    struct dir_item head;
    uint32_t at;   /* offset in the item */
    uint32_t size; /* of the whole entry */
    const char *name;
    const uint8_t *value;
};
/* The entry at offset `at`; 1: at the end; -EUCLEAN. */
int packed_entry_at(const struct path *path, uint32_t at, struct packed_entry *out) MUST_USE;
/* The entry with that name. 1: there is none. */
int packed_find(const struct path *path, const void *name, uint16_t len,
                struct packed_entry *out) MUST_USE;
/* Adds an entry to the item under key, making the item if need be. -EEXIST: the name is there;
 * -EOVERFLOW: the item would not fit into a leaf. */
int packed_add(struct root *root, const struct key *key, const struct dir_item *head,
               const void *name, const void *value) MUST_USE;
/* Whether the path's item can take one more entry. -EOVERFLOW. */
int packed_has_room(const struct path *path, uint16_t name_len, uint16_t data_len) MUST_USE;
/* Removes an entry that packed_find found through this path (from tree_search_cow). */
int packed_remove(struct path *path, const struct packed_entry *entry) MUST_USE;

#endif
