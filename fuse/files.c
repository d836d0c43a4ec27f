// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on the content of files. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "internal.h"

/* One answer of copy_file_range: its length has 32 bits, and a caller can be interrupted. */
#define COPY_MAX (1u << 30)
/* Linux gives no symlink target more room. */
#define TARGET_MAX 4096

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[TARGET_MAX + 1];
    size_t len;

    int ret = copse_readlink(node_of(mounted_of(req), ino), target, TARGET_MAX, &len);
    if (ret == 0 && len > TARGET_MAX)
        ret = -ENAMETOOLONG;
    if (ret < 0) {
        reply_result(req, ret);
        return;
    }
    target[len] = '\0';
    fuse_reply_readlink(req, target);
}

static bool is_for_writing(const struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) != O_RDONLY;
}

static int truncate_on_open(fuse_req_t req, copse_node *node)
{
    const struct copse_stat empty = {.size = 0};
    unsigned set = COPSE_SET_SIZE | COPSE_SET_MTIME_NOW;

    /* The kernel leaves this to us together with the truncation. */
    if (fuse_req_ctx(req)->uid != 0)
        set |= COPSE_SET_KILL_SUIDGID;
    return copse_setattr(node, set, &empty);
}

int open_node(fuse_req_t req, copse_node *node, struct fuse_file_info *fi)
{
    if ((is_for_writing(fi) || (fi->flags & O_TRUNC)) && copse_readonly(mounted_of(req)->fs))
        return -EROFS;
    if (fi->flags & O_TRUNC) {
        int ret = truncate_on_open(req, node);
        if (ret < 0)
            return ret;
    }
    struct open_file *file = calloc(1, sizeof(*file));

    if (!file)
        return -ENOMEM;
    file->mounted = mounted_of(req);
    file->node = node;
    file->writable = is_for_writing(fi);
    if (file->writable) {
        struct copse_stat st;
        int ret = copse_stat(node, &st);

        if (ret < 0) {
            free(file);
            return ret;
        }
        file->subvol = st.subvol;
    }
    atomic_init(&file->errors_seen, copse_errors_seen(node));
    pthread_mutex_lock(&file->mounted->nodes_lock);
    LIST_INSERT_HEAD(&file->mounted->files, file, entry);
    pthread_mutex_unlock(&file->mounted->nodes_lock);
    fi->fh = (uintptr_t)file;
    fi->keep_cache = 1;
    /* What close(2) asks for is an error of writeback: nothing to ask a reader. */
    fi->noflush = !is_for_writing(fi);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
    fi->parallel_direct_writes = 1;
#endif
    return 0;
}

void close_node(struct fuse_file_info *fi)
{
    struct open_file *file = open_file_of(fi);

    fi->fh = 0;
    if (!file)
        return;
    pthread_mutex_lock(&file->mounted->nodes_lock);
    LIST_REMOVE(file, entry);
    pthread_mutex_unlock(&file->mounted->nodes_lock);
    free(file);
}

void files_release(struct mounted *m)
{
    while (!LIST_EMPTY(&m->files)) {
        struct open_file *file = LIST_FIRST(&m->files);

        LIST_REMOVE(file, entry);
        free(file);
    }
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    int ret = open_node(req, node_of(mounted_of(req), ino), fi);

    if (ret < 0)
        reply_result(req, ret);
    else if (fuse_reply_open(req, fi) != 0)
        close_node(fi);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    char *buf = malloc(size);
    size_t done;

    (void)fi;
    int ret =
        buf ? copse_pread(node_of(mounted_of(req), ino), buf, size, (uint64_t)off, &done) : -ENOMEM;
    if (ret < 0)
        reply_result(req, ret);
    else
        fuse_reply_buf(req, buf, done);
    free(buf);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
              struct fuse_file_info *fi)
{
    copse_node *node = node_of(mounted_of(req), ino);
    size_t done = 0;

    int ret = fi->flags & O_DIRECT ? copse_pwrite_direct(node, buf, size, (uint64_t)off, &done)
                                   : copse_pwrite(node, buf, size, (uint64_t)off, &done);
    /* What was written counts; the failure comes back with the next call. */
    if (done > 0)
        fuse_reply_write(req, done);
    else
        reply_result(req, ret);
}

/* What went wrong with the file and this opening of it does not know yet. */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct open_file *file = open_file_of(fi);
    uint64_t seen = atomic_load(&file->errors_seen);

    int ret = copse_flush_since(node_of(mounted_of(req), ino), &seen);
    atomic_store(&file->errors_seen, seen);
    reply_result(req, ret);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    close_node(fi);
    fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct open_file *file = open_file_of(fi);
    uint64_t seen = atomic_load(&file->errors_seen);

    int ret = copse_fsync_since(node_of(mounted_of(req), ino), datasync != 0, &seen);
    atomic_store(&file->errors_seen, seen);
    reply_result(req, ret);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct mounted *m = mounted_of(req);

    (void)fi;
    /* Of the root: for all, as syncfs(2) never gets here. */
    reply_result(req, ino == FUSE_ROOT_ID ? copse_sync(m->fs)
                                          : copse_fsync(node_of(m, ino), datasync != 0));
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                  struct fuse_file_info *fi)
{
    (void)fi;
    reply_result(req, copse_fallocate(node_of(mounted_of(req), ino), mode, (uint64_t)offset,
                                      (uint64_t)length));
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
    uint64_t found;

    (void)fi;
    int ret = copse_lseek(node_of(mounted_of(req), ino), (uint64_t)off, whence, &found);
    if (ret < 0)
        reply_result(req, ret);
    else
        fuse_reply_lseek(req, (off_t)found);
}

/* The kernel drops what it has cached of the destination when we answer. */
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                        struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                        struct fuse_file_info *fi_out, size_t len, int flags)
{
    struct mounted *m = mounted_of(req);
    uint64_t done;

    (void)fi_in, (void)fi_out;
    int ret = flags != 0
                  ? -EINVAL
                  : copse_copy_range(node_of(m, ino_in), (uint64_t)off_in, node_of(m, ino_out),
                                     (uint64_t)off_out, MIN(len, COPY_MAX), &done);
    if (ret < 0)
        reply_result(req, ret);
    else
        fuse_reply_write(req, done);
}
