// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Receiving so that it can go on after a crash. What is durable at some moment may be anything
 * between two commands, with data of earlier ones still missing: nothing to go on from. So now and
 * then what was received is snapshotted, read-only, under a name that says how far it came; the
 * name and all that is in it become durable together. Going on is a snapshot of that, and the
 * commands behind it. The subvolume itself is a snapshot of its checkpoint from the beginning, by
 * which what was left of it is known, and taken away.
 */
#include "ops/stream/resume.h"

#include <string.h>

#include "base/cleanup.h"

#define LLU(v) ((unsigned long long)(v))

static bool same_uuid(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

struct found {
    const struct stream_position *of; /* NULL: of any subvolume */
    struct checkpoint *list;
    size_t count;
    bool no_memory;
};

static int take_entry(void *arg, const struct copse_dirent *entry)
{
    struct found *found = arg;
    struct checkpoint checkpoint, *list;

    if (!checkpoint_parse(entry->name, entry->len, &checkpoint))
        return 0;
    if (found->of && (!same_uuid(&checkpoint.at.uuid, &found->of->uuid) ||
                      checkpoint.at.ctransid != found->of->ctransid))
        return 0;
    list = realloc(found->list, (found->count + 1) * sizeof(*list));
    found->no_memory |= !list;
    if (!list)
        return 1;
    found->list = list;
    list[found->count++] = checkpoint;
    return 0;
}

static int find_all(struct mount *mount, struct inode *dir, struct found *found)
{
    int ret = mount_readdir(mount, dir, 0, take_entry, found);

    return ret == 0 && found->no_memory ? fail(-ENOMEM, "no memory for checkpoints") : ret;
}

/* -ENOENT: no subvolume of that name. */
static int open_root(struct mount *mount, struct inode *dir, const char *name, struct inode **out)
{
    struct inode *inode;

    TRY(mount_lookup(mount, dir, name, strlen(name), &inode));
    if (inode->ino != INO_SUBVOL_ROOT || inode->tree == dir->tree) {
        inode_put(inode);
        return fail(-ENOENT, "%s is no subvolume", name);
    }
    *out = inode;
    return 0;
}

static int open_checkpoint(struct mount *mount, struct inode *dir, const struct checkpoint *of,
                           struct inode **out)
{
    char name[CHECKPOINT_NAME_LEN + 1];

    checkpoint_name(of, name);
    return open_root(mount, dir, name, out);
}

static void tell_entry(struct receiver *r, const char *name)
{
    if (r->options->entry)
        r->options->entry(r->options->arg, name);
}

static int remove_name(struct receiver *r, const char *name)
{
    TRY(mount_subvol_delete(r->mount, r->dir, name, strlen(name)));
    tell_entry(r, name);
    return 0;
}

/* All of this subvolume, but the one that is kept (NULL: none). */
static int remove_checkpoints(struct receiver *r, const struct checkpoint *keep)
{
    struct found found = {.of = &r->resume.at.at};
    char name[CHECKPOINT_NAME_LEN + 1];

    int ret = find_all(r->mount, r->dir, &found);
    for (size_t i = 0; ret == 0 && i < found.count; i++) {
        if (keep && memcmp(keep, &found.list[i], sizeof(*keep)) == 0)
            continue;
        checkpoint_name(&found.list[i], name);
        ret = remove_name(r, name);
    }
    free(found.list);
    return ret;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int protect(struct receiver *r, struct inode *root)
{
    return root->tree->item.flags & ROOT_SUBVOL_RDONLY
               ? 0
               : mount_subvol_set_readonly(r->mount, root, true, false);
}

/* The checkpoint before any command. */
static int first_checkpoint(struct receiver *r, struct inode *parent, struct inode **out)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    const struct copse_cred cred = {0};
    char name[CHECKPOINT_NAME_LEN + 1];

    if (parent)
        r->resume.at.parent = parent->tree->item.uuid;
    checkpoint_name(&r->resume.at, name);
    options.readonly = true;
    int ret =
        parent ? mount_subvol_snapshot(r->mount, parent, r->dir, name, strlen(name), &options, out)
               : mount_subvol_create(r->mount, r->dir, name, strlen(name), &options, &cred, out);
    if (ret == 0)
        tell_entry(r, name);
    return ret;
}

static int last_checkpoint(struct receiver *r, struct inode **out)
{
    struct found found = {.of = &r->resume.at.at};
    struct checkpoint *best = NULL;

    int ret = find_all(r->mount, r->dir, &found);
    for (size_t i = 0; ret == 0 && i < found.count; i++)
        if (!best || found.list[i].at.commands > best->at.commands)
            best = &found.list[i];
    if (ret == 0 && !best)
        ret = fail(-ENOENT, "nothing was received of %s", r->name);
    if (ret == 0)
        ret = open_checkpoint(r->mount, r->dir, best, out);
    if (ret == 0)
        r->resume.at = *best;
    free(found.list);
    return ret;
}

/* Whether that subvolume is what an interrupted run left behind of this one. */
static bool is_left_over(const struct inode *root, const struct inode *checkpoint)
{
    const struct root_item *item = &root->tree->item, *from = &checkpoint->tree->item;
    static const struct uuid none;

    return !(item->flags & ROOT_SUBVOL_RDONLY) && same_uuid(&item->received_uuid, &none) &&
           (same_uuid(&item->parent_uuid, &from->uuid) ||
            same_uuid(&from->parent_uuid, &item->uuid));
}

static int remove_left_over(struct receiver *r, const struct inode *checkpoint)
{
    struct inode *root;

    int ret = open_root(r->mount, r->dir, r->name, &root);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    TRY(ret);
    bool ours = is_left_over(root, checkpoint);
    inode_put(root);
    return ours ? remove_name(r, r->name) : 0;
}

static int go_on_from(struct receiver *r, struct inode *checkpoint)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;

    TRY(protect(r, checkpoint));
    TRY(remove_left_over(r, checkpoint));
    return mount_subvol_snapshot(r->mount, checkpoint, r->dir, r->name, strlen(r->name), &options,
                                 &r->subvol);
}

/* 1: it is here already, complete. */
static int is_complete(struct receiver *r)
{
    struct inode *root;

    int ret = open_root(r->mount, r->dir, r->name, &root);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    TRY(ret);
    const struct root_item *item = &root->tree->item;
    bool complete = (item->flags & ROOT_SUBVOL_RDONLY) &&
                    same_uuid(&item->received_uuid, &r->uuid) && item->stransid == r->ctransid;
    inode_put(root);
    return complete;
}

static int find_parent(struct receiver *r, const struct command *command, struct inode **out)
{
    struct uuid uuid;

    *out = NULL;
    if (command->type != CMD_SNAPSHOT)
        return 0;
    command_uuid(command, ATTR_CLONE_UUID, &uuid);
    int ret = receive_by_uuid(r, &uuid, command_number(command, ATTR_CLONE_CTRANSID), out);
    return ret < 0 ? fail_context(ret, "parent of %s", r->name) : 0;
}

static int open_or_make(struct receiver *r, const struct command *command, struct inode **out)
{
    struct inode *parent;

    int ret = last_checkpoint(r, out);
    if (ret != -ENOENT)
        return ret;
    fail_clear();
    TRY(find_parent(r, command, &parent));
    ret = first_checkpoint(r, parent, out);
    inode_put(parent);
    return ret;
}

/* Whether the stream is the rest behind the checkpoint, not the whole. */
static bool is_rest(const struct command *command, const struct inode *checkpoint)
{
    struct uuid uuid;

    if (command->type != CMD_SNAPSHOT)
        return false;
    command_uuid(command, ATTR_CLONE_UUID, &uuid);
    return same_uuid(&uuid, &checkpoint->tree->item.uuid);
}

int resume_begin(struct receiver *r, const struct command *command)
{
    struct inode *checkpoint;

    r->resume = (struct resume){
        .at.at = {.uuid = r->uuid, .ctransid = r->ctransid},
        .mark = decoder_position(r->decoder),
    };
    int ret = is_complete(r);
    if (ret < 0)
        return ret;
    if (ret > 0) {
        r->resume.complete = true;
        return remove_checkpoints(r, NULL);
    }
    TRY(open_or_make(r, command, &checkpoint));
    if (!is_rest(command, checkpoint)) {
        r->resume.skip = r->resume.at.at.commands;
        r->resume.sum = r->resume.skip ? 0 : r->resume.at.at.sum;
    } else {
        r->resume.sum = r->resume.at.at.sum;
    }
    r->resume.active = true;
    ret = go_on_from(r, checkpoint);
    inode_put(checkpoint);
    return ret;
}

/* ---- on the way ------------------------------------------------------------------------------ */

int resume_skip(struct receiver *r, const struct command *command)
{
    struct resume *resume = &r->resume;

    resume->sum = position_sum(resume->sum, command->sum);
    if (--resume->skip > 0 || resume->sum == resume->at.at.sum)
        return 0;
    return fail(-EINVAL, "command %llu: up to here this is not the stream of which %s was received",
                LLU(command->number), r->name);
}

static int make_checkpoint(struct receiver *r)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    char name[CHECKPOINT_NAME_LEN + 1];
    struct inode *made;
    unsigned left;

    options.readonly = true;
    checkpoint_name(&r->resume.at, name);
    TRY(mount_subvol_snapshot(r->mount, r->subvol, r->dir, name, strlen(name), &options, &made));
    inode_put(made);
    tell_entry(r, name);
    TRY(mount_sync(r->mount));
    TRY(remove_checkpoints(r, &r->resume.at));
    /* What the one before held alone is given back on the way. */
    return mount_subvol_clean(r->mount, &left);
}

int resume_step(struct receiver *r, const struct command *command)
{
    struct resume *resume = &r->resume;
    uint64_t bytes = decoder_position(r->decoder);

    if (!resume->active || r->broken)
        return 0;
    resume->sum = position_sum(resume->sum, command->sum);
    resume->at.at.commands++;
    resume->at.at.sum = resume->sum;
    if (bytes - resume->mark < r->options->checkpoint_bytes)
        return 0;
    resume->mark = bytes;
    return make_checkpoint(r);
}

int resume_finish(struct receiver *r)
{
    return r->resume.active ? remove_checkpoints(r, NULL) : 0;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static bool is_last(const struct found *found, const struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct stream_position *other = &found->list[i].at;

        if (same_uuid(&other->uuid, &checkpoint->at.uuid) &&
            other->ctransid == checkpoint->at.ctransid && other->commands > checkpoint->at.commands)
            return false;
    }
    return true;
}

static int tell_token(struct mount *mount, struct inode *dir, const struct checkpoint *checkpoint,
                      int (*fn)(void *arg, const char *token), void *arg)
{
    struct stream_token token = {.at = checkpoint->at};
    char text[COPSE_TOKEN_SIZE];
    struct inode *root;

    int ret = open_checkpoint(mount, dir, checkpoint, &root);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    TRY(ret);
    token.checkpoint = root->tree->item.uuid;
    inode_put(root);
    token_text(&token, text);
    return fn(arg, text);
}

int stream_tokens(struct mount *mount, struct inode *dir, int (*fn)(void *arg, const char *token),
                  void *arg)
{
    struct found found = {0};

    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "no directory");
    int ret = find_all(mount, dir, &found);
    for (size_t i = 0; ret == 0 && i < found.count; i++)
        if (is_last(&found, &found.list[i]))
            ret = tell_token(mount, dir, &found.list[i], fn, arg);
    free(found.list);
    return ret < 0 ? ret : 0;
}
