// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking who refers to an extent: what the tree says, with what is pending applied. */
#include <stdlib.h>

#include "engine/extent/internal.h"

/* ---- how many ------------------------------------------------------------------------------- */

struct view view_running(struct extents *extents)
{
    return (struct view){&extents->engine->extent_tree, true};
}

static int count_refs(struct extents *extents, const struct view *view, const struct extent_id *id,
                      uint64_t *refs, uint64_t *flags)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct head *head = view->pending ? delayed_find(extents, id->bytenr) : NULL;
    struct record record = {0};
    int64_t sum;

    if (!head || !head->fresh) {
        int ret = item_find_in(extents, view->extent_tree, id, &path);

        TRY(ret);
        if (ret > 0)
            return fail(-ENOENT, "%s: no extent item", extent_text(id));
        TRY(item_load(&path, id, NULL, &record));
    }
    sum = (int64_t)record.item.refs + (head ? head->delta : 0);
    if (record.item.refs > INT64_MAX / 2 || sum < 0)
        return fail(-EUCLEAN, "%s: %llu references, %lld of them dropped", extent_text(id),
                    (unsigned long long)record.item.refs, head ? -(long long)head->delta : 0LL);
    if (sum == 0)
        return fail(-ENOENT, "%s: no references", extent_text(id));
    *refs = (uint64_t)sum;
    *flags = record.item.flags | (head ? head->set_flags : 0);
    return 0;
}

int block_refs_in(struct extents *extents, const struct view *view, uint64_t bytenr, uint8_t level,
                  uint64_t *refs, uint64_t *flags)
{
    struct extent_id id = tree_id(extents, bytenr, level);
    uint64_t all;

    TRY(count_refs(extents, view, &id, refs, &all));
    *flags = all & BLOCK_FLAG_FULL_BACKREF;
    return 0;
}

int extent_block_refs(struct extents *extents, uint64_t bytenr, uint8_t level, uint64_t *refs,
                      uint64_t *flags)
{
    struct view view = view_running(extents);

    return block_refs_in(extents, &view, bytenr, level, refs, flags);
}

int extent_data_refs(struct extents *extents, uint64_t bytenr, uint64_t num_bytes, uint64_t *refs)
{
    struct extent_id id = data_id(bytenr, num_bytes);
    struct view view = view_running(extents);
    uint64_t flags;

    return count_refs(extents, &view, &id, refs, &flags);
}

int extent_set_full_backref(struct extents *extents, uint64_t bytenr, uint8_t level)
{
    struct extent_id id = tree_id(extents, bytenr, level);
    struct head *head;

    TRY(delayed_head(extents, &id, false, &head));
    head->set_flags |= BLOCK_FLAG_FULL_BACKREF;
    return 0;
}

/* ---- who ------------------------------------------------------------------------------------ */

void ref_list_clear(struct ref_list *list)
{
    free(list->refs);
}

static int ref_list_add(struct ref_list *list, const struct extent_ref *ref, int64_t by)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        void *grown = realloc(list->refs, capacity * sizeof(*list->refs));

        if (!grown)
            return fail(-ENOMEM, "references of an extent: out of memory");
        list->refs = grown;
        list->capacity = capacity;
    }
    list->refs[list->count++] =
        (struct pending_ref){.ref = *ref, .order = ref_order(ref), .by = by};
    return 0;
}

static int list_inline(const struct record *record, struct ref_list *list)
{
    uint32_t pos = record->refs_at;
    struct extent_ref ref;
    int ret;

    while ((ret = inline_next(record, &pos, &ref)) == 0) {
        if (ref.type == KEY_EXTENT_OWNER_REF)
            list->owner = ref.root;
        else
            TRY(ref_list_add(list, &ref, ref.count));
    }
    return ret < 0 ? ret : 0;
}

/* The items behind the extent item. 1: more than the list may have. */
static int list_keyed(struct path *path, uint64_t bytenr, size_t max, struct ref_list *list)
{
    int ret;

    while ((ret = path_next(path)) == 0) {
        struct extent_ref ref;
        struct key key;

        path_key(path, &key);
        if (key.objectid != bytenr)
            break;
        if (!keyed_is_ref(&key, bytenr))
            continue;
        if (list->count >= max)
            return 1;
        TRY(keyed_look(path, &ref));
        TRY(ref_list_add(list, &ref, ref.count));
    }
    return ret < 0 ? ret : 0;
}

static int list_tree(struct extents *extents, struct root *extent_tree, const struct extent_id *id,
                     size_t max, struct ref_list *list)
{
    AUTO_PATH struct path path = PATH_INIT;
    AUTO_FREE uint8_t *bytes = malloc(extents->engine->nodesize);
    struct record record;
    int ret = item_find_in(extents, extent_tree, id, &path);

    TRY(ret);
    if (ret > 0)
        return fail(-ENOENT, "%s: no extent item", extent_text(id));
    if (!bytes)
        return fail(-ENOMEM, "%s: out of memory", extent_text(id));
    TRY(item_load(&path, id, bytes, &record));
    list->generation = record.item.generation;
    list->flags = record.item.flags;
    TRY(list_inline(&record, list));
    return list_keyed(&path, id->bytenr, max, list);
}

int ref_list_fill(struct extents *extents, const struct view *view, const struct extent_id *id,
                  size_t max, struct ref_list *list)
{
    struct head *head = view->pending ? delayed_find(extents, id->bytenr) : NULL;
    int ret = 0;

    if (!head || !head->fresh)
        ret = list_tree(extents, view->extent_tree, id, max, list);
    if (ret != 0 || !head)
        return ret;
    for (struct pending_ref *p = pending_first(head); p; p = pending_next(p)) {
        if (list->count >= max)
            return 1;
        TRY(ref_list_add(list, &p->ref, p->by));
    }
    return 0;
}

static int list_cmp(const void *a, const void *b)
{
    return pending_ref_cmp(a, b);
}

int ref_list_merge(struct ref_list *list, const struct extent_id *id)
{
    size_t out = 0;
    size_t next;

    if (list->count > 0)
        qsort(list->refs, list->count, sizeof(*list->refs), list_cmp);
    for (size_t i = 0; i < list->count; i = next) {
        struct pending_ref merged = list->refs[i];

        merged.by = 0;
        for (next = i; next < list->count && ref_same(&merged.ref, &list->refs[next].ref); next++)
            merged.by += list->refs[next].by;
        if (merged.by < 0 || merged.by > UINT32_MAX)
            return fail(-EUCLEAN, "%s: %lld references of %s", extent_text(id),
                        (long long)merged.by, ref_text(&merged.ref));
        merged.ref.count = (uint32_t)merged.by;
        if (merged.by > 0)
            list->refs[out++] = merged;
    }
    list->count = out;
    return 0;
}

int extent_each_ref(struct extents *extents, uint64_t bytenr, uint64_t num_bytes, uint8_t level,
                    int (*fn)(void *arg, const struct extent_ref *ref), void *arg)
{
    struct extent_id id = num_bytes ? data_id(bytenr, num_bytes) : tree_id(extents, bytenr, level);
    CLEANUP(ref_list_clear) struct ref_list list = {0};
    struct view view = view_running(extents);

    TRY(ref_list_fill(extents, &view, &id, SIZE_MAX, &list));
    TRY(ref_list_merge(&list, &id));
    for (size_t i = 0; i < list.count; i++) {
        int ret = fn(arg, &list.refs[i].ref);

        if (ret != 0)
            return ret;
    }
    return 0;
}

/* ---- in one extent tree, without what is pending ----------------------------------------------
 */

static int each_inline(const struct record *record, extent_ref_fn *fn, void *arg)
{
    uint32_t pos = record->refs_at;
    struct extent_ref ref;
    int ret;

    while ((ret = inline_next(record, &pos, &ref)) == 0) {
        ret = ref.type == KEY_EXTENT_OWNER_REF ? 0 : fn(arg, &ref);
        if (ret != 0)
            return ret;
    }
    return ret < 0 ? ret : 0;
}

static int each_keyed(struct path *path, uint64_t bytenr, extent_ref_fn *fn, void *arg)
{
    int ret;

    while ((ret = path_next(path)) == 0) {
        struct extent_ref ref;
        struct key key;

        path_key(path, &key);
        if (key.objectid != bytenr || key.type >= KEY_BLOCK_GROUP_ITEM)
            break;
        if (!keyed_is_ref(&key, bytenr))
            continue;
        TRY(keyed_look(path, &ref));
        ret = fn(arg, &ref);
        if (ret != 0)
            return ret;
    }
    return ret < 0 ? ret : 0;
}

int extent_each_ref_in(struct extents *extents, struct root *tree, uint64_t bytenr,
                       uint64_t num_bytes, uint8_t level, uint64_t *generation, extent_ref_fn *fn,
                       void *arg)
{
    struct extent_id id = num_bytes ? data_id(bytenr, num_bytes) : tree_id(extents, bytenr, level);
    AUTO_PATH struct path path = PATH_INIT;
    struct record record;
    int ret = item_find_in(extents, tree, &id, &path);

    if (ret != 0)
        return ret < 0 ? ret : -ENOENT;
    TRY(item_load(&path, &id, NULL, &record));
    /* Only looked at: the path keeps the leaf. */
    record.bytes = (uint8_t *)path_data(&path);
    *generation = record.item.generation;
    ret = each_inline(&record, fn, arg);
    return ret != 0 ? ret : each_keyed(&path, bytenr, fn, arg);
}
