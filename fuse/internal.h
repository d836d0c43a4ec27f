/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the mount share. Everything below goes through <copse/copse.h>.
 *
 * The kernel caches names, attributes and pages without limit in time: whatever changes comes
 * through it. Its writeback cache stays off, because a write that returned must have its space.
 */
#ifndef COPSE_FUSE_INTERNAL_H
#define COPSE_FUSE_INTERNAL_H

#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <copse/copse.h>
#include "fuse_ioctl.h"
#include "fuse_mount.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* Names and attributes stay valid until the kernel drops them: a year. */
#define CACHE_SECONDS (365.0 * 86400)

/* A node the kernel knows; its address is the kernel's number for it. */
struct known_node;

struct control {
    int listener; /* -1: none */
    char name[64];
};

/* jobs.c */
struct jobs {
    int listener, stop; /* -1: none; stop: readable from the moment all shall end */
    pthread_t thread;
};

struct mounted {
    copse_fs *fs;
    const struct copse_fuse_options *options;
    struct fuse_session *session;
    struct control control;
    struct jobs jobs;

    copse_node *root;
    pthread_mutex_t nodes_lock; /* and of files */
    struct known_node *nodes;
    LIST_HEAD(, open_file) files;

    pthread_mutex_t asides_lock;
    pthread_cond_t asides_gone;
    unsigned asides; /* threads of aside_start() */

    void (*ready)(struct mounted *m); /* called once, when the kernel and we agreed */
    int *ready_fd;                    /* -1 once the parent was told */
    pthread_t main_thread;
    atomic_bool loop_ended;
    atomic_uint damage_notes;
};

/* What the kernel has open once; fuse_file_info.fh of files, and 0 of directories. */
struct open_file {
    struct mounted *mounted;
    LIST_ENTRY(open_file) entry;
    _Atomic uint64_t errors_seen; /* copse_errors_seen() */
    bool writable;
    copse_node *node; /* not held; the kernel does that, and may forget before it closes */
    uint64_t subvol;  /* that a writable one is in */
};

static inline struct open_file *open_file_of(const struct fuse_file_info *fi)
{
    return (struct open_file *)(uintptr_t)fi->fh;
}

static inline struct mounted *mounted_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* files.c: drops whatever is still open, after the end */
void files_release(struct mounted *m);

/* launder.c: run(arg) on a thread of its own, so that a worker is free; all have ended after
 * asides_wait(). */
int aside_start(struct mounted *m, void (*run)(void *arg), void *arg);
void asides_wait(struct mounted *m);
/*
 * Has the kernel write what was stored through shared mappings into files of a subvolume, or into
 * one. Before a snapshot, a switch to read-only, a send, a dedupe. Not by a worker, with no lock
 * held: the writes come to us meanwhile.
 */
int launder_subvol(struct mounted *m, uint64_t subvol);
void launder_node(struct mounted *m, copse_node *node);

/* nodes.c */
copse_node *node_of(struct mounted *m, fuse_ino_t ino);
/* Counts one lookup by the kernel and takes over the reference to node. 0: no memory. */
fuse_ino_t nodes_enter(struct mounted *m, copse_node *node);
/* What the kernel calls a node; 0: it does not know it. */
fuse_ino_t nodes_number(struct mounted *m, copse_node *node);
/* Has the kernel drop attributes and pages of all that it knows of a subvolume. */
void nodes_invalidate(struct mounted *m, uint64_t subvol);
void nodes_forget(struct mounted *m, fuse_ino_t ino, uint64_t lookups);
/* Drops whatever the kernel has not forgotten, after the end. */
void nodes_release(struct mounted *m);

/* reply.c */
/* Answers with an error, or with success without data (ret >= 0). */
void reply_result(fuse_req_t req, int ret);
void fill_attr(const struct mounted *m, const struct copse_stat *st, struct stat *out);
/* The entry for node, whose reference is taken over. */
int make_entry(struct mounted *m, copse_node *node, struct fuse_entry_param *out);
void reply_entry(fuse_req_t req, copse_node *node);
void reply_attr(fuse_req_t req, copse_node *node);
/* For copse_fuse_run: where notes of the library and of libfuse go. */
void note(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
void notes_start(void);
/* From now on to the system log; nobody reads standard error any more. */
void notes_to_syslog(void);

/* names.c, attr.c, files.c, dirs.c, xattr.c, ioctl.c: the operations */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned flags);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi);
void op_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi);

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi);
void op_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask, struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* Opens node, which a create made or an open found: sets fi, truncates when asked. */
int open_node(fuse_req_t req, copse_node *node, struct fuse_file_info *fi);
void close_node(struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
              struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                        struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                        struct fuse_file_info *fi_out, size_t len, int flags);

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
              unsigned flags, const void *in_buf, size_t in_size, size_t out_size);

/* ioctl_list.c: the next piece of a list that has come as far as *list says */
int list_next(struct mounted *m, copse_node *node, struct copse_ioc_list *list);

/* ioctl_quota.c: bytes of such a command, 0 for any other; and what it does. */
size_t quota_ioctl_size(unsigned cmd);
int quota_ioctl(copse_fs *fs, unsigned cmd, void *data);
/* ioctl_subvol.c: bytes of data, 0 for others; and running one. */
size_t subvol_ioctl_size(unsigned cmd);
int subvol_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *data);

/* names.c: whom new files belong to. attr.c: whether who asks is in that group. */
struct copse_cred cred_of(fuse_req_t req);
bool is_in_group(fuse_req_t req, gid_t gid);

/* ops.c */
extern const struct fuse_lowlevel_ops copse_ops;

/* control.c: how a process that unmounts learns how the last commit went */
int control_open(struct control *control);
/* A socket of that name, which is in no directory. */
int control_listen(const char *name, int *out);
/* Tells everybody who asked, and closes. */
void control_finish(struct control *control, int result, const char *message);

/* jobs.c: sending and receiving, by threads of their own */
int jobs_start(struct mounted *m);
/* No more of them, and those that run shall end: asides_wait() waits for that. */
void jobs_stop(struct mounted *m);

struct control_result {
    int32_t result; /* 0 or negative errno */
    char message[COPSE_FUSE_MESSAGE_MAX];
};

/* umount.c */
/* 0 or negative errno; output: what fusermount3 said, COPSE_FUSE_MESSAGE_MAX bytes. */
int unmount_now(const char *dir, bool lazy, char *output);

/* signals.c: SIGTERM, SIGINT and SIGHUP unmount */
struct signals {
    pthread_t thread;
    struct mounted *m;
};
/* Before any thread is started. */
void signals_block(void);
int signals_start(struct signals *signals, struct mounted *m);
void signals_stop(struct signals *signals);

/* capture.c: what a piece of code prints to standard error, for a message of one line */
struct capture {
    int file, saved;
};
void capture_start(struct capture *capture);
/* Text of at most cap - 1 bytes, line breaks turned to "; ". */
void capture_end(struct capture *capture, char *text, size_t cap);

#endif
