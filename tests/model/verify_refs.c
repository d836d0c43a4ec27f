// SPDX-License-Identifier: GPL-2.0-or-later
/* Extent items and their references against those met on the walk. */
#include "tests/model/verify_internal.h"

/* ---- what the extent tree lists
 * -------------------------------------------------------------------------------------- */

static struct v_ref *add_listed(struct verify *v, uint64_t bytenr, uint8_t type, uint64_t root,
                                uint64_t count)
{
    struct v_ref *ref = ARRAY_ADD(&v->listed);

    *ref = (struct v_ref){.bytenr = bytenr, .type = type, .root = root, .count = count};
    return ref;
}

static void add_data_ref(struct verify *v, uint64_t bytenr, const void *data)
{
    struct extent_data_ref disk;
    struct v_ref *ref;

    extent_data_ref_decode(&disk, data);
    ref = add_listed(v, bytenr, KEY_EXTENT_DATA_REF, disk.root, disk.count);
    ref->objectid = disk.objectid;
    ref->offset = disk.offset;
}

/* One inline reference; its size, 0 when it is none. */
static uint32_t load_inline(struct verify *v, uint64_t bytenr, const uint8_t *data, uint32_t left)
{
    uint32_t size = extent_inline_ref_size(data[0]);
    struct shared_data_ref shared;
    n_u64 offset;

    if (size == 0 || size > left)
        return 0;
    u64_decode(&offset, (const disk_u64 *)(data + 1));
    switch (data[0]) {
    case KEY_EXTENT_DATA_REF:
        add_data_ref(v, bytenr, data + 1);
        break;
    case KEY_SHARED_DATA_REF:
        shared_data_ref_decode(&shared, data + sizeof(disk_extent_inline_ref));
        add_listed(v, bytenr, data[0], offset, shared.count);
        break;
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
        add_listed(v, bytenr, data[0], offset, 1);
        break;
    default:
        break;
    }
    return size;
}

static void load_extent(struct verify *v, const struct key *key, const uint8_t *data, uint32_t size)
{
    struct v_extent *extent = ARRAY_ADD(&v->extents);
    struct tree_block_info info;
    struct extent_item item;
    uint32_t at = sizeof(disk_extent_item);

    extent_item_decode(&item, data);
    *extent = (struct v_extent){
        .bytenr = key->objectid,
        .len = key->type == KEY_METADATA_ITEM ? v->super->nodesize : key->offset,
        .refs = item.refs,
        .flags = item.flags,
        .generation = item.generation,
        .level = key->type == KEY_METADATA_ITEM ? (uint8_t)key->offset : 0,
    };
    if (key->type == KEY_EXTENT_ITEM && (item.flags & EXTENT_FLAG_TREE_BLOCK)) {
        tree_block_info_decode(&info, data + at);
        extent->level = info.level;
        at += (uint32_t)sizeof(disk_tree_block_info);
    }
    while (at < size) {
        uint32_t used = load_inline(v, key->objectid, data + at, size - at);

        if (used == 0) {
            bad(v, "extent %llu: a reference of unknown type %u", LLU(key->objectid), data[at]);
            return;
        }
        at += used;
    }
}

static void load_item(struct verify *v, const struct key *key, const uint8_t *data, uint32_t size)
{
    struct shared_data_ref shared;

    switch (key->type) {
    case KEY_EXTENT_ITEM:
    case KEY_METADATA_ITEM:
        load_extent(v, key, data, size);
        break;
    case KEY_EXTENT_DATA_REF:
        add_data_ref(v, key->objectid, data);
        break;
    case KEY_SHARED_DATA_REF:
        shared_data_ref_decode(&shared, data);
        add_listed(v, key->objectid, key->type, key->offset, shared.count);
        break;
    case KEY_TREE_BLOCK_REF:
    case KEY_SHARED_BLOCK_REF:
        add_listed(v, key->objectid, key->type, key->offset, 1);
        break;
    default:
        break;
    }
}

void verify_refs_load(struct verify *v, struct root *extent_tree)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(extent_tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        load_item(v, &key, path_data(&path), path_size(&path));
    }
    if (ret < 0)
        bad(v, "extent tree: %s", fail_message());
}

const struct v_extent *extent_at(const struct verify *v, uint64_t bytenr)
{
    size_t low = 0, high = v->extents.count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (v->extents.v[mid].bytenr < bytenr)
            low = mid + 1;
        else
            high = mid;
    }
    return low < v->extents.count && v->extents.v[low].bytenr == bytenr ? &v->extents.v[low] : NULL;
}

/* ---- what the walk meets
 * -------------------------------------------------------------------------------------- */

static bool is_full(const struct verify *v, const struct node *node)
{
    const struct v_extent *extent = extent_at(v, node_bytenr(node));

    return extent && (extent->flags & BLOCK_FLAG_FULL_BACKREF);
}

void refs_meet_block(struct verify *v, uint64_t tree, const struct node *parent, uint64_t bytenr)
{
    struct v_ref *ref = ARRAY_ADD(&v->met);

    *ref = (struct v_ref){.bytenr = bytenr, .type = KEY_TREE_BLOCK_REF, .root = tree, .count = 1};
    if (!parent)
        return;
    ref->root = node_owner(parent);
    if (is_full(v, parent)) {
        ref->type = KEY_SHARED_BLOCK_REF;
        ref->root = node_bytenr(parent);
    }
}

void refs_meet_data(struct verify *v, const struct item_view *item, const struct file_extent *fe)
{
    struct v_ref *ref = ARRAY_ADD(&v->met);

    *ref = (struct v_ref){
        .bytenr = fe->disk_bytenr,
        .type = KEY_EXTENT_DATA_REF,
        .root = node_owner(item->leaf),
        .objectid = item->key.objectid,
        .offset = item->key.offset - fe->offset,
        .len = fe->disk_num_bytes,
        .count = 1,
    };
    if (is_full(v, item->leaf)) {
        ref->type = KEY_SHARED_DATA_REF;
        ref->root = node_bytenr(item->leaf);
        ref->objectid = ref->offset = 0;
    }
}

/* ---- holding one against the other
 * -------------------------------------------------------------------------------------- */

static int ref_order(const void *a, const void *b)
{
    const struct v_ref *x = a, *y = b;
    const uint64_t keys[][2] = {{x->bytenr, y->bytenr},
                                {x->type, y->type},
                                {x->root, y->root},
                                {x->objectid, y->objectid},
                                {x->offset, y->offset}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* Equal ones become one with the sum of their counts. */
static size_t merge(struct v_ref *refs, size_t count)
{
    size_t out = 0;

    qsort(refs, count, sizeof(*refs), ref_order);
    for (size_t i = 0; i < count; i++) {
        if (out > 0 && ref_order(&refs[out - 1], &refs[i]) == 0)
            refs[out - 1].count += refs[i].count;
        else
            refs[out++] = refs[i];
    }
    return out;
}

static void bad_ref(struct verify *v, const char *what, const struct v_ref *ref)
{
    bad(v, "extent %llu: %s: %s %llu inode %llu offset %lld, %llu times", LLU(ref->bytenr), what,
        key_type_name(ref->type), LLU(ref->root), LLU(ref->objectid), (long long)ref->offset,
        LLU(ref->count));
}

static void compare_refs(struct verify *v)
{
    size_t i = 0, j = 0;

    while (i < v->listed.count || j < v->met.count) {
        const struct v_ref *listed = i < v->listed.count ? &v->listed.v[i] : NULL;
        const struct v_ref *met = j < v->met.count ? &v->met.v[j] : NULL;
        int order = !listed ? 1 : !met ? -1 : ref_order(listed, met);

        if (order < 0)
            bad_ref(v, "listed, and not there", listed);
        else if (order > 0)
            bad_ref(v, "there, and not listed", met);
        else if (listed->count != met->count)
            bad_ref(v, "listed in another number than there", listed);
        i += order <= 0;
        j += order >= 0;
    }
}

static void check_extents(struct verify *v)
{
    size_t at = 0;
    uint64_t end = 0;

    for (size_t i = 0; i < v->extents.count; i++) {
        const struct v_extent *extent = &v->extents.v[i];
        uint64_t refs = 0;

        if (extent->bytenr < end)
            bad(v, "extent %llu overlaps the one before", LLU(extent->bytenr));
        end = extent->bytenr + extent->len;
        for (; at < v->met.count && v->met.v[at].bytenr <= extent->bytenr; at++) {
            const struct v_ref *met = &v->met.v[at];

            refs += met->bytenr == extent->bytenr ? met->count : 0;
            if (met->bytenr == extent->bytenr && met->len && met->len != extent->len)
                bad(v, "extent %llu: %llu bytes, a file says %llu", LLU(extent->bytenr),
                    LLU(extent->len), LLU(met->len));
        }
        if (refs != extent->refs)
            bad(v, "extent %llu: counts %llu references, %llu are there", LLU(extent->bytenr),
                LLU(extent->refs), LLU(refs));
    }
}

void refs_check(struct verify *v)
{
    v->listed.count = merge(v->listed.v, v->listed.count);
    v->met.count = merge(v->met.v, v->met.count);
    compare_refs(v);
    check_extents(v);
}
