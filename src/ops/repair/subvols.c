// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes: their names, in three places; their uuids. */
#include <stdio.h>

#include "ops/repair/fix.h"

/* ---- names ----------------------------------------------------------------------------------- */

struct link {
    uint64_t parent, dirid, index;
    uint16_t len;
    char text[NAME_MAX_BYTES];
};

static int take_link(const struct path *path, struct link *out)
{
    struct root_ref ref;

    if (path_size(path) < sizeof(disk_root_ref))
        return 1;
    root_ref_decode(&ref, path_data(path));
    if (ref.name_len > NAME_MAX_BYTES || path_size(path) < sizeof(disk_root_ref) + ref.name_len)
        return 1;
    out->dirid = ref.dirid;
    out->index = ref.sequence;
    out->len = ref.name_len;
    memcpy(out->text, (const uint8_t *)path_data(path) + sizeof(disk_root_ref), ref.name_len);
    return 0;
}

/* What the tree itself says about its name; 1: nothing. */
static int backward_link(struct engine *e, uint64_t child, struct link *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(child, KEY_ROOT_BACKREF, 0);
    int ret = tree_search_ge(&e->root_tree, &key, &path);

    if (ret != 0)
        return ret;
    path_key(&path, &key);
    if (key.objectid != child || key.type != KEY_ROOT_BACKREF)
        return 1;
    out->parent = key.offset;
    return take_link(&path, out);
}

/* What a parent says; 1: none does. */
static int forward_link(struct engine *e, uint64_t child, struct link *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(&e->root_tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.type != KEY_ROOT_REF || key.offset != child)
            continue;
        out->parent = key.objectid;
        return take_link(&path, out);
    }
    return ret;
}

static int drop_links(struct engine *e, uint64_t child)
{
    struct link link;
    int ret;

    while ((ret = backward_link(e, child, &link)) == 0) {
        const struct key key = key_make(child, KEY_ROOT_BACKREF, link.parent);

        TRY(item_drop(&e->root_tree, &key));
    }
    TRY(ret);
    while ((ret = forward_link(e, child, &link)) == 0) {
        const struct key key = key_make(link.parent, KEY_ROOT_REF, child);

        TRY(item_drop(&e->root_tree, &key));
    }
    return ret < 0 ? ret : 0;
}

/* Another tree of files, to have a name put into it. 1: there is none such. */
static int fix_of(const struct fix *from, uint64_t tree, struct fix *out)
{
    struct tree_handle *handle;
    int ret = roots_get(from->store->roots, tree, &handle);

    if (ret == -ENOENT) {
        fail_clear();
        return 1;
    }
    TRY(ret);
    if (handle->item.refs == 0)
        return 1;
    *out = *from;
    out->tree = tree;
    out->root = &handle->root;
    return 0;
}

/* Where the entry of the directory stands; 1: it is not there, or leads elsewhere. */
static int find_entry(struct fix *parent, uint64_t child, struct link *link)
{
    struct names names;
    struct dir_item entry;
    int ret = entry_find(parent->root, link->dirid, link->text, link->len, &entry);

    if (ret != 0)
        return ret;
    if (entry.location.type != KEY_ROOT_ITEM || entry.location.objectid != child)
        return 1;
    names_init(&names, &parent->job->budget);
    ret = entries_load(parent->root, link->dirid, KEY_DIR_INDEX, &names);
    if (ret == 0)
        ret = 1;
    for (size_t i = 0; ret == 1 && i < names.list.count; i++) {
        const struct name *name = name_at(&names, i);

        if (name->len == link->len && memcmp(name_text(&names, name), link->text, link->len) == 0) {
            link->index = name->index;
            ret = 0;
        }
    }
    names_free(&names);
    return ret;
}

static int add_entry(struct fix *parent, uint64_t child, struct link *link)
{
    const struct key location = key_make(child, KEY_ROOT_ITEM, UINT64_MAX);
    struct inode_item dir;
    struct dir_item entry;
    int ret = inode_item_get(parent->root, link->dirid, &dir);

    if (ret != 0)
        return ret;
    ret = entry_find(parent->root, link->dirid, link->text, link->len, &entry);
    if (ret <= 0)
        return ret < 0 ? ret : 1; /* somebody else has that name by now */
    TRY(index_next(parent->root, link->dirid, &link->index));
    TRY(index_put(parent->root, link->dirid, link->index, link->text, link->len, &location,
                  FT_DIR));
    TRY(entry_put(parent->root, link->dirid, link->text, link->len, &location, FT_DIR));
    return mend_dir_size(parent, link->dirid);
}

/* An entry that leads to it, in any directory of one tree, or (0) of all. */
struct entry_search {
    struct fix *fix, *parent;
    struct link *link;
    uint64_t only;
};

static int search_tree(void *arg, uint64_t id, uint64_t offset, const struct root_item *item)
{
    const struct entry_search *search = arg;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(OBJ_FIRST_FREE, 0, 0);
    char text[NAME_MAX_BYTES];
    struct fix tree;
    int ret;

    (void)offset;
    if (!is_fs_tree(id) || item->refs == 0 || id == search->fix->tree ||
        (search->only && id != search->only))
        return 0;
    ret = fix_of(search->fix, id, &tree);
    if (ret == 0)
        ret = tree_search_ge(tree.root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct dir_item entry;

        path_key(&path, &key);
        if (key.type != KEY_DIR_INDEX || path_size(&path) < sizeof(disk_dir_item))
            continue;
        dir_item_decode(&entry, path_data(&path));
        if (entry.location.type != KEY_ROOT_ITEM || entry.location.objectid != search->fix->tree)
            continue;
        TRY(index_get(tree.root, key.objectid, key.offset, &entry, text));
        *search->parent = tree;
        *search->link = (struct link){
            .parent = id, .dirid = key.objectid, .index = key.offset, .len = entry.name_len};
        memcpy(search->link->text, text, entry.name_len);
        return 1;
    }
    return ret < 0 ? ret : 0;
}

static int find_any_entry(struct fix *fix, uint64_t only, struct fix *parent, struct link *link)
{
    struct entry_search search = {fix, parent, link, only};
    int ret = roots_each(fix->store->roots, 0, search_tree, &search);

    if (ret <= 0)
        return ret < 0 ? ret : 1;
    return find_entry(parent, fix->tree, link);
}

/* In lost+found of the top subvolume. */
static int find_new_place(struct fix *fix, struct fix *parent, struct link *link)
{
    int ret = fix_of(fix, TREE_FS, parent);

    if (ret != 0)
        return ret < 0 ? ret : fail(-EUCLEAN, "there is no top subvolume");
    link->parent = TREE_FS;
    TRY(lost_found(parent, &link->dirid));
    link->len =
        (uint16_t)snprintf(link->text, sizeof(link->text), "subvolume-%llu", LLU(fix->tree));
    ret = add_entry(parent, fix->tree, link);
    return ret <= 0 ? ret : fail(-EEXIST, "lost+found has a %s already", link->text);
}

/* Where it says, or is said, to be; 1: nowhere that is there. */
static int find_told_place(struct fix *fix, struct fix *parent, struct link *link)
{
    int ret = backward_link(fix->engine, fix->tree, link);

    if (ret > 0)
        ret = forward_link(fix->engine, fix->tree, link);
    return ret == 0 ? fix_of(fix, link->parent, parent) : ret;
}

int mend_subvolume_names(struct fix *fix)
{
    struct fix parent = {0}, other = {0};
    struct link link, found;
    int told = find_told_place(fix, &parent, &link);
    int ret = told == 0 ? find_entry(&parent, fix->tree, &link) : told;

    /* Snapshots have entries of what is nested in their source: these count only at the end. */
    if (ret > 0)
        ret = find_any_entry(fix, told == 0 ? link.parent : 0, &other, &found);
    if (ret == 0 && other.root) {
        parent = other;
        link = found;
    }
    if (ret > 0 && told == 0)
        ret = add_entry(&parent, fix->tree, &link);
    if (ret > 0)
        ret = find_new_place(fix, &parent, &link);
    TRY(ret);
    TRY(drop_links(fix->engine, fix->tree));
    return root_ref_add(fix->engine, link.parent, fix->tree, link.dirid, link.index, link.text,
                        link.len);
}

/* ---- uuids ----------------------------------------------------------------------------------- */

static int add_uuids(void *arg, uint64_t id, uint64_t offset, const struct root_item *item)
{
    struct store *store = arg;

    (void)offset;
    if (!is_fs_tree(id) || id == TREE_FS || item->refs == 0)
        return 0;
    if (!uuid_is_null(&item->uuid))
        TRY(uuid_tree_add(&store->engine, &item->uuid, KEY_UUID_SUBVOL, id));
    if (!uuid_is_null(&item->received_uuid))
        TRY(uuid_tree_add(&store->engine, &item->received_uuid, KEY_UUID_RECEIVED, id));
    return 0;
}

int mend_uuid_tree(struct job *job, struct store *store)
{
    struct root *root = &store->engine.uuid_tree;

    (void)job;
    if (root->id == 0)
        return 0;
    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = KEY_FIRST;
        int ret = tree_search_ge(root, &key, &path);

        TRY(ret);
        if (ret > 0)
            break;
        path_key(&path, &key);
        path_release(&path);
        TRY(tree_delete(root, &key));
    }
    return roots_each(store->roots, 0, add_uuids, store);
}
