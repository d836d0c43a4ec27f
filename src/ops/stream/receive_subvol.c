// SPDX-License-Identifier: GPL-2.0-or-later
/* The subvolumes that a stream is about: the parent, the new one, and how it is finished. */
#include "base/cleanup.h"
#include "engine/root/root.h"
#include "ops/stream/resume.h"

#define LLU(v) ((unsigned long long)(v))

/* ---- by uuid --------------------------------------------------------------------------------- */

struct search {
    const struct uuid *uuid;
    uint64_t ctransid;
    uint64_t exact, received, itself; /* ids; 0: none. The later in the list, the worse. */
};

static bool same_uuid(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static int compare(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct search *search = arg;

    (void)key_offset;
    if (!is_fs_tree(id) || item->refs == 0)
        return 0;
    if (same_uuid(&item->received_uuid, search->uuid)) {
        if (item->stransid == search->ctransid)
            search->exact = id;
        else
            search->received = id;
    } else if (same_uuid(&item->uuid, search->uuid)) {
        search->itself = id;
    }
    return 0;
}

int receive_by_uuid(struct receiver *r, const struct uuid *uuid, uint64_t ctransid,
                    struct inode **out)
{
    struct search search = {.uuid = uuid, .ctransid = ctransid};
    struct store *store = r->mount->fs.store;
    struct tree_handle *tree = NULL;
    char text[UUID_TEXT_SIZE];

    store_read_lock(store);
    int ret = roots_each(store->roots, TREE_FS, compare, &search);
    uint64_t id = search.exact ?: search.received ?: search.itself;
    if (ret == 0 && id != 0)
        ret = roots_get(store->roots, id, &tree);
    store_read_unlock(store);
    if (ret < 0)
        return ret;
    if (!tree)
        return fail(-ENOENT, "no subvolume here has, or was received from, uuid %s",
                    uuid_text(uuid, text));
    if (!(tree->item.flags & ROOT_SUBVOL_RDONLY))
        return fail(-EPERM,
                    "subvolume %llu, received from uuid %s, is writable and may have changed",
                    LLU(id), uuid_text(uuid, text));
    ret = inode_get(&r->mount->fs, tree, INO_SUBVOL_ROOT, out);
    return ret == -ENOENT ? -EUCLEAN : ret;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int take_name(struct receiver *r, const struct attribute *path)
{
    if (!name_is_valid(path->data, path->len))
        return fail(-EINVAL, "subvolume \"%.*s\": not a name", (int)MIN(path->len, 255u),
                    path->data);
    memcpy(r->name, path->data, path->len);
    r->name[path->len] = '\0';
    return 0;
}

static int make_subvol(struct receiver *r)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    const struct copse_cred cred = {0};

    return mount_subvol_create(r->mount, r->dir, r->name, strlen(r->name), &options, &cred,
                               &r->subvol);
}

static int make_snapshot(struct receiver *r, const struct command *command)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct inode *parent;
    struct uuid uuid;

    command_uuid(command, ATTR_CLONE_UUID, &uuid);
    int ret = receive_by_uuid(r, &uuid, command_number(command, ATTR_CLONE_CTRANSID), &parent);
    if (ret < 0)
        return fail_context(ret, "parent of %s", r->name);
    ret = mount_subvol_snapshot(r->mount, parent, r->dir, r->name, strlen(r->name), &options,
                                &r->subvol);
    inode_put(parent);
    return ret;
}

int receive_begin(struct receiver *r, const struct command *command)
{
    bool snapshot = command->type == CMD_SNAPSHOT;

    TRY(take_name(r, &command->attributes[ATTR_PATH]));
    command_uuid(command, ATTR_UUID, &r->uuid);
    r->ctransid = command_number(command, ATTR_CTRANSID);
    r->broken = false;
    if (r->options->begun)
        r->options->begun(r->options->arg, r->name, snapshot);
    if (r->options->resume)
        TRY(resume_begin(r, command));
    else
        TRY(snapshot ? make_snapshot(r, command) : make_subvol(r));
    if (r->options->entry)
        r->options->entry(r->options->arg, r->name);
    return 0;
}

/* ---- finishing ------------------------------------------------------------------------------- */

static int seal(struct receiver *r)
{
    struct fs *fs = &r->mount->fs;
    struct tree_handle *tree = r->subvol->tree;
    const struct subvol_received received = {.uuid = r->uuid, .stransid = r->ctransid};

    TRY(store_begin(fs->store, STORE_CREATE, 8));
    int ret = subvol_set_received(fs, tree, &received);
    /* Checkpoints are gone; nobody shall look for one. */
    if (ret == 0 && r->resume.active)
        tree->item.parent_uuid = r->resume.at.parent;
    if (ret == 0)
        ret = subvol_set_readonly(fs, tree, true, false);
    store_end(fs->store);
    return ret;
}

int receive_finish(struct receiver *r)
{
    struct fs *fs = &r->mount->fs;

    receive_forget(r);
    TRY(files_quiesce(fs, r->subvol->tree->root.id));
    int ret = seal(r);
    files_resume(fs);
    if (ret == 0)
        ret = resume_finish(r);
    if (ret == 0)
        ret = mount_sync(r->mount);
    if (ret < 0)
        return fail_context(ret, "%s", r->name);
    inode_put(r->subvol);
    r->subvol = NULL;
    return 0;
}
