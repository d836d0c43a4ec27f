// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "ops/check/check.h"
#include "walk.h"

#define TRIES_MAX 10

/* ---- choosing ----------------------------------------------------------------------------------
 */

static const struct image_block *pick_block(const struct image *image, struct choices *choices)
{
    return &image->blocks[choose(choices, image->block_count)];
}

/* Numbers at which things go wrong. */
static uint64_t odd_number(const struct image *image, struct choices *choices, uint64_t old)
{
    static const uint64_t numbers[] = {
        0,
        1,
        2,
        5,
        255,
        256,
        257,
        4095,
        4096,
        4097,
        65535,
        65536,
        131072,
        131073,
        1048576,
        1ULL << 31,
        UINT32_MAX,
        1ULL << 32,
        1ULL << 62,
        INT64_MAX,
        1ULL << 63,
        UINT64_MAX - 4095,
        UINT64_MAX - 255,
        UINT64_MAX,
    };

    switch (choose(choices, 7)) {
    case 0:
        return numbers[choose(choices, ARRAY_LEN(numbers))];
    case 1:
        return old + 1 + choose(choices, 4);
    case 2:
        return old - 1 - choose(choices, 4);
    case 3:
        return old ^ (1ULL << choose(choices, 64));
    case 4:
        return old + image->sectorsize * (1 + choose(choices, 16));
    case 5:
        return old - image->sectorsize * (1 + choose(choices, 16));
    default:
        return pick_block(image, choices)->bytenr;
    }
}

static uint64_t get_number(const uint8_t *at, size_t len)
{
    le64 v = le64_of(0);

    memcpy(&v, at, len);
    return le64_get(v);
}

/* Makes a number of 1, 2, 4 or 8 bytes somewhere in [at, at + len) an odd one. */
static void spoil_bytes(const struct image *image, struct choices *choices, uint8_t *at, size_t len)
{
    size_t width = (size_t)1 << choose(choices, 4);

    if (len == 0)
        return;
    while (width > len)
        width /= 2;
    size_t pos = choose(choices, len - width + 1);
    le64 value = le64_of(odd_number(image, choices, get_number(at + pos, width)));
    memcpy(at + pos, &value, width);
}

/* ---- items -------------------------------------------------------------------------------------
 */

static void spoil_key(const struct image *image, struct choices *choices, struct key *key)
{
    switch (choose(choices, 4)) {
    case 0:
        key->objectid = odd_number(image, choices, key->objectid);
        break;
    case 1:
        key->type = (uint8_t)odd_number(image, choices, key->type);
        break;
    default:
        key->offset = odd_number(image, choices, key->offset);
        break;
    }
}

static void resize_item(struct leaf *leaf, uint32_t slot, uint32_t size)
{
    uint8_t *data = calloc(1, MAX(size, 1u));

    memcpy(data, leaf->items[slot].data, MIN(size, leaf->items[slot].size));
    free(leaf->items[slot].data);
    leaf->items[slot].data = data;
    leaf->items[slot].size = size;
}

static void remove_items(struct leaf *leaf, uint32_t slot, uint32_t count)
{
    count = MIN(count, leaf->count - slot);
    for (uint32_t i = slot; i < slot + count; i++)
        free(leaf->items[i].data);
    leaf->count -= count;
    memmove(&leaf->items[slot], &leaf->items[slot + count],
            (leaf->count - slot) * sizeof(leaf->items[0]));
}

static void duplicate_item(const struct image *image, struct choices *choices, struct leaf *leaf,
                           uint32_t slot)
{
    uint32_t size = leaf->items[slot].size;

    if (leaf->count == ARRAY_LEN(leaf->items))
        return;
    memmove(&leaf->items[slot + 1], &leaf->items[slot],
            (leaf->count - slot) * sizeof(leaf->items[0]));
    leaf->count++;
    leaf->items[slot + 1].data = malloc(MAX(size, 1u));
    memcpy(leaf->items[slot + 1].data, leaf->items[slot].data, size);
    spoil_key(image, choices, &leaf->items[slot + 1].key);
}

static void spoil_leaf(const struct image *image, struct choices *choices, uint8_t *block)
{
    struct leaf *leaf = leaf_take_apart(image, block);
    uint32_t slot, other;

    if (leaf->count > 0) {
        slot = (uint32_t)choose(choices, leaf->count);
        other = (uint32_t)choose(choices, leaf->count);
        switch (choose(choices, 8)) {
        case 0:
            spoil_key(image, choices, &leaf->items[slot].key);
            break;
        case 1:
            resize_item(leaf, slot, (uint32_t)choose(choices, 2 * leaf->items[slot].size + 2));
            break;
        case 2:
            remove_items(leaf, slot, 1 + (uint32_t)choose(choices, 3));
            break;
        case 3:
            duplicate_item(image, choices, leaf, slot);
            break;
        case 4: /* one item's data in the place of another, of the same type if there is one */
            for (uint32_t i = 0; i < leaf->count; i++) {
                if (leaf->items[other].key.type == leaf->items[slot].key.type && other != slot)
                    break;
                other = (other + 1) % leaf->count;
            }
            resize_item(leaf, slot, leaf->items[other].size);
            memcpy(leaf->items[slot].data, leaf->items[other].data, leaf->items[other].size);
            break;
        default:
            spoil_bytes(image, choices, leaf->items[slot].data, leaf->items[slot].size);
            break;
        }
        leaf_put_together(image, leaf, block);
    }
    leaf_free(leaf);
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

static void spoil_pointer(const struct image *image, struct choices *choices, uint8_t *block)
{
    const struct image_block *target = pick_block(image, choices);
    uint8_t other[NODE_SIZE_MAX];
    struct node_header header;
    struct key_ptr ptr;

    node_header_decode(&header, block);
    if (header.level == 0 || header.nritems == 0)
        return;
    uint32_t slot = (uint32_t)choose(choices, MIN(header.nritems, node_capacity(image->nodesize)));
    uint8_t *at = block + NODE_HEADER_SIZE + slot * KEY_PTR_SIZE;
    key_ptr_decode(&ptr, at);
    if (choose(choices, 3) == 0) {
        spoil_bytes(image, choices, at, KEY_PTR_SIZE);
        return;
    }
    /* Another block that is what the pointer says, or nearly. */
    image_block_read(image, target->bytenr, other);
    ptr.blockptr = target->bytenr;
    node_header_decode(&header, other);
    ptr.generation = header.generation;
    if (choose(choices, 2))
        key_decode(&ptr.key, (const disk_key *)(other + NODE_HEADER_SIZE));
    key_ptr_encode(at, &ptr);
}

/* The block's own header over the contents of another. */
static void swap_contents(const struct image *image, struct choices *choices, uint8_t *block)
{
    uint8_t other[NODE_SIZE_MAX];
    struct node_header mine, theirs;

    image_block_read(image, pick_block(image, choices)->bytenr, other);
    node_header_decode(&mine, block);
    node_header_decode(&theirs, other);
    if (choose(choices, 2)) {
        theirs.bytenr = mine.bytenr;
        theirs.generation = mine.generation;
        mine = theirs;
    } else {
        mine.nritems = theirs.nritems;
    }
    memcpy(block, other, image->nodesize);
    node_header_encode(block, &mine);
}

static void spoil_copy(const struct image *image, const struct image_block *picked,
                       struct choices *choices, uint8_t *block)
{
    switch (choose(choices, 12)) {
    case 0:
        spoil_bytes(image, choices, block + CSUM_FIELD_SIZE, NODE_HEADER_SIZE - CSUM_FIELD_SIZE);
        break;
    case 1: /* item headers and key pointers */
        spoil_bytes(image, choices, block + NODE_HEADER_SIZE, 16 * LEAF_ITEM_SIZE);
        break;
    case 2:
        spoil_bytes(image, choices, block + CSUM_FIELD_SIZE, image->nodesize - CSUM_FIELD_SIZE);
        break;
    case 3:
        swap_contents(image, choices, block);
        break;
    default:
        if (picked->level == 0)
            spoil_leaf(image, choices, block);
        else
            spoil_pointer(image, choices, block);
        break;
    }
}

/*
 * What the checks of single blocks find is found soon; damage that passes them goes deeper, so
 * mostly another try is made until it does.
 */
static void spoil_block(struct image *image, struct choices *choices)
{
    const struct image_block *picked = pick_block(image, choices);
    unsigned tries = choose(choices, 4) ? TRIES_MAX : 1;
    uint8_t block[NODE_SIZE_MAX];

    do {
        image_block_read(image, picked->bytenr, block);
        spoil_copy(image, picked, choices, block);
    } while (--tries > 0 && node_validate_inside(block, &image->limits) < 0);
    image_block_write(image, picked->bytenr, block);
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

/* A copy of the superblock, or all of them in the same way. */
static void spoil_super(struct image *image, struct choices *choices)
{
    uint8_t bytes[SUPER_SIZE];
    unsigned copy = (unsigned)choose(choices, 3);
    size_t from = choose(choices, 2) ? 0 : offsetof(disk_super, sys_chunk_array);
    size_t len = from == 0 ? offsetof(disk_super, dev_item) : 256;

    if (!image_super_read(image, copy > 1 ? 0 : copy, bytes))
        return;
    if (choose(choices, 4) == 0)
        from = 0, len = SUPER_SIZE;
    from = MAX(from, (size_t)CSUM_FIELD_SIZE);
    spoil_bytes(image, choices, bytes + from, MIN(len, SUPER_SIZE - from));
    image_super_write(image, copy > 1 ? 0 : copy, bytes);
    if (copy > 1)
        image_super_edit(image, from, bytes + from, offsetof(disk_super, magic) > from ? 0 : len);
}

/* Bytes that no checksum is made right for: of a block in one copy, of file data, of anything. */
static void spoil_raw(struct image *image, struct choices *choices)
{
    uint64_t at, logical = pick_block(image, choices)->bytenr;
    uint8_t bytes[512];

    switch (choose(choices, 4)) {
    case 0:
        if (!image_place(image, logical, (unsigned)choose(choices, 2), &at))
            return;
        break;
    case 1:
        at = super_offset((unsigned)choose(choices, 2));
        break;
    default: {
        const struct chunk_map *chunk = &image->chunks[choose(choices, image->chunk_count)];
        at = chunk->stripes[0].offset +
             round_down_to(choose(choices, MIN(chunk->length, 2 * MIB)), 4096);
        break;
    }
    }
    if (at + sizeof(bytes) > image->disk->size)
        return;
    image_read_raw(image, at, bytes, sizeof(bytes));
    if (choose(choices, 2))
        memset(bytes, 0, sizeof(bytes));
    else
        spoil_bytes(image, choices, bytes, sizeof(bytes));
    image_write_raw(image, at, bytes, sizeof(bytes));
}

void mutate(struct image *image, struct choices *choices)
{
    switch (choose(choices, 20)) {
    case 0:
        spoil_super(image, choices);
        break;
    case 1:
        spoil_raw(image, choices);
        break;
    case 2:
        if (choose(choices, 8) == 0)
            image->size = choose(choices, image->disk->size + 1);
        break;
    default:
        spoil_block(image, choices);
        break;
    }
}

/* ---- the experiment ----------------------------------------------------------------------------
 */

static void broken(const char *what, const char *detail)
{
    fprintf(stderr, "%s: ", what);
    for (; *detail; detail++)
        fprintf(stderr, isprint((unsigned char)*detail) ? "%c" : "\\x%02x", (unsigned char)*detail);
    fprintf(stderr, "\n");
    abort();
}

/* Opens and looks; what the device was asked to write is counted. */
static void look(struct env *env, const struct image *image, uint32_t seed)
{
    const struct copse_open_options options = {
        .size = sizeof(options), .readonly = true, .cache_bytes = 4 * MIB};
    struct dev *record = dev_record_new(image_dev(image));
    struct dev *dev = dev_borrow(record);
    struct walk walk;
    struct mount *m;
    char message[FAIL_MESSAGE_MAX];

    fail_clear();
    int ret = mount_open(env, &dev, 1, &options, &m);
    if (ret < 0) {
        snprintf(message, sizeof(message), "%d: %s", ret, fail_message());
        /* -EINVAL: no btrfs; -ENODEV: a device that it speaks of. */
        if (!error_is_fit(ret) && !((ret == -EINVAL || ret == -ENODEV) && fail_message()[0]))
            broken("an open that fails says what and where", message);
    } else {
        walk_quickly(m, seed, &walk);
        if (walk.bad_error[0])
            broken("an error says what and where", walk.bad_error);
        walk_free(&walk);
        ret = mount_close(m);
        if (ret < 0)
            broken("closing what is read-only", fail_message());
    }
    if (dev_record_count(record) != 0)
        broken("a read-only open changes no byte", "it did");
    dev_close(record);
}

static void hold_to_one_line(void *arg, const struct copse_check_problem *problem)
{
    (void)arg;
    if (!problem->text[0] || strchr(problem->text, '\n') || !problem->means[0])
        broken("a problem is one line and means something", problem->text);
}

/* Whatever is there, checking it ends, and changes no byte. */
static void check(struct env *env, const struct image *image)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct dev *record = dev_record_new(image_dev(image));
    struct copse_check_result result;

    options.memory = 1; /* as little as it can do with */
    options.data_csum = true;
    options.problem = hold_to_one_line;
    int ret = check_run(env, dev_borrow(record), &options, &result);
    if (ret < 0 && !fail_message()[0])
        broken("a check that cannot begin says why", "it did not");
    if (dev_record_count(record) != 0)
        broken("a check changes no byte", "it did");
    dev_close(record);
}

void damage_and_use(const struct image *base, struct choices *choices, unsigned damages,
                    unsigned changes)
{
    uint32_t seed = (uint32_t)choose(choices, UINT16_MAX);
    struct env *env = env_seeded_new(seed);
    struct image image;
    struct mount *m;

    image_clone(base, &image);
    for (unsigned i = 0; i < damages; i++)
        mutate(&image, choices);
    look(env, &image, seed);
    check(env, &image);
    fail_clear();
    if (base_open(env, &image, false, &m) == 0) {
        exercise(m, choices, changes);
        (void)!mount_sync(m);
        struct walk walk;
        walk_quickly(m, seed, &walk);
        walk_free(&walk);
        (void)!mount_close(m);
        look(env, &image, seed);
    }
    image_free(&image);
    env_seeded_free(env);
}
