// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers to the kernel, and notes to people. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "internal.h"

/* A damaged file system may fail every request: say so, but not for ever. */
#define DAMAGE_NOTES_MAX 100

void reply_result(fuse_req_t req, int ret)
{
    struct mounted *m = mounted_of(req);

    if ((ret == -EIO || ret == -EUCLEAN) &&
        atomic_fetch_add(&m->damage_notes, 1) < DAMAGE_NOTES_MAX)
        note(LOG_ERR, "%s", copse_error());
    fuse_reply_err(req, ret < 0 ? -ret : 0);
}

void fill_attr(const struct mounted *m, const struct copse_stat *st, struct stat *out)
{
    const struct copse_fuse_options *options = m->options;

    *out = (struct stat){
        .st_ino = st->ino,
        .st_mode = st->mode,
        .st_nlink = st->nlink,
        .st_uid = options->uid_given ? options->uid : st->uid,
        .st_gid = options->gid_given ? options->gid : st->gid,
        .st_rdev = st->rdev,
        .st_size = (off_t)st->size,
        .st_blksize = (blksize_t)st->blksize,
        .st_blocks = (blkcnt_t)st->blocks,
        .st_atim = st->atime,
        .st_mtim = st->mtime,
        .st_ctim = st->ctime,
    };
}

int make_entry(struct mounted *m, copse_node *node, struct fuse_entry_param *out)
{
    struct fuse_entry_param entry = {
        .attr_timeout = CACHE_SECONDS,
        .entry_timeout = CACHE_SECONDS,
    };
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    if (ret < 0) {
        copse_node_put(node);
        return ret;
    }
    fill_attr(m, &st, &entry.attr);
    entry.generation = st.generation;
    entry.ino = nodes_enter(m, node);
    if (entry.ino == 0)
        return -ENOMEM;
    *out = entry;
    return 0;
}

void reply_entry(fuse_req_t req, copse_node *node)
{
    struct mounted *m = mounted_of(req);
    struct fuse_entry_param entry;

    int ret = make_entry(m, node, &entry);
    if (ret < 0)
        reply_result(req, ret);
    else if (fuse_reply_entry(req, &entry) != 0)
        nodes_forget(m, entry.ino, 1); /* the caller was interrupted: the kernel never saw it */
}

void reply_attr(fuse_req_t req, copse_node *node)
{
    struct copse_stat st;
    struct stat attr;

    int ret = copse_stat(node, &st);
    if (ret < 0) {
        reply_result(req, ret);
        return;
    }
    fill_attr(mounted_of(req), &st, &attr);
    fuse_reply_attr(req, &attr, CACHE_SECONDS);
}

/* ---- notes ----------------------------------------------------------------------------------- */

static atomic_bool use_syslog;

static void note_args(int priority, const char *format, va_list args)
{
    char text[COPSE_FUSE_MESSAGE_MAX];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    if (atomic_load(&use_syslog))
        syslog(LOG_DAEMON | priority, "%s", text);
    else
        fprintf(stderr, "copse mount: %s\n", text);
}

void note(int priority, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note_args(priority, format, args);
    va_end(args);
}

static void library_note(void *arg, enum copse_note_level level, const char *message)
{
    static const int priorities[] = {
        [COPSE_NOTE_INFO] = LOG_INFO,
        [COPSE_NOTE_WARNING] = LOG_WARNING,
        [COPSE_NOTE_ERROR] = LOG_ERR,
    };

    (void)arg;
    note(priorities[level], "%s", message);
}

static void fuse_note(enum fuse_log_level level, const char *format, va_list args)
{
    /* libfuse counts as syslog does. That /dev/fuse cannot be opened a second time only means that
     * the threads share one descriptor. */
    if (level <= FUSE_LOG_WARNING && !strstr(format, "clone_fd") &&
        !strstr(format, "failed to open %s"))
        note_args((int)level, format, args);
}

void notes_start(void)
{
    fuse_set_log_func(fuse_note);
    copse_set_note_handler(library_note, NULL);
}

void notes_to_syslog(void)
{
    openlog("copse", LOG_PID, LOG_DAEMON);
    atomic_store(&use_syslog, true);
}
