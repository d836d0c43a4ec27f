// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Trees as they lie on a device, for people. Reads blocks alone, so that what is damaged
 * elsewhere does not keep a tree from being looked at.
 */
#include "api/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/param.h>

#define LLU(value) ((unsigned long long)(value))

struct dumper {
    struct vol *vol;
    const struct format_limits *limits;
    struct text_sink sink;
    uint8_t *block;
    uint64_t
        blocks_left; /* as many as fit on the device: more means that pointers run in circles */
    int first_error; /* of blocks that could not be read */
};

struct block_ref {
    uint64_t bytenr, generation, owner;
    int level;
};

struct block_list {
    struct block_ref *list;
    size_t count, room;
};

static void say(struct dumper *dumper, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct dumper *dumper, const char *fmt, ...)
{
    char line[FAIL_MESSAGE_MAX + 64];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (len > 0)
        dumper->sink.put(dumper->sink.arg, line, MIN((size_t)len, sizeof(line) - 1));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int add_block(struct block_list *blocks, const struct block_ref *ref)
{
    if (blocks->count == blocks->room) {
        size_t room = blocks->room ? blocks->room * 2 : 64;
        struct block_ref *list = realloc(blocks->list, room * sizeof(*list));
        if (!list)
            return fail(-ENOMEM, "listing tree blocks");
        blocks->list = list;
        blocks->room = room;
    }
    blocks->list[blocks->count++] = *ref;
    return 0;
}

static int read_block(struct dumper *dumper, const struct block_ref *ref)
{
    const struct node_expect expect = {.bytenr = ref->bytenr,
                                       .generation = ref->generation,
                                       .owner = ref->owner,
                                       .level = ref->level};

    if (dumper->blocks_left == 0)
        return fail(-EUCLEAN, "tree %llu: more blocks than the device has", LLU(ref->owner));
    dumper->blocks_left--;
    return vol_read_node(dumper->vol, (laddr){ref->bytenr}, &expect, dumper->block);
}

/* The block as it is, when it is not as it should be; what it points at is not followed. */
static void print_damaged(struct dumper *dumper, const struct block_ref *ref)
{
    say(dumper, "damaged: %s\n", fail_message());
    if (vol_read(dumper->vol, (laddr){ref->bytenr}, dumper->block, dumper->limits->nodesize, 0) ==
        0)
        print_node(dumper->block, dumper->limits, &dumper->sink);
}

static int add_children(const struct dumper *dumper, const struct block_ref *parent,
                        struct block_list *out)
{
    struct node_header header;
    struct key_ptr ptr;

    node_header_decode(&header, dumper->block);
    for (uint32_t i = 0; header.level > 0 && i < header.nritems; i++) {
        key_ptr_decode(&ptr, dumper->block + NODE_HEADER_SIZE + i * KEY_PTR_SIZE);
        const struct block_ref child = {ptr.blockptr, ptr.generation, parent->owner,
                                        header.level - 1};
        TRY(add_block(out, &child));
    }
    return 0;
}

/* All of one level, whose children come into *below. */
static int dump_level(struct dumper *dumper, const struct block_list *blocks, bool follow,
                      struct block_list *below)
{
    for (size_t i = 0; i < blocks->count; i++) {
        int ret = read_block(dumper, &blocks->list[i]);
        if (ret < 0) {
            dumper->first_error = dumper->first_error ? dumper->first_error : ret;
            print_damaged(dumper, &blocks->list[i]);
            if (dumper->blocks_left == 0)
                return ret;
            continue;
        }
        print_node(dumper->block, dumper->limits, &dumper->sink);
        if (follow)
            TRY(add_children(dumper, &blocks->list[i], below));
    }
    return 0;
}

/* A block and, when asked to, all below it, level by level. */
static int dump_from(struct dumper *dumper, const struct block_ref *top, bool follow)
{
    struct block_list level = {0}, below = {0};
    int ret = add_block(&level, top);

    while (ret == 0 && level.count > 0) {
        ret = dump_level(dumper, &level, follow, &below);
        free(level.list);
        level = below;
        below = (struct block_list){0};
    }
    free(level.list);
    return ret;
}

/* ---- walking leaves -------------------------------------------------------------------------- */

struct leaf_walk {
    int (*fn)(struct dumper *dumper, void *arg, const struct key *key, const uint8_t *data,
              uint32_t size);
    void *arg;
};

static int walk_leaf(struct dumper *dumper, const struct leaf_walk *walk)
{
    struct node_header header;
    struct leaf_item item;

    node_header_decode(&header, dumper->block);
    for (uint32_t i = 0; i < header.nritems; i++) {
        leaf_item_decode(&item, dumper->block + NODE_HEADER_SIZE + i * LEAF_ITEM_SIZE);
        TRY(walk->fn(dumper, walk->arg, &item.key, dumper->block + NODE_HEADER_SIZE + item.offset,
                     item.size));
    }
    return 0;
}

/* Calls fn for the items of a tree, level by level, as far as it can be read. */
static int walk_tree(struct dumper *dumper, const struct block_ref *top,
                     const struct leaf_walk *walk)
{
    struct block_list blocks = {0};
    int ret = add_block(&blocks, top);

    for (size_t i = 0; ret == 0 && i < blocks.count; i++) {
        /* The list moves when it grows. */
        const struct block_ref ref = blocks.list[i];
        ret = read_block(dumper, &ref);
        if (ret == 0)
            ret = ref.level == 0 ? walk_leaf(dumper, walk) : add_children(dumper, &ref, &blocks);
        else if (dumper->blocks_left > 0) {
            dumper->first_error = dumper->first_error ? dumper->first_error : ret;
            ret = 0;
        }
    }
    free(blocks.list);
    return ret;
}

static int add_chunk(struct dumper *dumper, void *arg, const struct key *key, const uint8_t *data,
                     uint32_t size)
{
    struct chunk_map map;

    (void)arg;
    if (key->type != KEY_CHUNK_ITEM)
        return 0;
    TRY(chunk_validate(key->offset, data, size, dumper->limits));
    TRY(chunk_map_decode(key->offset, data, size, &map));
    return vol_add_chunk(dumper->vol, &map);
}

/* ---- trees ----------------------------------------------------------------------------------- */

static const char *tree_title(uint64_t id)
{
    static const struct {
        uint64_t id;
        const char *title;
    } titles[] = {
        {TREE_ROOT, "root"},
        {TREE_EXTENT, "extent"},
        {TREE_CHUNK, "chunk"},
        {TREE_DEV, "device"},
        {TREE_FS, "fs"},
        {TREE_CSUM, "checksum"},
        {TREE_QUOTA, "quota"},
        {TREE_UUID, "uuid"},
        {TREE_FREE_SPACE, "free space"},
        {TREE_BLOCK_GROUP, "block group"},
        {TREE_RAID_STRIPE, "raid stripe"},
        {TREE_LOG, "log"},
        {TREE_LOG_FIXUP, "log fixup"},
        {TREE_RELOC, "reloc"},
        {TREE_DATA_RELOC, "data reloc"},
    };

    for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++) {
        if (titles[i].id == id)
            return titles[i].title;
    }
    return "file";
}

/* Root items found in the root (or log root) tree. */
struct found_roots {
    struct found_root {
        struct key key;
        struct block_ref top;
    } * list;
    size_t count, room;
    uint64_t wanted; /* 0: all */
};

static int keep_root(struct dumper *dumper, void *arg, const struct key *key, const uint8_t *data,
                     uint32_t size)
{
    struct found_roots *roots = arg;
    uint8_t whole[sizeof(disk_root_item)] = {0};
    struct root_item item;

    (void)dumper;
    if (key->type != KEY_ROOT_ITEM || size < ROOT_ITEM_SIZE_V1 ||
        (roots->wanted && roots->wanted != key->objectid))
        return 0;
    memcpy(whole, data, MIN(size, sizeof(whole)));
    root_item_decode(&item, whole);
    if (roots->count == roots->room) {
        size_t room = roots->room ? roots->room * 2 : 32;
        struct found_root *list = realloc(roots->list, room * sizeof(*list));
        if (!list)
            return fail(-ENOMEM, "listing trees");
        roots->list = list;
        roots->room = room;
    }
    roots->list[roots->count++] =
        (struct found_root){*key, {item.bytenr, item.generation, key->objectid, item.level}};
    return 0;
}

static int dump_found(struct dumper *dumper, const struct found_roots *roots)
{
    char key[KEY_TEXT_MAX];

    for (size_t i = 0; i < roots->count; i++) {
        const struct found_root *root = &roots->list[i];
        say(dumper, "%s tree key %s \n", tree_title(root->key.objectid), key_text(&root->key, key));
        TRY(dump_from(dumper, &root->top, true));
    }
    return 0;
}

/* Trees named by a tree of roots; with wanted, that one alone. -ENOENT: it is not there. */
static int dump_roots(struct dumper *dumper, const struct block_ref *top, uint64_t wanted)
{
    struct found_roots roots = {.wanted = wanted};
    const struct leaf_walk walk = {keep_root, &roots};
    int ret = walk_tree(dumper, top, &walk);

    if (ret == 0 && wanted && roots.count == 0)
        ret = fail(-ENOENT, "no tree %llu", LLU(wanted));
    if (ret == 0)
        ret = dump_found(dumper, &roots);
    free(roots.list);
    return ret;
}

static int dump_titled(struct dumper *dumper, const char *title, const struct block_ref *top)
{
    say(dumper, "%s tree\n", title);
    return dump_from(dumper, top, true);
}

static int dump_trees(struct dumper *dumper, uint64_t wanted)
{
    const struct super *super = vol_super(dumper->vol);
    const struct block_ref root = {super->root, super->generation, TREE_ROOT, super->root_level};
    const struct block_ref chunk = {super->chunk_root, super->chunk_root_generation, TREE_CHUNK,
                                    super->chunk_root_level};
    const struct block_ref log = {super->log_root, 0, TREE_LOG, super->log_root_level};
    bool has_log = super->log_root != 0;

    if (!wanted || wanted == TREE_ROOT)
        TRY(dump_titled(dumper, "root", &root));
    if (!wanted || wanted == TREE_CHUNK)
        TRY(dump_titled(dumper, "chunk", &chunk));
    if (has_log && (!wanted || wanted == TREE_LOG)) {
        TRY(dump_titled(dumper, "log root", &log));
        if (wanted)
            TRY(dump_roots(dumper, &log, 0));
    }
    if (wanted == TREE_ROOT || wanted == TREE_CHUNK || (wanted == TREE_LOG && has_log))
        return 0;
    return dump_roots(dumper, &root, wanted);
}

/* ---- the call -------------------------------------------------------------------------------- */

static int load_chunks(struct dumper *dumper)
{
    const struct super *super = vol_super(dumper->vol);
    const struct block_ref top = {super->chunk_root, super->chunk_root_generation, TREE_CHUNK,
                                  super->chunk_root_level};
    const struct leaf_walk walk = {add_chunk, NULL};

    return walk_tree(dumper, &top, &walk);
}

static int dump_what(struct dumper *dumper, const struct copse_dump_tree_options *options)
{
    const struct super *super = vol_super(dumper->vol);
    const struct block_ref block = {options->block, 0, 0, -1};
    char uuid[UUID_TEXT_SIZE];
    int ret = load_chunks(dumper);

    /* What the system array maps can be looked at all the same. */
    if (ret < 0)
        say(dumper, "damaged: %s\n", fail_message());
    dumper->first_error = ret;
    say(dumper, "copse %s\n", COPSE_VERSION);
    if (options->block)
        TRY(dump_from(dumper, &block, options->follow));
    else
        TRY(dump_trees(dumper, options->tree));
    if (options->block)
        return dumper->first_error;
    say(dumper, "total bytes %llu\n", LLU(super->total_bytes));
    say(dumper, "bytes used %llu\n", LLU(super->bytes_used));
    say(dumper, "uuid %s\n", uuid_text(&super->fsid, uuid));
    return dumper->first_error;
}

static int dump(const char *const *devices, unsigned count,
                const struct copse_dump_tree_options *given, const struct copse_text_sink *sink)
{
    const struct vol_open_options vol_options = {.readonly = true};
    struct copse_dump_tree_options options;
    AUTO_FREE struct dev **devs = NULL;
    AUTO_FREE uint8_t *block = NULL;
    struct dumper dumper = {.sink = {sink->put, sink->arg}};
    int ret;

    API_REQUIRE(devices && count > 0);
    TRY(api_take_options(&options, sizeof(options), given));
    devs = calloc(count, sizeof(struct dev *));
    if (!devs)
        return fail(-ENOMEM, "opening %u devices", count);
    TRY(api_open_devices(devices, count, true, devs));
    TRY(vol_open(env_real(), devs, count, &vol_options, &dumper.vol));
    dumper.limits = vol_limits(dumper.vol);
    dumper.blocks_left = vol_super(dumper.vol)->total_bytes / dumper.limits->nodesize * 2;
    dumper.block = block = malloc(dumper.limits->nodesize);
    ret = block ? dump_what(&dumper, &options) : fail(-ENOMEM, "reading tree blocks");
    vol_close(dumper.vol);
    return ret;
}

COPSE_EXPORT int copse_dump_tree(const char *const *devices, unsigned count,
                                 const struct copse_dump_tree_options *options,
                                 const struct copse_text_sink *sink)
{
    return API_CALL(dump(devices, count, options, sink));
}
