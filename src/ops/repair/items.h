// SPDX-License-Identifier: GPL-2.0-or-later
/* Items of a tree of files, read and written one by one. Lookups return 1 where nothing is. */
#ifndef COPSE_OPS_REPAIR_ITEMS_H
#define COPSE_OPS_REPAIR_ITEMS_H

#include "ops/repair/internal.h"

/* A name as one of its three items has it: DIR_ITEM and DIR_INDEX of a directory, reference of an
 * inode. */
struct name {
    uint64_t dir, index, ino; /* ino: of location, or whose reference it is */
    struct key location;
    size_t text; /* place in names->texts */
    uint16_t len;
    uint8_t type;
};

struct names {
    struct pile list, texts;
};

void names_init(struct names *names, struct budget *budget);
void names_free(struct names *names);
const char *name_text(const struct names *names, const struct name *name);
/* By text, then by index. */
void names_sort(struct names *names);
static inline struct name *name_at(const struct names *names, size_t i)
{
    return PILE_AT(&names->list, struct name, i);
}

int inode_item_get(struct root *root, uint64_t ino, struct inode_item *out) MUST_USE;
int inode_item_put(struct root *root, uint64_t ino, const struct inode_item *item) MUST_USE;

/* Names in a directory by index, or by hash. */
int entries_load(struct root *root, uint64_t dir, uint8_t type, struct names *out) MUST_USE;
/* Names that an inode says it has; that of the top directory itself is left out. */
int refs_load(struct root *root, uint64_t ino, struct names *out) MUST_USE;

/* DIR_ITEM. */
int entry_find(struct root *root, uint64_t dir, const char *text, uint16_t len,
               struct dir_item *out) MUST_USE;
int entry_put(struct root *root, uint64_t dir, const char *text, uint16_t len,
              const struct key *location, uint8_t type) MUST_USE;
int entry_drop(struct root *root, uint64_t dir, const char *text, uint16_t len) MUST_USE;

/* DIR_INDEX. */
int index_next(struct root *root, uint64_t dir, uint64_t *out) MUST_USE;
/* *out: with its name behind, of NAME_MAX_BYTES at most. */
int index_get(struct root *root, uint64_t dir, uint64_t index, struct dir_item *out,
              char text[NAME_MAX_BYTES]) MUST_USE;
int index_is_free(struct root *root, uint64_t dir, uint64_t index, bool *out) MUST_USE;
int index_put(struct root *root, uint64_t dir, uint64_t index, const char *text, uint16_t len,
              const struct key *location, uint8_t type) MUST_USE;
int index_drop(struct root *root, uint64_t dir, uint64_t index) MUST_USE;

/* INODE_REF and INODE_EXTREF. */
int ref_find(struct root *root, uint64_t ino, uint64_t dir, const char *text, uint16_t len,
             uint64_t *index) MUST_USE;
/* Sets the index of one that is there, or adds one. */
int ref_put(struct root *root, uint64_t ino, uint64_t dir, uint64_t index, const char *text,
            uint16_t len, bool extref) MUST_USE;
int ref_drop(struct root *root, uint64_t ino, uint64_t dir, const char *text,
             uint16_t len) MUST_USE;

/* Whether there is any item (objectid, at least `type`, …). */
int has_items(struct root *root, uint64_t objectid, uint8_t type, uint8_t last, bool *out) MUST_USE;
/* Deletes an item; nothing there is fine. */
int item_drop(struct root *root, const struct key *key) MUST_USE;

#endif
