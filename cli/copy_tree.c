// SPDX-License-Identifier: GPL-2.0-or-later
/* One file after another. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "copy.h"
#include "host.h"

/* What only a copy can fail with; no errno is so large. */
enum { ONTO_IMAGE = -100000, ONTO_ITSELF };

void copy_failed(struct copy *copy, const char *shown, int err)
{
    if (err == ONTO_IMAGE)
        copy->result = cli_fail_because(copy->cli, shown, -EBUSY, OPEN_IMAGE);
    else if (err == ONTO_ITSELF)
        copy->result = cli_fail_because(copy->cli, shown, -EEXIST, "the same file");
    else
        copy->result = cli_fail(copy->cli, shown, err);
    copy->full |= err == -ENOSPC || err == -EDQUOT || err == -EROFS;
}

/* One file of the walk. */
struct step {
    struct copy *copy;
    struct file *src;
    const char *src_shown;
    struct copse_stat st;
    struct file *dir;
    const char *name;
    const char *dst_shown;
    const struct above *up;
};

static int failed_here(int err)
{
    cli_failed_in_library(false);
    return err;
}

static bool same_file(const struct step *step, struct file *other, const struct copse_stat *st)
{
    return file_same_tree(step->src, other) && st->subvol == step->st.subvol &&
           st->subvol_ino == step->st.subvol_ino;
}

/* Whether an old file may be lost for the copy. */
static int may_replace(const struct step *step, struct file *old, const struct copse_stat *st)
{
    if (same_file(step, old, st))
        return failed_here(ONTO_ITSELF);
    if (S_ISDIR(st->mode))
        return failed_here(-EISDIR);
    if (old->tree == host_tree() && host_path_is_open_image(old->path))
        return failed_here(ONTO_IMAGE);
    return 0;
}

/*
 * Makes way for the copy. 1: a regular file is there and stays, *out; 0: nothing is there any more.
 */
static int clear_the_way(const struct step *step, struct file *out)
{
    struct copse_stat st;
    int ret = file_lookup(step->dir, step->name, out);

    if (ret == -ENOENT)
        return 0;
    if (ret < 0)
        return ret;
    ret = file_stat(out, &st);
    if (ret == 0)
        ret = may_replace(step, out, &st);
    if (ret == 0 && S_ISREG(st.mode) && S_ISREG(step->st.mode) &&
        !(step->copy->archive && st.nlink > 1))
        return 1;
    file_close(out);
    return ret < 0 ? ret : file_unlink(step->dir, step->name, false);
}

/* With -a: another name of a file that was copied before. 1: linked. */
static int link_again(const struct step *step)
{
    struct copy *copy = step->copy;
    const char *where = step->dst_shown;
    struct place place;
    struct file first, old;
    int ret;

    if (!copy->archive || step->st.nlink < 2 || S_ISDIR(step->st.mode) ||
        !seen_before(&copy->seen, &step->st, &where))
        return 0;
    if (place_find(copy->cli, where, WANT_CHANGE, true, &place) != 0)
        return 0;
    ret = file_walk(place.tree, place.path, true, &first);
    place_free(&place);
    if (ret < 0)
        return ret;
    ret = clear_the_way(step, &old);
    if (ret == 1) {
        file_close(&old);
        ret = file_unlink(step->dir, step->name, false);
    }
    if (ret == 0)
        ret = file_link(&first, step->dir, step->name);
    file_close(&first);
    return ret < 0 ? ret : 1;
}

/* What the user's symlink leads to is written to, and stays open for its owner. */
static int open_through(const struct step *step, struct file *through, struct file *dst)
{
    const struct copse_stat empty = {0};
    struct copse_stat st;
    int ret = file_stat(through, &st);

    if (ret == 0)
        ret = may_replace(step, through, &st);
    if (ret == 0 && !S_ISREG(st.mode))
        ret = failed_here(-EINVAL);
    if (ret == 0)
        ret = file_set(through, COPSE_SET_SIZE, &empty);
    if (ret < 0)
        return ret;
    *dst = *through;
    *through = (struct file){.fd = -1, .dir_fd = -1};
    return 0;
}

static int open_copy(const struct step *step, struct file *dst, bool *made)
{
    const struct copse_stat empty = {0};
    int ret;

    *made = false;
    if (!step->up && step->copy->through)
        return open_through(step, step->copy->through, dst);
    ret = clear_the_way(step, dst);

    *made = ret == 0;
    if (ret == 1)
        return file_set(dst, COPSE_SET_SIZE, &empty);
    return ret < 0 ? ret : file_make(step->dir, step->name, S_IFREG | 0600, 0, dst);
}

static void copy_regular(const struct step *step)
{
    struct copy *copy = step->copy;
    enum copy_side side = SIDE_COPY;
    struct file dst;
    bool made;
    int ret = open_copy(step, &dst, &made);

    if (ret == 0) {
        if (copy->archive)
            ret = copy_storage_attributes(copy, step->src, &dst);
        if (ret == 0)
            ret = copy_content(copy, step->src, &dst, step->st.size, &side);
        if (ret == 0) {
            side = SIDE_COPY;
            ret = copy_attributes(copy, step->src, &step->st, &dst, made);
        }
        file_close(&dst);
    }
    if (ret < 0)
        copy_failed(copy, side == SIDE_SOURCE ? step->src_shown : step->dst_shown, ret);
}

/* Symlinks, devices, fifos, sockets. */
static void copy_special(const struct step *step)
{
    struct file dst;
    char *target = NULL;
    int ret = clear_the_way(step, &dst);

    if (ret == 0 && S_ISLNK(step->st.mode)) {
        ret = file_readlink(step->src, &target);
        if (ret == 0)
            ret = file_symlink(step->dir, step->name, target, &dst);
        free(target);
    } else if (ret == 0) {
        ret =
            file_make(step->dir, step->name, (step->st.mode & S_IFMT) | 0600, step->st.rdev, &dst);
    }
    if (ret == 0) {
        ret = copy_attributes(step->copy, step->src, &step->st, &dst, true);
        file_close(&dst);
    }
    if (ret < 0)
        copy_failed(step->copy, step->dst_shown, ret);
}

/* ---- directories ----------------------------------------------------------------------------- */

/* The directory of the copy: there already, or made. */
static int open_dir_copy(const struct step *step, struct file *dst, bool *made)
{
    struct copse_stat st;
    int ret = file_lookup(step->dir, step->name, dst);

    *made = ret == -ENOENT;
    if (ret == -ENOENT)
        return file_make(step->dir, step->name, S_IFDIR | 0700, 0, dst);
    if (ret < 0)
        return ret;
    ret = file_stat(dst, &st);
    if (ret == 0 && !S_ISDIR(st.mode))
        ret = failed_here(-ENOTDIR);
    if (ret < 0)
        file_close(dst);
    return ret;
}

static bool is_top(const struct copy *copy, struct file *dir, const struct copse_stat *st)
{
    return dir->tree == copy->top_tree && st->subvol == copy->top_subvol &&
           st->subvol_ino == copy->top_ino;
}

static void copy_names(const struct step *step, struct file *dst)
{
    struct names names;
    struct above here;
    int ret = above_enter(step->up, step->src, &here);

    if (ret == 0)
        ret = file_list(step->src, &names);
    if (ret < 0) {
        copy_failed(step->copy, step->src_shown, ret);
        return;
    }
    for (size_t i = 0; i < names.count && !cli_interrupted() && !step->copy->full; i++) {
        const char *name = names.list[i].name;
        char *src_shown = path_below(step->src_shown, name);
        char *dst_shown = path_below(step->dst_shown, name);
        struct file child;

        ret = file_lookup(step->src, name, &child);
        if (ret < 0) {
            copy_failed(step->copy, src_shown, ret);
        } else {
            copy_into(step->copy, &child, src_shown, dst, name, dst_shown, &here);
            file_close(&child);
        }
        free(src_shown);
        free(dst_shown);
    }
    names_free(&names);
}

/* Remembers where the whole copy goes, the first time. */
static int note_top(struct copy *copy, struct file *dst)
{
    struct copse_stat st;
    int ret;

    if (copy->top_tree)
        return 0;
    ret = file_stat(dst, &st);
    if (ret < 0)
        return ret;
    copy->top_tree = dst->tree;
    copy->top_subvol = st.subvol;
    copy->top_ino = st.subvol_ino;
    return 0;
}

static void copy_dir(const struct step *step)
{
    struct copy *copy = step->copy;
    struct file made_dir, *dst = step->dir;
    bool made = false;
    int ret;

    if (!copy->recursive) {
        cli_failed_in_library(false);
        copy_failed(copy, step->src_shown, -EISDIR);
        return;
    }
    if (is_top(copy, step->src, &step->st)) {
        copy->result = cli_fail_because(copy->cli, step->src_shown, -EINVAL,
                                        "a directory cannot be copied into itself");
        return;
    }
    ret = step->name ? open_dir_copy(step, &made_dir, &made) : 0;
    if (ret == 0 && step->name)
        dst = &made_dir;
    if (ret == 0) {
        ret = note_top(copy, dst);
        if (ret == 0 && copy->archive)
            ret = copy_storage_attributes(copy, step->src, dst);
        if (ret == 0)
            copy_names(step, dst);
        /* After the names: they change its times. */
        made |= !step->name && copy->made_top;
        if (ret == 0 && (step->name || copy->archive || made))
            ret = copy_attributes(copy, step->src, &step->st, dst, made);
    }
    if (ret < 0)
        copy_failed(copy, step->dst_shown, ret);
    if (dst == &made_dir)
        file_close(&made_dir);
}

void copy_into(struct copy *copy, struct file *src, const char *src_shown, struct file *dir,
               const char *name, const char *dst_shown, const struct above *up)
{
    struct step step = {.copy = copy,
                        .src = src,
                        .src_shown = src_shown,
                        .dir = dir,
                        .name = name,
                        .dst_shown = dst_shown,
                        .up = up};
    int ret = file_stat(src, &step.st);

    if (ret < 0) {
        copy_failed(copy, src_shown, ret);
        return;
    }
    if (S_ISDIR(step.st.mode)) {
        copy_dir(&step);
        return;
    }
    if (!name) {
        cli_failed_in_library(false);
        copy_failed(copy, dst_shown, -EISDIR);
        return;
    }
    ret = link_again(&step);
    if (ret < 0)
        copy_failed(copy, dst_shown, ret);
    else if (ret == 0 && S_ISREG(step.st.mode))
        copy_regular(&step);
    else if (ret == 0 && (copy->recursive || S_ISLNK(step.st.mode)))
        copy_special(&step);
    else if (ret == 0) {
        cli_failed_in_library(false);
        copy_failed(copy, src_shown, -EINVAL);
    }
}

uint64_t copy_measure(struct copy *copy, struct file *src, const struct above *up)
{
    struct copse_stat st;
    struct names names;
    struct above here;
    uint64_t sum = 0;

    if (file_stat(src, &st) < 0)
        return 0;
    if (!S_ISDIR(st.mode))
        return S_ISREG(st.mode) ? st.size : 0;
    if (above_enter(up, src, &here) < 0 || file_list(src, &names) < 0)
        return 0;
    for (size_t i = 0; i < names.count && !cli_interrupted(); i++) {
        struct file child;
        if (file_lookup(src, names.list[i].name, &child) == 0) {
            sum += copy_measure(copy, &child, &here);
            file_close(&child);
        }
    }
    names_free(&names);
    return sum;
}
