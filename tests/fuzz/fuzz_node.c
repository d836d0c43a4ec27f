// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tree blocks and superblocks made of anything: checked, then printed. The first byte picks what
 * they are held against and how the rest is used: as a superblock, as the bytes of a block, or as
 * a list of items put into a leaf in good order, so that the checks of single items are reached.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

static const uint64_t owners[] = {TREE_FS, TREE_EXTENT, TREE_ROOT, TREE_LOG};
static size_t printed;
static bool damaged;

static void count(void *arg, const char *text, size_t len)
{
    (void)arg;
    printed += len;
    /* Names from the device are put byte by byte, so this is ours. */
    if (len > 8 && memmem(text, len, "damaged:", 8))
        damaged = true;
}

static const struct text_sink sink = {count, NULL};

static struct format_limits limits_of(uint8_t first)
{
    return (struct format_limits){
        .nodesize = first & 1 ? 16384 : 4096,
        .sectorsize = 4096,
        .csum_size = first & 2 ? 32 : 4,
        .incompat =
            first & 4 ? INCOMPAT_SKINNY_METADATA | INCOMPAT_SIMPLE_QUOTA : INCOMPAT_MIXED_GROUPS,
    };
}

/* Each item: key, size in a byte, data. What does not fit is left out. */
static void leaf_of(const uint8_t *input, size_t len, uint8_t *block,
                    const struct format_limits *limits)
{
    uint32_t end = leaf_capacity(limits->nodesize), at = 0;
    struct node_header *header = &(struct node_header){.flags = HEADER_FLAG_WRITTEN,
                                                       .owner = owners[len % ARRAY_LEN(owners)]};

    while (len >= sizeof(disk_key) + 1) {
        struct leaf_item item;
        size_t size = input[sizeof(disk_key)];

        key_decode(&item.key, (const disk_key *)input);
        input += sizeof(disk_key) + 1;
        len -= sizeof(disk_key) + 1;
        size = MIN(size, len);
        if (at + LEAF_ITEM_SIZE + size > end)
            break;
        end -= (uint32_t)size;
        item.offset = end;
        item.size = (uint32_t)size;
        leaf_item_encode(block + NODE_HEADER_SIZE + at, &item);
        memcpy(block + NODE_HEADER_SIZE + end, input, size);
        at += (uint32_t)LEAF_ITEM_SIZE;
        header->nritems++;
        input += size;
        len -= size;
    }
    node_header_encode(block, header);
}

static void check_block(uint8_t first, const uint8_t *input, size_t len)
{
    struct format_limits limits = limits_of(first);
    AUTO_FREE uint8_t *block = calloc(1, limits.nodesize);

    if (!block)
        return;
    if (first & 8)
        leaf_of(input, len, block, &limits);
    else
        memcpy(block, input, MIN(len, (size_t)limits.nodesize));
    fail_clear();
    int ret = node_validate_inside(block, &limits);
    INVARIANT(ret == 0 || ret == -EUCLEAN, "refusals are -EUCLEAN");
    INVARIANT((ret == 0) == (fail_message()[0] == '\0'), "refusals say why");
    printed = 0;
    damaged = false;
    print_node(block, &limits, &sink);
    INVARIANT(printed > 0, "something is printed");
    INVARIANT(ret != 0 || !damaged, "what is valid is not called damaged");
}

static void check_super(const uint8_t *input, size_t len)
{
    AUTO_FREE uint8_t *bytes = calloc(1, SUPER_SIZE);
    AUTO_FREE struct super *super = malloc(sizeof(*super));
    bool readonly;

    if (!bytes || !super)
        return;
    memcpy(bytes, input, MIN(len, (size_t)SUPER_SIZE));
    int ret = super_validate(bytes, SUPER_OFFSET);
    INVARIANT(ret <= 0, "0 or an error");
    super_decode(super, bytes);
    ret = features_check(super->incompat_flags, super->compat_ro_flags, &readonly);
    INVARIANT(ret == 0 || ret == -EOPNOTSUPP, "refusals are -EOPNOTSUPP");
    print_super(super, true, &sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    if (len < 1)
        return 0;
    if (input[0] & 16)
        check_super(input + 1, len - 1);
    else
        check_block(input[0], input + 1, len - 1);
    return 0;
}
