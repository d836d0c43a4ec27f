// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes: their names in both directions, their uuids, and those that are being deleted. */
#include <stdlib.h>

#include "ops/check/internal.h"

struct link {
    uint64_t parent, child, dirid, index, name; /* the name as a number */
};

struct subvols {
    struct check *c;
    struct pile refs, backrefs; /* struct link */
    struct pile orphans;        /* uint64_t */
    struct pile uuids;          /* struct uuid_entry */
};

struct uuid_entry {
    struct uuid uuid;
    uint64_t id;
    bool received;
};

/* ---- names ----------------------------------------------------------------------------------- */

static int take_link(struct subvols *s, const struct spot *spot)
{
    bool back = spot->key.type == KEY_ROOT_BACKREF;
    struct root_ref ref;

    root_ref_decode(&ref, spot->data);
    const struct link link = {
        .parent = back ? spot->key.offset : spot->key.objectid,
        .child = back ? spot->key.objectid : spot->key.offset,
        .dirid = ref.dirid,
        .index = ref.sequence,
        .name = draw_bytes(s->c->seed, spot->data + sizeof(disk_root_ref), ref.name_len),
    };
    return pile_push(back ? &s->backrefs : &s->refs, &link);
}

static int take_root_item(void *arg, const struct spot *spot)
{
    struct subvols *s = arg;

    if (spot->key.type == KEY_ROOT_REF || spot->key.type == KEY_ROOT_BACKREF)
        return take_link(s, spot);
    if (spot->key.objectid == OBJ_ORPHAN && spot->key.type == KEY_ORPHAN_ITEM)
        return pile_push(&s->orphans, &spot->key.offset);
    return 0;
}

static int link_order(const void *a, const void *b)
{
    const struct link *x = a, *y = b;
    const uint64_t keys[][2] = {{x->child, y->child},
                                {x->parent, y->parent},
                                {x->dirid, y->dirid},
                                {x->index, y->index},
                                {x->name, y->name}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

static void sort(struct pile *pile, int (*order)(const void *, const void *))
{
    if (pile->count)
        qsort(pile->base, pile->count, pile->each, order);
}

static bool has(const struct pile *pile, const void *what, int (*order)(const void *, const void *))
{
    return pile->count && bsearch(what, pile->base, pile->count, pile->each, order);
}

struct entry_search {
    struct check *c;
    const struct link *link;
};

static int is_entry(void *arg, const struct spot *spot)
{
    const struct entry_search *search = arg;
    struct dir_item entry;

    if (spot->key.objectid != search->link->dirid || spot->key.type != KEY_DIR_INDEX ||
        spot->key.offset != search->link->index)
        return -ENOENT;
    dir_item_decode(&entry, spot->data);
    return entry.location.type == KEY_ROOT_ITEM && entry.location.objectid == search->link->child &&
                   draw_bytes(search->c->seed, spot->data + sizeof(disk_dir_item),
                              entry.name_len) == search->link->name
               ? 1
               : -ENOENT;
}

static void check_link(struct subvols *s, const struct link *link)
{
    const struct tree_root *parent = find_root(s->c, link->parent);
    const struct place place = PLACE(.tree = link->child);
    const struct key from = key_make(link->dirid, KEY_DIR_INDEX, link->index);
    struct entry_search search = {s->c, link};

    if (!has(&s->backrefs, link, link_order))
        report(s->c, CHECK_ROOT_REF, place,
               "tree %llu: tree %llu names it, and it does not know of that name", LLU(link->child),
               LLU(link->parent));
    if (!parent || !find_root(s->c, link->child))
        report(s->c, CHECK_ROOT_REF, place, "tree %llu: has a name in tree %llu, one is not there",
               LLU(link->child), LLU(link->parent));
    else if (read_tree_from(s->c, parent, &from, is_entry, &search) == -ENOENT)
        report(s->c, CHECK_ROOT_REF, place,
               "tree %llu: its name is not in tree %llu directory %llu index %llu",
               LLU(link->child), LLU(link->parent), LLU(link->dirid), LLU(link->index));
}

static void check_links(struct subvols *s)
{
    sort(&s->refs, link_order);
    sort(&s->backrefs, link_order);
    for (size_t i = 0; i < s->refs.count; i++)
        check_link(s, PILE_AT(&s->refs, struct link, i));
    for (size_t i = 0; i < s->backrefs.count; i++) {
        const struct link *link = PILE_AT(&s->backrefs, struct link, i);

        if (!has(&s->refs, link, link_order))
            report(s->c, CHECK_ROOT_REF, PLACE(.tree = link->child),
                   "tree %llu: says that tree %llu names it, which does not", LLU(link->child),
                   LLU(link->parent));
    }
}

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int child_order(const void *a, const void *b)
{
    return number_order(&((const struct link *)a)->child, &((const struct link *)b)->child);
}

/* Whether a tree has a name, or is on its way out. */
static void check_reachable(struct subvols *s, const struct tree_root *root)
{
    const struct link any = {.child = root->id};
    bool named = has(&s->backrefs, &any, child_order);
    bool orphan = has(&s->orphans, &root->id, number_order);

    if (!root->dead && !named)
        report(s->c, CHECK_ROOT_NO_NAME, PLACE(.tree = root->id), "tree %llu: has no name",
               LLU(root->id));
    if (root->dead && !orphan)
        report(s->c, CHECK_ROOT_NO_ORPHAN, PLACE(.tree = root->id),
               "tree %llu: was deleted, and is not among those to be dropped", LLU(root->id));
}

/* ---- uuids ----------------------------------------------------------------------------------- */

static int take_uuid(void *arg, const struct spot *spot)
{
    struct subvols *s = arg;
    struct uuid_entry entry = {.received = spot->key.type == KEY_UUID_RECEIVED};
    const le64 halves[2] = {le64_of(spot->key.objectid), le64_of(spot->key.offset)};

    if (spot->key.type != KEY_UUID_SUBVOL && spot->key.type != KEY_UUID_RECEIVED)
        return 0;
    memcpy(entry.uuid.b, halves, sizeof(halves));
    for (uint32_t at = 0; at < spot->size; at += sizeof(le64)) {
        le64 id;

        memcpy(&id, spot->data + at, sizeof(id));
        entry.id = le64_get(id);
        TRY(pile_push(&s->uuids, &entry));
    }
    return 0;
}

static int uuid_order(const void *a, const void *b)
{
    const struct uuid_entry *x = a, *y = b;

    if (x->received != y->received)
        return x->received ? 1 : -1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return memcmp(x->uuid.b, y->uuid.b, sizeof(x->uuid.b));
}

static void check_uuid(struct subvols *s, const struct tree_root *root, const struct uuid *uuid,
                       bool received)
{
    const struct uuid_entry entry = {.uuid = *uuid, .id = root->id, .received = received};

    if (!uuid_is_null(uuid) && !has(&s->uuids, &entry, uuid_order))
        report(s->c, CHECK_UUID_MISSING, PLACE(.tree = root->id),
               "tree %llu: its %s is not in the uuid tree", LLU(root->id),
               received ? "received uuid" : "uuid");
}

static void check_uuid_entry(struct subvols *s, const struct uuid_entry *entry)
{
    const struct tree_root *root = find_root(s->c, entry->id);

    if (!root ||
        !uuid_equal(entry->received ? &root->item.received_uuid : &root->item.uuid, &entry->uuid))
        report(s->c, CHECK_UUID_EXTRA, PLACE(.tree = entry->id),
               "tree UUID_TREE: says a uuid of tree %llu that is not its own", LLU(entry->id));
}

/* Where the generations differ Linux makes the tree anew. */
static int check_uuids(struct subvols *s)
{
    const struct tree_root *tree = find_root(s->c, TREE_UUID);
    int ret;

    if (!tree || s->c->super->uuid_tree_generation != s->c->super->generation)
        return 0;
    ret = read_tree(s->c, tree, take_uuid, s);
    if (ret != 0)
        return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
    sort(&s->uuids, uuid_order);
    for (size_t i = 0; i < s->c->roots.count; i++) {
        const struct tree_root *root = PILE_AT(&s->c->roots, struct tree_root, i);

        if (!is_fs_tree(root->id) || root->id == TREE_FS || root->dead || root->top)
            continue;
        check_uuid(s, root, &root->item.uuid, false);
        check_uuid(s, root, &root->item.received_uuid, true);
    }
    for (size_t i = 0; i < s->uuids.count; i++)
        check_uuid_entry(s, PILE_AT(&s->uuids, struct uuid_entry, i));
    return 0;
}

int check_subvols(struct check *c)
{
    struct subvols s = {.c = c};
    int ret;

    pile_init(&s.refs, sizeof(struct link), &c->budget);
    pile_init(&s.backrefs, sizeof(struct link), &c->budget);
    pile_init(&s.orphans, sizeof(uint64_t), &c->budget);
    pile_init(&s.uuids, sizeof(struct uuid_entry), &c->budget);
    ret = read_tree(c, find_root(c, TREE_ROOT), take_root_item, &s);
    if (ret == 0) {
        check_links(&s);
        for (size_t i = 0; i < c->roots.count; i++) {
            const struct tree_root *root = PILE_AT(&c->roots, struct tree_root, i);

            if (is_fs_tree(root->id) && root->id != TREE_FS)
                check_reachable(&s, root);
        }
        ret = check_uuids(&s);
    }
    pile_free(&s.refs);
    pile_free(&s.backrefs);
    pile_free(&s.orphans);
    pile_free(&s.uuids);
    return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
}
