// SPDX-License-Identifier: GPL-2.0-or-later
/* What commands do to files. Whoever receives acts as root inside. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "disk/compress/compress.h"
#include "ops/stream/receive.h"

#define LLU(v) ((unsigned long long)(v))
#define COPY_BYTES (1 * MIB)
/* Data that waits in memory: little enough to be in the processor's caches still, enough for long
 * extents. */
#define UNWRITTEN_MAX (16 * MIB)

static const struct copse_cred root_cred = {0};

static uint64_t number(const struct command *command, enum stream_attribute attr)
{
    return command_number(command, attr);
}

static const struct attribute *path_of(const struct command *command)
{
    return &command->attributes[ATTR_PATH];
}

/* ---- making ---------------------------------------------------------------------------------- */

/* What a directory hands down is not what was sent. */
static int drop_inherited(struct receiver *r, struct inode *inode)
{
    static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default",
                                        "btrfs.compression"};

    for (size_t i = 0; i < ARRAY_LEN(names) && !xattr_none(inode); i++) {
        int ret = mount_removexattr(r->mount, inode, names[i]);
        if (ret < 0 && ret != -ENODATA && ret != -EOPNOTSUPP)
            return ret;
        fail_clear();
    }
    return 0;
}

static char *text_of(const struct attribute *attr)
{
    return strndup((const char *)attr->data, attr->len);
}

static int make_symlink(struct receiver *r, const struct command *command, struct inode *dir,
                        const struct last_name *name, struct inode **out)
{
    AUTO_FREE char *target = text_of(&command->attributes[ATTR_PATH_LINK]);

    if (!target)
        return fail(-ENOMEM, "no memory for a symlink");
    return mount_symlink(r->mount, dir, name->at, name->len, target, &root_cred, out);
}

static int make_special(struct receiver *r, const struct command *command, struct inode *dir,
                        const struct last_name *name, struct inode **out)
{
    uint64_t mode = number(command, ATTR_MODE), rdev = number(command, ATTR_RDEV);

    if (mode > UINT16_MAX || rdev > UINT32_MAX ||
        (!S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)))
        return fail(-EINVAL, "mode %llo, device %llx", LLU(mode), LLU(rdev));
    return mount_mknod(r->mount, dir, name->at, name->len, (uint32_t)mode, rdev, &root_cred, out);
}

static int make_in(struct receiver *r, const struct command *command, struct inode *dir,
                   const struct last_name *name, struct inode **out)
{
    uint32_t mode = S_IFREG | 0600;

    switch (command->type) {
    case CMD_MKDIR:
        return mount_mkdir(r->mount, dir, name->at, name->len, 0700, &root_cred, out);
    case CMD_SYMLINK:
        return make_symlink(r, command, dir, name, out);
    case CMD_MKNOD:
        return make_special(r, command, dir, name, out);
    case CMD_MKFIFO:
        mode = S_IFIFO | 0600;
        break;
    case CMD_MKSOCK:
        mode = S_IFSOCK | 0600;
        break;
    default:
        break;
    }
    return mount_mknod(r->mount, dir, name->at, name->len, mode, 0, &root_cred, out);
}

static int make(struct receiver *r, const struct command *command)
{
    struct last_name name;
    struct inode *dir, *made;

    TRY(receive_parent(r, path_of(command), &dir, &name));
    int ret = make_in(r, command, dir, &name, &made);
    inode_put(dir);
    if (ret < 0)
        return ret;
    ret = drop_inherited(r, made);
    inode_put(made);
    return ret;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int make_link(struct receiver *r, const struct command *command)
{
    struct inode *existing, *dir;
    struct last_name name;

    TRY(receive_find(r, &command->attributes[ATTR_PATH_LINK], &existing));
    int ret = receive_parent(r, path_of(command), &dir, &name);
    if (ret == 0) {
        ret = mount_link(r->mount, existing, dir, name.at, name.len);
        inode_put(dir);
    }
    inode_put(existing);
    return ret;
}

static int rename_it(struct receiver *r, const struct command *command)
{
    struct last_name from, to;
    struct inode *from_dir, *to_dir;

    TRY(receive_parent(r, path_of(command), &from_dir, &from));
    int ret = receive_parent(r, &command->attributes[ATTR_PATH_TO], &to_dir, &to);
    receive_forget(r);
    if (ret == 0) {
        ret = mount_rename(r->mount, from_dir, from.at, from.len, to_dir, to.at, to.len, 0);
        inode_put(to_dir);
    }
    inode_put(from_dir);
    return ret;
}

static int remove_it(struct receiver *r, const struct command *command)
{
    struct last_name name;
    struct inode *dir;

    TRY(receive_parent(r, path_of(command), &dir, &name));
    receive_forget(r);
    int ret = command->type == CMD_RMDIR ? mount_rmdir(r->mount, dir, name.at, name.len)
                                         : mount_unlink(r->mount, dir, name.at, name.len);
    inode_put(dir);
    return ret;
}

/* ---- data ------------------------------------------------------------------------------------ */

static int write_all(struct receiver *r, struct inode *inode, const uint8_t *data, size_t len,
                     uint64_t offset)
{
    size_t done;

    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return fail(-EFBIG, "a write at %llu", LLU(offset));
    while (len > 0) {
        TRY(mount_pwrite(r->mount, inode, data, len, offset, &done));
        data += done;
        offset += done;
        len -= done;
        r->unwritten += done;
    }
    if (r->unwritten < UNWRITTEN_MAX)
        return 0;
    r->unwritten = 0;
    return files_writeback_tree(&r->mount->fs, inode->tree->root.id);
}

static int write_it(struct receiver *r, const struct command *command, struct inode *inode)
{
    const struct attribute *data = &command->attributes[ATTR_DATA];

    return write_all(r, inode, data->data, data->len, number(command, ATTR_FILE_OFFSET));
}

/* Data that this file system cannot keep packed as it came. */
static int write_unpacked(struct receiver *r, const struct command *command, struct inode *inode,
                          uint32_t lzo_sector)
{
    const struct attribute *data = &command->attributes[ATTR_DATA];
    uint64_t ram = number(command, ATTR_UNENCODED_LEN);
    uint64_t from = number(command, ATTR_UNENCODED_OFFSET);
    uint64_t len = number(command, ATTR_UNENCODED_FILE_LEN);
    AUTO_FREE uint8_t *unpacked = NULL;
    size_t got;

    if (ram > COMPRESSED_EXTENT_MAX || from > ram || len > ram - from)
        return fail(-EINVAL, "%llu bytes from %llu on of %llu", LLU(len), LLU(from), LLU(ram));
    unpacked = calloc(1, ram + 1);
    if (!unpacked)
        return fail(-ENOMEM, "no memory to unpack an extent");
    if (lzo_sector == 0)
        memcpy(unpacked, data->data, MIN(ram, (uint64_t)data->len));
    else
        TRY(decompress_extent(COMPRESS_LZO, lzo_sector, data->data, data->len, unpacked, ram,
                              &got));
    return write_all(r, inode, unpacked + from, len, number(command, ATTR_FILE_OFFSET));
}

static int write_encoded(struct receiver *r, const struct command *command, struct inode *inode)
{
    uint64_t how = number(command, ATTR_COMPRESSION);
    struct file_encoded what = {
        .offset = number(command, ATTR_FILE_OFFSET),
        .file_len = number(command, ATTR_UNENCODED_FILE_LEN),
        .ram_bytes = number(command, ATTR_UNENCODED_LEN),
        .ram_offset = number(command, ATTR_UNENCODED_OFFSET),
        .data = command->attributes[ATTR_DATA].data,
        .len = command->attributes[ATTR_DATA].len,
    };

    if (number(command, ATTR_ENCRYPTION) != 0 || how > STREAM_LZO_64K)
        return fail(-EOPNOTSUPP, "compression %llu, encryption %llu", LLU(how),
                    LLU(number(command, ATTR_ENCRYPTION)));
    if (how == STREAM_PLAIN)
        return write_unpacked(r, command, inode, 0);
    if (how >= STREAM_LZO_4K) {
        uint32_t sector = 4096U << (how - STREAM_LZO_4K);

        if (sector != r->mount->fs.store->engine.sectorsize)
            return write_unpacked(r, command, inode, sector);
    }
    what.compression = how == STREAM_ZLIB   ? COMPRESS_ZLIB
                       : how == STREAM_ZSTD ? COMPRESS_ZSTD
                                            : COMPRESS_LZO;
    return file_write_encoded(inode, &what);
}

static int copy_range(struct receiver *r, struct inode *src, uint64_t from, uint64_t len,
                      struct inode *dst, uint64_t to)
{
    AUTO_FREE uint8_t *buf = malloc(COPY_BYTES);

    if (!buf)
        return fail(-ENOMEM, "no memory to copy");
    while (len > 0) {
        size_t done;

        TRY(file_read(src, buf, MIN(len, COPY_BYTES), from, &done));
        if (done == 0)
            return fail(-EINVAL, "the source of a clone ends at %llu", LLU(from));
        TRY(write_all(r, dst, buf, done, to));
        from += done;
        to += done;
        len -= done;
    }
    return 0;
}

static int clone_source(struct receiver *r, const struct command *command, struct inode **out)
{
    struct inode *root;
    struct uuid uuid;

    command_uuid(command, ATTR_CLONE_UUID, &uuid);
    if (memcmp(&uuid, &r->uuid, sizeof(uuid)) == 0)
        root = inode_ref(r->subvol);
    else
        TRY(receive_by_uuid(r, &uuid, number(command, ATTR_CLONE_CTRANSID), &root));
    int ret = receive_find_in(r, root, &command->attributes[ATTR_CLONE_PATH], out);
    inode_put(root);
    return ret;
}

/* Where one file has checksums and the other has none, nothing can be shared. */
static int clone_it(struct receiver *r, const struct command *command, struct inode *inode)
{
    uint64_t from = number(command, ATTR_CLONE_OFFSET), to = number(command, ATTR_FILE_OFFSET);
    uint64_t len = number(command, ATTR_CLONE_LEN);
    struct inode *source;

    if (len == 0)
        return 0;
    TRY(clone_source(r, command, &source));
    int ret;
    if (inode_is_reg(source) && inode_is_reg(inode) &&
        ((inode_flags(source) ^ inode_flags(inode)) & INODE_NODATASUM))
        ret = copy_range(r, source, from, len, inode, to);
    else
        ret = file_clone_range(source, from, len, inode, to);
    inode_put(source);
    return ret;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int set_xattr(struct receiver *r, const struct command *command, struct inode *inode)
{
    const struct attribute *value = &command->attributes[ATTR_XATTR_DATA];
    AUTO_FREE char *name = text_of(&command->attributes[ATTR_XATTR_NAME]);

    if (!name)
        return fail(-ENOMEM, "no memory for an attribute");
    if (command->type == CMD_REMOVE_XATTR)
        return mount_removexattr(r->mount, inode, name);
    return mount_setxattr(r->mount, inode, name, value->data, value->len, 0);
}

static int set_fields(struct receiver *r, const struct command *command, struct inode *inode)
{
    struct copse_stat st = {0};

    switch (command->type) {
    case CMD_TRUNCATE:
        st.size = number(command, ATTR_SIZE);
        return mount_setattr(r->mount, inode, COPSE_SET_SIZE, &st);
    case CMD_CHMOD:
        st.mode = (uint32_t)number(command, ATTR_MODE) & 07777;
        return mount_setattr(r->mount, inode, COPSE_SET_MODE, &st);
    default:
        if (number(command, ATTR_UID) > UINT32_MAX || number(command, ATTR_GID) > UINT32_MAX)
            return fail(-EINVAL, "owner %llu, group %llu", LLU(number(command, ATTR_UID)),
                        LLU(number(command, ATTR_GID)));
        st.uid = (uint32_t)number(command, ATTR_UID);
        st.gid = (uint32_t)number(command, ATTR_GID);
        return mount_setattr(r->mount, inode, COPSE_SET_UID | COPSE_SET_GID, &st);
    }
}

static struct timespec time_of(const struct command *command, enum stream_attribute attr)
{
    struct timestamp stamp;

    command_time(command, attr, &stamp);
    return (struct timespec){.tv_sec = (time_t)(int64_t)stamp.sec, .tv_nsec = stamp.nsec};
}

static int set_times(struct receiver *r, const struct command *command, struct inode *inode)
{
    const struct copse_stat st = {
        .atime = time_of(command, ATTR_ATIME),
        .mtime = time_of(command, ATTR_MTIME),
        .ctime = time_of(command, ATTR_CTIME),
    };

    TRY(mount_setattr(r->mount, inode, COPSE_SET_ATIME | COPSE_SET_MTIME | COPSE_SET_CTIME, &st));
    if (!command_has(command, ATTR_OTIME))
        return 0;
    pthread_mutex_lock(&inode->item_lock);
    command_time(command, ATTR_OTIME, &inode->item.otime);
    pthread_mutex_unlock(&inode->item_lock);
    inode_mark_dirty(inode);
    return 0;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int change(struct receiver *r, const struct command *command, struct inode *inode)
{
    switch (command->type) {
    case CMD_SET_XATTR:
    case CMD_REMOVE_XATTR:
        return set_xattr(r, command, inode);
    case CMD_WRITE:
        return write_it(r, command, inode);
    case CMD_ENCODED_WRITE:
        return write_encoded(r, command, inode);
    case CMD_CLONE:
        return clone_it(r, command, inode);
    case CMD_TRUNCATE:
    case CMD_CHMOD:
    case CMD_CHOWN:
        return set_fields(r, command, inode);
    case CMD_UTIMES:
        return set_times(r, command, inode);
    case CMD_FALLOCATE:
        return file_fallocate(inode, (int)number(command, ATTR_FALLOCATE_MODE),
                              number(command, ATTR_FILE_OFFSET), number(command, ATTR_SIZE));
    case CMD_FILEATTR:
        return 0; /* no sender says what its bits mean */
    case CMD_ENABLE_VERITY:
        return receive_verity(r, command, inode);
    default:
        /* A subvolume without its data must not look like a copy. */
        return fail(-EOPNOTSUPP, "the stream was made without data");
    }
}

static int change_path(struct receiver *r, const struct command *command)
{
    struct inode *inode;

    TRY(receive_find(r, path_of(command), &inode));
    int ret = change(r, command, inode);
    inode_put(inode);
    return ret;
}

int receive_command(struct receiver *r, const struct command *command)
{
    switch (command->type) {
    case CMD_MKFILE:
    case CMD_MKDIR:
    case CMD_MKNOD:
    case CMD_MKFIFO:
    case CMD_MKSOCK:
    case CMD_SYMLINK:
        return make(r, command);
    case CMD_LINK:
        return make_link(r, command);
    case CMD_RENAME:
        return rename_it(r, command);
    case CMD_UNLINK:
    case CMD_RMDIR:
        return remove_it(r, command);
    default:
        return change_path(r, command);
    }
}
