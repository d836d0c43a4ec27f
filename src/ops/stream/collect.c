// SPDX-License-Identifier: GPL-2.0-or-later
/* Which names differ: from the back references of the inodes that differ. */
#define HASH_NONFATAL_OOM 1
#include "ops/stream/names.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "engine/tree/diff.h"

/* ---- tables ---------------------------------------------------------------------------------- */

int place_new(const struct identity *dir, const char *name, size_t len, struct place **out)
{
    struct place *place = calloc(1, sizeof(*place) + len + 1);

    if (!place)
        return fail(-ENOMEM, "no memory for names");
    place->dir = *dir;
    place->len = (uint16_t)len;
    memcpy(place->name, name, len);
    *out = place;
    return 0;
}

struct object *object_find(struct names_diff *diff, const struct identity *id)
{
    struct object *object;

    HASH_FIND(hh, diff->objects, id, sizeof(*id), object);
    return object;
}

static int object_get(struct names_diff *diff, const struct identity *id, bool is_dir,
                      struct object **out)
{
    struct object *object = object_find(diff, id);

    if (!object) {
        object = calloc(1, sizeof(*object));
        if (!object)
            return fail(-ENOMEM, "no memory for names");
        object->id = *id;
        object->is_dir = is_dir;
        HASH_ADD(hh, diff->objects, id, sizeof(*id), object);
        if (!HASH_ADDED(object)) {
            free(object);
            return fail(-ENOMEM, "no memory for names");
        }
    }
    *out = object;
    return 0;
}

static size_t place_key_len(const struct place *place)
{
    return offsetof(struct place, name) + place->len;
}

struct slot *slot_find(struct names_diff *diff, const struct place *place)
{
    struct slot *slot;

    HASH_FIND(hh, diff->slots, place, place_key_len(place), slot);
    return slot;
}

int slot_add(struct names_diff *diff, const struct place *place, struct object *object,
             struct task *task)
{
    size_t len = place_key_len(place);
    struct slot *slot = calloc(1, sizeof(*slot) + place->len + 1);

    if (!slot)
        return fail(-ENOMEM, "no memory for names");
    slot->object = object;
    slot->task = task;
    memcpy(&slot->place, place, len);
    HASH_ADD(hh, diff->slots, place, (unsigned)len, slot);
    if (!HASH_ADDED(slot)) {
        free(slot);
        return fail(-ENOMEM, "no memory for names");
    }
    return 0;
}

void slot_drop(struct names_diff *diff, const struct place *place)
{
    struct slot *slot = slot_find(diff, place);

    if (!slot)
        return;
    HASH_DEL(diff->slots, slot);
    free(slot);
}

static void free_places(struct place **places, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(places[i]);
    free(places);
}

void names_free_all(struct names_diff *diff)
{
    struct object *object, *next_object;
    struct slot *slot, *next_slot;

    HASH_ITER (hh, diff->slots, slot, next_slot) {
        HASH_DEL(diff->slots, slot);
        free(slot);
    }
    HASH_ITER (hh, diff->objects, object, next_object) {
        HASH_DEL(diff->objects, object);
        free_places(object->gone, object->gone_count);
        free_places(object->come, object->come_count);
        for (unsigned i = 0; i < object->task_count; i++) {
            free(object->tasks[i].from);
            free(object->tasks[i].to);
        }
        free(object->tasks);
        free(object->at);
        free(object);
    }
}

/* ---- names of one inode ---------------------------------------------------------------------- */

int identity_of(struct side *side, uint64_t ino, struct identity *out)
{
    struct inode_item item;

    *out = (struct identity){.ino = ino};
    if (ino == INO_SUBVOL_ROOT)
        return 0;
    TRY(side_inode(side, ino, &item));
    out->generation = item.generation;
    return 0;
}

struct places {
    struct side *side;
    struct place **list;
    unsigned count;
};

static int add_place(struct places *places, struct place *place)
{
    struct place **list = realloc(places->list, (places->count + 1) * sizeof(*list));

    if (!list)
        return fail(-ENOMEM, "no memory for names");
    places->list = list;
    list[places->count++] = place;
    return 0;
}

static int keep_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    struct places *places = arg;
    struct identity dir;
    struct place *place;

    (void)index;
    int ret = identity_of(places->side, parent, &dir);
    if (ret == -ENOENT)
        return fail(-EUCLEAN, "tree %llu: directory %llu is not there",
                    (unsigned long long)places->side->tree->root.id, (unsigned long long)parent);
    TRY(ret);
    TRY(place_new(&dir, name, len, &place));
    ret = add_place(places, place);
    if (ret < 0)
        free(place);
    return ret;
}

static bool same_place(const struct place *a, const struct place *b)
{
    return a->len == b->len && a->dir.ino == b->dir.ino && a->dir.generation == b->dir.generation &&
           memcmp(a->name, b->name, a->len) == 0;
}

static bool has_place(const struct places *places, const struct place *place)
{
    for (unsigned i = 0; i < places->count; i++)
        if (same_place(places->list[i], place))
            return true;
    return false;
}

/* Leaves in `places` what `others` has not. */
static void subtract(struct places *places, const struct places *others)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < places->count; i++) {
        if (has_place(others, places->list[i]))
            free(places->list[i]);
        else
            places->list[kept++] = places->list[i];
    }
    places->count = kept;
}

/* Whether the inode is there, who it is, and its names. */
static int look_at(struct side *side, uint64_t ino, struct identity *id, struct inode_item *item,
                   struct places *places)
{
    int ret = side_inode(side, ino, item);

    if (ret == -ENOENT)
        return 1;
    TRY(ret);
    *id = (struct identity){ino, ino == INO_SUBVOL_ROOT ? 0 : item->generation};
    places->side = side;
    return inode_each_name(side->tree, ino, keep_name, places);
}

static int record(struct names_diff *diff, const struct identity *id, bool is_dir, bool in_old,
                  bool in_new, struct places *gone, struct places *come)
{
    struct object *object;

    if (gone->count == 0 && come->count == 0)
        return 0;
    object = object_find(diff, id);
    if (object && (object->gone || object->come))
        return 0; /* seen before */
    TRY(object_get(diff, id, is_dir, &object));
    object->in_old = object->exists = in_old;
    object->in_new = in_new;
    object->gone = STEAL(gone->list);
    object->come = STEAL(come->list);
    object->gone_count = gone->count;
    object->come_count = come->count;
    gone->count = come->count = 0;
    return 0;
}

/* *again: the number stands for another object now. */
static int collect_inode(struct names_diff *diff, uint64_t ino, bool *again)
{
    struct places gone = {0}, come = {0}, none = {0};
    struct inode_item old_item, new_item;
    struct identity old_id, new_id;

    *again = false;
    int in_old = look_at(diff->send->old_side, ino, &old_id, &old_item, &gone);
    int in_new =
        in_old < 0 ? in_old : look_at(&diff->send->new_side, ino, &new_id, &new_item, &come);
    int ret = in_new < 0 ? in_new : 0;
    if (ret == 0 && in_old == 0 && in_new == 0 && old_id.generation == new_id.generation) {
        struct places rest = come;

        /* Both against the whole of the other. */
        rest.list = NULL;
        rest.count = 0;
        for (unsigned i = 0; ret == 0 && i < come.count; i++)
            if (!has_place(&gone, come.list[i]))
                ret = add_place(&rest, come.list[i]);
        if (ret == 0)
            subtract(&gone, &come);
        for (unsigned i = 0; i < come.count; i++)
            if (!has_place(&rest, come.list[i]))
                free(come.list[i]);
        free(come.list);
        come = rest;
        if (ret == 0)
            ret = record(diff, &old_id, (old_item.mode & 0170000) == 0040000, true, true, &gone,
                         &come);
    } else if (ret == 0) {
        *again = in_old == 0 && in_new == 0;
        if (in_old == 0)
            ret = record(diff, &old_id, (old_item.mode & 0170000) == 0040000, true, false, &gone,
                         &none);
        if (ret == 0 && in_new == 0)
            ret = record(diff, &new_id, (new_item.mode & 0170000) == 0040000, false, true, &none,
                         &come);
    }
    free_places(gone.list, gone.count);
    free_places(come.list, come.count);
    return ret;
}

/* ---- all inodes ------------------------------------------------------------------------------ */

struct numbers {
    uint64_t *list;
    size_t count;
};

static int add_number(void *arg, uint64_t ino)
{
    struct numbers *numbers = arg;
    uint64_t *list = realloc(numbers->list, (numbers->count + 1) * sizeof(*list));

    if (!list)
        return fail(-ENOMEM, "no memory for names");
    numbers->list = list;
    list[numbers->count++] = ino;
    return 0;
}

/* What is in a directory whose number was used again: its names changed with it. */
static int add_children(struct side *side, uint64_t dir, struct numbers *numbers)
{
    struct key key = key_make(dir, KEY_DIR_INDEX, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&side->tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct dir_item head;

        path_key(&path, &key);
        if (key.objectid != dir || key.type != KEY_DIR_INDEX)
            return 0;
        if (path_size(&path) < sizeof(disk_dir_item))
            return fail(-EUCLEAN, "%s: an entry is cut short", path_where(&path));
        dir_item_decode(&head, path_data(&path));
        if (head.location.type == KEY_INODE_ITEM)
            TRY(add_number(numbers, head.location.objectid));
    }
    return ret < 0 ? ret : 0;
}

static int collect_one(struct names_diff *diff, uint64_t ino, struct numbers *more)
{
    bool again;

    TRY(collect_inode(diff, ino, &again));
    if (!again)
        return 0;
    TRY(add_children(diff->send->old_side, ino, more));
    return add_children(&diff->send->new_side, ino, more);
}

static bool is_about_names(const struct key *key)
{
    return key->objectid >= INO_SUBVOL_ROOT && key->objectid <= OBJ_LAST_FREE &&
           (key->type == KEY_INODE_REF || key->type == KEY_INODE_EXTREF);
}

/* An inode item that came, went, or is another object's: all of its names may differ. */
static int is_another(struct names_diff *diff, const struct diff_item *item, bool *another)
{
    struct inode_item old, new;

    *another = false;
    if (item->key.type != KEY_INODE_ITEM || item->key.objectid < INO_SUBVOL_ROOT ||
        item->key.objectid > OBJ_LAST_FREE)
        return 0;
    *another = true;
    if (!item->in_old || !item->in_new)
        return 0;
    int in_old = side_inode(diff->send->old_side, item->key.objectid, &old);
    int in_new = side_inode(&diff->send->new_side, item->key.objectid, &new);
    if ((in_old < 0 && in_old != -ENOENT) || (in_new < 0 && in_new != -ENOENT))
        return in_old < 0 && in_old != -ENOENT ? in_old : in_new;
    *another = in_old != in_new || (in_old == 0 && item->key.objectid != INO_SUBVOL_ROOT &&
                                    old.generation != new.generation);
    return 0;
}

static int collect_all(struct names_diff *diff, struct diff *trees, struct numbers *more)
{
    struct diff_item item;
    int ret;

    while ((ret = diff_next(trees, &item)) == 0) {
        bool another;

        TRY(is_another(diff, &item, &another));
        if (!another && !is_about_names(&item.key))
            continue;
        struct key behind = key_make(item.key.objectid + 1, 0, 0);
        TRY(collect_one(diff, item.key.objectid, more));
        TRY(diff_skip_to(trees, &behind));
    }
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < more->count; i++)
        TRY(collect_one(diff, more->list[i], more));
    return 0;
}

int names_collect(struct names_diff *diff)
{
    struct send *send = diff->send;
    struct numbers more = {0};
    struct diff trees;

    send_lock(send);
    int ret = diff_open(&trees, &send->old_side->tree->root, &send->new_side.tree->root);
    if (ret == 0) {
        ret = collect_all(diff, &trees, &more);
        diff_close(&trees);
    }
    send_unlock(send);
    free(more.list);
    return ret;
}
