// SPDX-License-Identifier: GPL-2.0-or-later
/* Every tree block that the superblock leads to, each once, as far as blocks can be read. */
#include <stdlib.h>

#include "ops/image/internal.h"

struct collect {
    struct env *env;
    struct vol *vol;
    struct addresses *out; /* NULL: only chunks are wanted */
    uint64_t *seen;        /* open addressing, 0: empty; a power of two */
    size_t seen_count, seen_room;
};

int image_read_block(struct vol *vol, uint64_t bytenr, uint8_t *block)
{
    const struct node_expect expect = {.bytenr = bytenr, .level = -1};
    const struct format_limits *limits = vol_limits(vol);
    unsigned mirrors = vol_mirrors(vol, laddr_of(bytenr));
    int ret = fail(-EUCLEAN, "block %llu: address lies in no chunk", LLU(bytenr));

    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        ret = vol_read(vol, laddr_of(bytenr), block, limits->nodesize, mirror);
        if (ret == 0)
            ret = node_validate(block, limits, &expect);
        if (ret == 0)
            return 0;
    }
    if (mirrors > 1 && vol_read(vol, laddr_of(bytenr), block, limits->nodesize, 0) < 0)
        memset(block, 0, limits->nodesize);
    return ret;
}

/* ---- the set -----------------------------------------------------------------------------------
 */

static uint64_t *slot_of(uint64_t *table, size_t room, uint64_t bytenr)
{
    size_t i = (bytenr / SECTOR_SIZE_MIN * 0x9E3779B97F4A7C15ULL >> 20) & (room - 1);

    while (table[i] != 0 && table[i] != bytenr)
        i = (i + 1) & (room - 1);
    return &table[i];
}

static int grow(struct collect *c)
{
    size_t room = MAX(c->seen_room * 2, (size_t)1024);
    uint64_t *table = calloc(room, sizeof(*table));

    if (!table)
        return fail(-ENOMEM, "out of memory");
    for (size_t i = 0; i < c->seen_room; i++)
        if (c->seen[i])
            *slot_of(table, room, c->seen[i]) = c->seen[i];
    free(c->seen);
    c->seen = table;
    c->seen_room = room;
    return 0;
}

/* 1: it is new. */
static int see(struct collect *c, uint64_t bytenr)
{
    uint64_t *slot;

    if (c->seen_count * 2 >= c->seen_room)
        TRY(grow(c));
    slot = slot_of(c->seen, c->seen_room, bytenr);
    if (*slot)
        return 0;
    *slot = bytenr;
    c->seen_count++;
    return 1;
}

static int list(struct addresses *out, uint64_t bytenr)
{
    if (out->count == out->room) {
        size_t room = MAX(out->room * 2, (size_t)1024);
        uint64_t *grown = realloc(out->list, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        out->list = grown;
        out->room = room;
    }
    out->list[out->count++] = bytenr;
    return 0;
}

/* ---- walking -----------------------------------------------------------------------------------
 */

static int collect_tree(struct collect *c, uint64_t bytenr, unsigned level);

static int look_at_item(struct collect *c, const struct key *key, const uint8_t *data,
                        uint32_t size)
{
    struct chunk_map map;
    int ret;

    if (key->type == KEY_CHUNK_ITEM) {
        ret = chunk_map_decode(key->offset, data, size, &map);
        if (ret == 0)
            ret = vol_add_chunk(c->vol, &map);
        if (ret < 0 && ret != -ENOMEM)
            env_note(c->env, NOTE_WARNING, "%s: passed over: %s", vol_label(c->vol),
                     fail_message());
        return ret == -ENOMEM ? ret : 0;
    }
    if (key->type == KEY_ROOT_ITEM && size >= ROOT_ITEM_SIZE_V1 && c->out) {
        const disk_root_item *item = (const void *)data;

        if (le64_get(item->bytenr) != 0 && item->level < TREE_LEVELS_MAX)
            return collect_tree(c, le64_get(item->bytenr), item->level);
    }
    return 0;
}

/* Only trees of trees have root items, only the chunk tree has chunks. */
static bool has_pointers(const struct node_header *header)
{
    return header->owner == TREE_ROOT || header->owner == TREE_CHUNK || header->owner == TREE_LOG;
}

static int look_into(struct collect *c, const uint8_t *block)
{
    const disk_key_ptr *ptrs = (const void *)(block + NODE_HEADER_SIZE);
    const disk_leaf_item *items = (const void *)(block + NODE_HEADER_SIZE);
    struct node_header header;

    node_header_decode(&header, block);
    for (uint32_t i = 0; i < header.nritems; i++) {
        struct key key;

        if (header.level > 0) {
            TRY(collect_tree(c, le64_get(ptrs[i].blockptr), header.level - 1U));
            continue;
        }
        if (!has_pointers(&header))
            return 0;
        key_decode(&key, &items[i].key);
        TRY(look_at_item(c, &key, block + NODE_HEADER_SIZE + le32_get(items[i].offset),
                         le32_get(items[i].size)));
    }
    return 0;
}

static int collect_tree(struct collect *c, uint64_t bytenr, unsigned level)
{
    AUTO_FREE uint8_t *block = NULL;
    int ret = bytenr ? see(c, bytenr) : 0;

    if (ret <= 0)
        return ret;
    block = malloc(vol_limits(c->vol)->nodesize);
    if (!block)
        return fail(-ENOMEM, "out of memory");
    if (vol_mirrors(c->vol, laddr_of(bytenr)) > 0 && c->out)
        TRY(list(c->out, bytenr));
    ret = image_read_block(c->vol, bytenr, block);
    if (ret < 0) {
        env_note(c->env, NOTE_WARNING, "%s: %s", vol_label(c->vol), fail_message());
        return 0;
    }
    /* So that damage cannot lead round in circles: each step goes down. */
    if (((const disk_node_header *)block)->level != level)
        return 0;
    return look_into(c, block);
}

static int by_address(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return a < b ? -1 : a > b;
}

int image_load_chunks(struct env *env, struct vol *vol)
{
    const struct super *super = vol_super(vol);
    struct collect c = {.env = env, .vol = vol};
    int ret = collect_tree(&c, super->chunk_root, super->chunk_root_level);

    free(c.seen);
    return ret;
}

int image_collect(struct env *env, struct vol *vol, struct addresses *out)
{
    const struct super *super = vol_super(vol);
    struct collect c = {.env = env, .vol = vol, .out = out};
    int ret = collect_tree(&c, super->chunk_root, super->chunk_root_level);

    if (ret == 0)
        ret = collect_tree(&c, super->root, super->root_level);
    if (ret == 0)
        ret = collect_tree(&c, super->log_root, super->log_root_level);
    free(c.seen);
    if (ret == 0 && out->count > 0)
        qsort(out->list, out->count, sizeof(*out->list), by_address);
    return ret;
}
