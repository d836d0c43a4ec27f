// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/quota/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "fs/subvol/exclusive.h"

#define LLU(v) ((unsigned long long)(v))
#define SUBVOLS_MAX 256
#define WORDS (SUBVOLS_MAX / 64)

/* An extent, and which subvolumes (by their place in the list) reach it. */
struct met {
    UT_hash_handle hh;
    uint64_t bytenr, bytes;
    uint64_t by[WORDS];
    uint64_t file;   /* data: the only file that reaches it, as subvol << 32 | inode */
    bool many_files; /* or several do */
};

struct counting {
    struct mount *m;
    uint64_t ids[SUBVOLS_MAX];
    struct root_item items[SUBVOLS_MAX];
    size_t count;
    struct met *all;
    int ret;
};

static int note_subvol(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct counting *c = arg;

    (void)key_offset;
    if (!is_fs_tree(id))
        return 0;
    if (c->count == SUBVOLS_MAX)
        return fail(-E2BIG, "more subvolumes than this test is made for");
    c->ids[c->count] = id;
    c->items[c->count++] = *item;
    return 0;
}

static void meet(struct counting *c, size_t subvol, uint64_t ino, uint64_t bytenr, uint64_t bytes)
{
    struct met *met;

    HASH_FIND(hh, c->all, &bytenr, sizeof(bytenr), met);
    if (!met) {
        met = calloc(1, sizeof(*met));
        met->bytenr = bytenr;
        met->bytes = bytes;
        HASH_ADD(hh, c->all, bytenr, sizeof(met->bytenr), met);
    }
    met->by[subvol / 64] |= 1ULL << subvol % 64;
    met->many_files |= met->file != 0 && met->file != ((uint64_t)subvol << 32 | ino);
    met->file = (uint64_t)subvol << 32 | ino;
}

static void meet_items(struct counting *c, size_t subvol, const struct node *leaf)
{
    for (uint32_t i = 0; i < node_items(leaf); i++) {
        const disk_file_extent *disk = leaf_data(leaf, i);
        struct file_extent file;
        struct key key;

        node_key(leaf, i, &key);
        if (key.type != KEY_EXTENT_DATA || disk->type == FILE_EXTENT_INLINE)
            continue;
        file_extent_decode(&file, disk);
        if (file.disk_bytenr != 0)
            meet(c, subvol, key.objectid, file.disk_bytenr, file.disk_num_bytes);
    }
}

static void walk(struct counting *c, size_t subvol, const struct node_expect *expect)
{
    struct engine *engine = &c->m->fs.store->engine;
    const struct key *gone = &c->items[subvol].drop_progress;
    struct node *node;

    if (c->ret < 0)
        return;
    c->ret = forest_read_node(engine->forest, expect, &node);
    if (c->ret < 0)
        return;
    meet(c, subvol, 0, node_bytenr(node), engine->nodesize);
    if (node_level(node) == 0)
        meet_items(c, subvol, node);
    for (uint32_t i = 0; node_level(node) > 0 && i < node_items(node); i++) {
        struct node_expect child = {.bytenr = node_child(node, i),
                                    .generation = node_child_generation(node, i),
                                    .level = node_level(node) - 1};
        struct key next = KEY_LAST;

        /* Of a subvolume being deleted: what lies before is gone, and so is a child of the level
         * where deletion stands that ends there. */
        if (i + 1 < node_items(node))
            node_key(node, i + 1, &next);
        if (key_cmp(&next, gone) > 0)
            walk(c, subvol, &child);
    }
    node_put(node);
}

/* Whether `id` is, directly or not, in the group. */
static bool is_below(struct qgroup_view *groups, size_t count, uint64_t id, uint64_t group)
{
    if (id == group)
        return true;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; groups[i].id == id && j < groups[i].parent_count; j++)
            if (is_below(groups, count, groups[i].parents[j], group))
                return true;
    return false;
}

struct groups {
    struct qgroup_view list[512];
    size_t count;
};

static int note_group(void *arg, const struct qgroup_view *view)
{
    struct groups *groups = arg;

    if (groups->count == 512)
        return fail(-E2BIG, "more groups than this test is made for");
    groups->list[groups->count++] = *view;
    return 0;
}

static int compare_group(struct counting *c, struct groups *groups, const struct qgroup_view *group,
                         char *text, size_t cap)
{
    uint64_t mask[WORDS] = {0}, rfer = 0, excl = 0;

    for (size_t i = 0; i < c->count; i++)
        if (is_below(groups->list, groups->count, c->ids[i], group->id))
            mask[i / 64] |= 1ULL << i % 64;
    for (const struct met *met = c->all; met; met = met->hh.next) {
        uint64_t in = 0, out = 0;

        for (size_t w = 0; w < WORDS; w++) {
            in |= met->by[w] & mask[w];
            out |= met->by[w] & ~mask[w];
        }
        rfer += in ? met->bytes : 0;
        excl += in && !out ? met->bytes : 0;
    }
    if (rfer == group->rfer && excl == group->excl)
        return 0;
    snprintf(text, cap, "group %u/%llu says %llu, %llu; counted %llu, %llu",
             (unsigned)(group->id >> QGROUP_LEVEL_SHIFT),
             LLU(group->id & ((1ULL << QGROUP_LEVEL_SHIFT) - 1)), LLU(group->rfer),
             LLU(group->excl), LLU(rfer), LLU(excl));
    return -1;
}

/* What a subvolume being deleted holds itself is not followed: nobody can do anything about it. */
static bool is_being_deleted(const struct counting *c, uint64_t id)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->ids[i] == id)
            return c->items[i].refs == 0;
    return false;
}

static int walk_all(struct counting *c)
{
    TRY(roots_each(c->m->fs.store->roots, TREE_FS, note_subvol, c));
    for (size_t i = 0; i < c->count && c->ret == 0; i++) {
        struct node_expect expect = {c->items[i].bytenr, c->items[i].generation, 0,
                                     c->items[i].level};
        walk(c, i, &expect);
    }
    return c->ret;
}

static int compare(struct counting *c, char *text, size_t cap)
{
    struct store *store = c->m->fs.store;
    AUTO_FREE struct groups *groups = calloc(1, sizeof(*groups));

    TRY(walk_all(c));
    TRY(qgroups_each(store->qgroups, note_group, groups));
    for (size_t i = 0; i < groups->count; i++)
        if (!is_being_deleted(c, groups->list[i].id) &&
            compare_group(c, groups, &groups->list[i], text, cap) < 0)
            return -1;
    return 0;
}

/* ---- exclusive space ------------------------------------------------------------------------- */

static uint64_t alone_bytes(const struct counting *c, size_t subvol, uint64_t ino)
{
    uint64_t bytes = 0;

    for (const struct met *met = c->all; met; met = met->hh.next) {
        bool others = false;

        for (size_t w = 0; w < WORDS; w++)
            others |= (met->by[w] & ~(w == subvol / 64 ? 1ULL << subvol % 64 : 0)) != 0;
        if (!others &&
            (ino == 0 || (!met->many_files && met->file == ((uint64_t)subvol << 32 | ino))))
            bytes += met->bytes;
    }
    return bytes;
}

/* Small, so that several walks are needed. */
#define KEPT_MAX 8

static int compare_exclusive(struct counting *c, size_t subvol, uint64_t ino, char *text,
                             size_t cap)
{
    struct exclusive_set set = {.fs = &c->m->fs, .partial = c->ids[subvol], .kept_max = KEPT_MAX};
    struct exclusive_bytes bytes;
    uint64_t counted = alone_bytes(c, subvol, ino);

    int ret = ino ? exclusive_add_inode(&set, ino) : exclusive_add_tree(&set, c->ids[subvol]);
    if (ret == 0)
        ret = exclusive_count(&set, &bytes);
    exclusive_clear(&set);
    if (ret < 0 || bytes.data + bytes.metadata == counted)
        return ret;
    snprintf(text, cap, "subvolume %llu inode %llu: exclusive %llu + %llu, counted %llu",
             LLU(c->ids[subvol]), LLU(ino), LLU(bytes.data), LLU(bytes.metadata), LLU(counted));
    return -1;
}

/* Each subvolume, and some files. */
static int exclusive_all(struct counting *c, char *text, size_t cap)
{
    TRY(walk_all(c));
    for (size_t i = 0; i < c->count; i++) {
        TRY(compare_exclusive(c, i, 0, text, cap));
        for (uint64_t ino = 257; ino < 261; ino++)
            TRY(compare_exclusive(c, i, ino, text, cap));
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------- */

typedef int compare_fn(struct counting *c, char *text, size_t cap);

static int with_counting(struct mount *m, compare_fn *fn, char *text, size_t cap)
{
    struct counting *c = calloc(1, sizeof(*c));
    struct met *met, *next;

    c->m = m;
    text[0] = '\0';
    store_read_lock(m->fs.store);
    int ret = fn(c, text, cap);
    store_read_unlock(m->fs.store);
    if (ret < 0 && !text[0])
        snprintf(text, cap, "%d: %s", ret, fail_message());
    HASH_ITER (hh, c->all, met, next) {
        HASH_DEL(c->all, met);
        free(met);
    }
    free(c);
    return ret;
}

int count_compare(struct mount *m, char *text, size_t cap)
{
    return with_counting(m, compare, text, cap);
}

int exclusive_compare(struct mount *m, char *text, size_t cap)
{
    return with_counting(m, exclusive_all, text, cap);
}
