// SPDX-License-Identifier: GPL-2.0-or-later
/* Sending a subvolume: what is checked before, the frame of the stream, and how commands look. */
#include "ops/stream/send.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define LLU(v) ((unsigned long long)(v))
#define REPORT_BYTES (4 * MIB)

/* ---- commands -------------------------------------------------------------------------------- */

void send_begin(struct send *send, enum stream_command_type type, const char *path)
{
    encode_begin(&send->out, type);
    encode_text(&send->out, ATTR_PATH, path);
}

int send_end(struct send *send)
{
    const struct copse_send_options *options = send->options;
    struct copse_stream_progress progress;

    TRY(encode_end(&send->out));
    if (!options->progress || send->out.bytes - send->reported < REPORT_BYTES)
        return 0;
    send->reported = send->out.bytes;
    progress =
        (struct copse_stream_progress){send->out.commands, send->out.bytes, text_get(&send->path)};
    return options->progress(options->arg, &progress) ? fail(-ECANCELED, "stopped") : 0;
}

int send_link(struct send *send, const char *path, const char *existing)
{
    send_begin(send, CMD_LINK, path);
    encode_text(&send->out, ATTR_PATH_LINK, existing);
    return send_end(send);
}

static int make_symlink(struct send *send, uint64_t ino, const char *path)
{
    AUTO_FREE char *target = NULL;

    send_lock(send);
    int ret = side_symlink(&send->new_side, ino, &target);
    send_unlock(send);
    if (ret < 0)
        return ret;
    send_begin(send, CMD_SYMLINK, path);
    encode_number(&send->out, ATTR_INO, ino);
    encode_text(&send->out, ATTR_PATH_LINK, target);
    return send_end(send);
}

int send_make(struct send *send, uint64_t ino, const struct inode_item *item, const char *path)
{
    struct encoder *out = &send->out;

    switch (item->mode & S_IFMT) {
    case S_IFREG:
        send_begin(send, CMD_MKFILE, path);
        break;
    case S_IFDIR:
        send_begin(send, CMD_MKDIR, path);
        break;
    case S_IFIFO:
        send_begin(send, CMD_MKFIFO, path);
        break;
    case S_IFSOCK:
        send_begin(send, CMD_MKSOCK, path);
        break;
    case S_IFLNK:
        return make_symlink(send, ino, path);
    case S_IFCHR:
    case S_IFBLK:
        send_begin(send, CMD_MKNOD, path);
        encode_number(out, ATTR_INO, ino);
        encode_number(out, ATTR_RDEV, rdev_from_disk(item->rdev));
        encode_number(out, ATTR_MODE, item->mode);
        return send_end(send);
    default:
        return fail(-EUCLEAN, "inode %llu: a file of unknown type, mode %o", LLU(ino), item->mode);
    }
    encode_number(out, ATTR_INO, ino);
    return send_end(send);
}

/* ---- the frame ------------------------------------------------------------------------------- */

/* Name of the subvolume, as receivers call it; "subvol-5" has none and is called by its number. */
static int subvol_name(struct send *send, char name[NAME_MAX_BYTES + 1])
{
    struct engine *engine = &send->store->engine;
    uint64_t id = send->new_side.tree->root.id, parent, dir, index;
    uint16_t len = 0;

    send_lock(send);
    int ret = root_ref_find(engine, id, &parent, &dir, &index, name, &len);
    send_unlock(send);
    if (ret == -ENOENT) {
        fail_clear();
        len = (uint16_t)snprintf(name, NAME_MAX_BYTES, "subvol-%llu", LLU(id));
        ret = 0;
    }
    name[len] = '\0';
    return ret;
}

static int put_beginning(struct send *send)
{
    struct encoder *out = &send->out;
    const struct side *old = send->old_side, *new = &send->new_side;
    const struct uuid *parent = send->options->resume_from ? &send->token.checkpoint
                                : old                      ? &old->uuid
                                                           : NULL;
    char name[NAME_MAX_BYTES + 1];

    TRY(subvol_name(send, name));
    if (!send->options->omit_header)
        TRY(encode_header(out));
    send_begin(send, parent ? CMD_SNAPSHOT : CMD_SUBVOL, name);
    encode_bytes(out, ATTR_UUID, new->uuid.b, sizeof(new->uuid.b));
    encode_number(out, ATTR_CTRANSID, new->ctransid);
    if (parent) {
        encode_bytes(out, ATTR_CLONE_UUID, parent->b, sizeof(parent->b));
        encode_number(out, ATTR_CLONE_CTRANSID, old ? old->ctransid : new->ctransid);
    }
    return send_end(send);
}

/* The rest is an increment to what the receiver kept, made like the whole. */
static int take_token(struct send *send)
{
    const struct stream_position *at = &send->token.at;

    if (!send->options->resume_from)
        return 0;
    TRY(token_parse(send->options->resume_from, &send->token));
    if (memcmp(&at->uuid, &send->new_side.uuid, sizeof(at->uuid)) != 0 ||
        at->ctransid != send->new_side.ctransid)
        return fail(-EINVAL, "the token is of another subvolume");
    return 0;
}

static void skip_received(struct send *send)
{
    send->out.skip = send->token.at.commands;
    send->out.skipped_sum = send->token.at.sum;
}

static int put_all(struct send *send)
{
    TRY(take_token(send));
    TRY(put_beginning(send));
    skip_received(send);
    TRY(send->old_side ? send_changed_names(send) : send_all_names(send));
    TRY(send_content(send));
    if (send->out.skip > 0)
        return fail(-EINVAL, "the stream is shorter than what was received of it before");
    if (!send->options->omit_end) {
        encode_begin(&send->out, CMD_END);
        TRY(encode_end(&send->out));
    }
    return encoder_flush(&send->out);
}

/* ---- what may be sent ------------------------------------------------------------------------ */

static struct inode *root_of(copse_node *node)
{
    return (struct inode *)node;
}

static int check_subvol(const struct mount *mount, const struct inode *inode)
{
    if (inode->fs != &mount->fs)
        return fail(-EXDEV, "subvolumes of different file systems");
    if (inode->ino != INO_SUBVOL_ROOT || !inode_is_dir(inode))
        return fail(-EINVAL, "not a subvolume");
    return 0;
}

static int check(struct mount *mount, struct inode *subvol,
                 const struct copse_send_options *options)
{
    if (options->protocol < 1 || options->protocol > STREAM_VERSION_MAX)
        return fail(-EINVAL, "protocol %u; 1 to %u are known", options->protocol,
                    STREAM_VERSION_MAX);
    if (options->compressed_data && options->protocol < 2)
        return fail(-EINVAL, "compressed data needs protocol 2");
    TRY(check_subvol(mount, subvol));
    if (options->parent)
        TRY(check_subvol(mount, root_of(options->parent)));
    for (unsigned i = 0; i < options->clone_count; i++)
        TRY(check_subvol(mount, root_of(options->clones[i])));
    return 0;
}

/*
 * Nobody changes the subvolume from now on, and what was accepted before is in its tree. Who was
 * about to change it (deduplication) has finished when files_quiesce returns.
 */
static int hold(struct send *send, struct inode *subvol)
{
    struct fs *fs = &send->mount->fs;
    struct tree_handle **held = realloc(send->held, (send->held_count + 1) * sizeof(*held));

    if (!held)
        return fail(-ENOMEM, "no memory to send");
    send->held = held;
    TRY(subvol_send_begin(fs, subvol->tree));
    held[send->held_count++] = subvol->tree;
    if (store_readonly(fs->store))
        return 0;
    TRY(files_quiesce(fs, subvol->tree->root.id));
    files_resume(fs);
    return 0;
}

/* Promise 9: what was accepted before is in the trees that are read. */
static int hold_all(struct send *send, struct inode *subvol)
{
    const struct copse_send_options *options = send->options;

    TRY(hold(send, subvol));
    if (options->parent)
        TRY(hold(send, root_of(options->parent)));
    for (unsigned i = 0; i < options->clone_count; i++)
        TRY(hold(send, root_of(options->clones[i])));
    return store_readonly(send->store) ? 0 : store_commit(send->store);
}

static int open_sides(struct send *send, struct inode *subvol)
{
    const struct copse_send_options *options = send->options;

    side_open(&send->new_side, subvol);
    if (options->parent) {
        send->old_side = malloc(sizeof(*send->old_side));
        if (!send->old_side)
            return fail(-ENOMEM, "no memory to send");
        side_open(send->old_side, root_of(options->parent));
        if (options->reparent)
            memcpy(send->old_side->uuid.b, options->reparent, sizeof(send->old_side->uuid.b));
    }
    if (options->clone_count == 0)
        return 0;
    send->clones = calloc(options->clone_count, sizeof(*send->clones));
    if (!send->clones)
        return fail(-ENOMEM, "no memory to send");
    for (unsigned i = 0; i < options->clone_count; i++)
        side_open(&send->clones[send->clone_count++], root_of(options->clones[i]));
    return 0;
}

static void let_go(struct send *send)
{
    side_close(&send->new_side);
    if (send->old_side)
        side_close(send->old_side);
    for (unsigned i = 0; i < send->clone_count; i++)
        side_close(&send->clones[i]);
    for (unsigned i = 0; i < send->held_count; i++)
        subvol_send_end(&send->mount->fs, send->held[i]);
    free(send->old_side);
    free(send->clones);
    free(send->held);
    text_free(&send->path);
    encoder_release(&send->out);
}

static int send_held(struct send *send, struct inode *subvol, const struct copse_stream_sink *sink)
{
    TRY(encoder_init(&send->out, send->options->protocol, sink));
    TRY(open_sides(send, subvol));
    uint64_t generation = subvol->tree->root.generation;
    int ret = put_all(send);
    INVARIANT(subvol->tree->root.generation == generation,
              "I9: a subvolume does not change while it is sent");
    return ret;
}

int stream_send(struct mount *mount, struct inode *subvol, const struct copse_send_options *options,
                const struct copse_stream_sink *sink)
{
    struct copse_send_options chosen = *options;
    struct send send = {.mount = mount, .store = mount->fs.store, .options = &chosen};

    TRY(check(mount, subvol, options));
    if (!chosen.parent && chosen.parent_from_clones)
        chosen.parent = send_nearest_parent(subvol, options);
    if (chosen.reparent && !chosen.parent)
        return fail(-EINVAL, "there is no parent to be called otherwise");
    int ret = hold_all(&send, subvol);
    if (ret == 0)
        ret = send_held(&send, subvol, sink);
    let_go(&send);
    return ret;
}
