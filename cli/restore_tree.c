// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What restore brings out, directory by directory: the tree of names from the top, then what
 * nothing names, then the subvolumes that no directory led to.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "restore.h"
#include "size.h"
#include "text.h"

#define SUBVOL_TOP 5
#define INO_TOP 256
#define LOST_AND_FOUND "lost+found"

/* ---- what is told ------------------------------------------------------------------------------
 */

void restore_lost(struct restore *restore, const char *path, const char *fmt, ...)
{
    char *words;
    va_list args;

    va_start(args, fmt);
    words = format_text_of(fmt, args);
    va_end(args);
    cli_warn(restore->cli, path, "lost: %s", words);
    free(words);
    restore->lost++;
    restore->result = EXIT_FAILED;
}

void restore_failed(struct restore *restore, const char *path, int err)
{
    restore->result = cli_fail(restore->cli, path, err);
    restore->full |= !restore->go_on && (err == -ENOSPC || err == -EDQUOT || err == -EROFS);
}

static bool stop(const struct restore *restore)
{
    return restore->full || cli_interrupted();
}

static void say(const struct restore *restore, const char *path)
{
    if (!restore->dry_run && !restore->verbose)
        return;
    print_name(path, strlen(path));
    putchar('\n');
}

/* ---- directories on their way ------------------------------------------------------------------
 */

/* Made when the first file in it is, where only some files are wanted; else at once. */
struct parent {
    struct parent *up;
    struct restore *restore;
    struct origin from;
    char *name; /* NULL: the destination itself, which is there */
    char *path; /* from the top */
    struct file dst;
    bool made, is_new, failed;
    unsigned depth;
};

/* Each directory takes some of the stack. */
#define DEPTH_MAX 4000

static int open_directory(struct parent *parent)
{
    struct file *in = &parent->up->dst;
    struct copse_stat st;
    int ret = file_lookup(in, parent->name, &parent->dst);

    cli_failed_in_library(false);
    if (ret == -ENOENT) {
        parent->is_new = true;
        return file_make(in, parent->name, S_IFDIR | 0700, 0, &parent->dst);
    }
    if (ret < 0)
        return ret;
    ret = file_stat(&parent->dst, &st);
    if (ret == 0 && S_ISDIR(st.mode))
        return 0;
    file_close(&parent->dst);
    return ret < 0 ? ret : -ENOTDIR;
}

/* Whether something can be put into it. */
static bool parent_is_there(struct parent *parent)
{
    int ret;

    if (parent->made || parent->failed || parent->restore->dry_run)
        return !parent->failed;
    if (!parent_is_there(parent->up)) {
        parent->failed = true;
        return false;
    }
    ret = open_directory(parent);
    if (ret == 0 && parent->from.shown) {
        ret = restore_attributes(parent->restore, &parent->from, &parent->dst, true);
        if (ret < 0)
            file_close(&parent->dst);
    }
    if (ret < 0)
        restore_failed(parent->restore, parent->path, ret);
    parent->made = ret == 0;
    parent->failed = ret < 0;
    return ret == 0;
}

/* After its contents, which change its times. */
static void parent_done(struct parent *parent)
{
    if (parent->made && parent->name) {
        int ret = parent->from.shown && parent->is_new
                      ? restore_attributes(parent->restore, &parent->from, &parent->dst, false)
                      : 0;

        if (ret < 0)
            restore_failed(parent->restore, parent->path, ret);
        file_close(&parent->dst);
    }
    free(parent->path);
    free(parent->name);
}

/* ---- one file ----------------------------------------------------------------------------------
 */

/* Another name of a file that is out already. 1: linked. */
static int link_again(struct parent *dir, const struct origin *from, const char *name)
{
    char *where = dir->restore->dry_run ? NULL : path_below(dir->dst.path, name);
    const char *first = where;
    struct file old;
    int ret = 0;

    if (from->st.nlink > 1 && seen_before(&dir->restore->links, &from->st, &first)) {
        ret = dir->restore->dry_run ? 0 : file_walk(host_tree(), first, true, &old);
        if (ret == 0 && !dir->restore->dry_run) {
            ret = file_link(&old, &dir->dst, name);
            file_close(&old);
        }
        /* Without the first a copy of its own is better than nothing. */
        ret = ret == -ENOENT ? 0 : ret < 0 ? ret : 1;
    }
    free(where);
    return ret;
}

static int make_way(struct parent *dir, const char *name)
{
    struct copse_stat st;
    struct file old;
    int ret = file_lookup(&dir->dst, name, &old);

    cli_failed_in_library(false);
    if (ret < 0)
        return ret == -ENOENT ? 0 : ret;
    ret = file_stat(&old, &st);
    file_close(&old);
    if (ret == 0 && (!dir->restore->overwrite || S_ISDIR(st.mode)))
        return -EEXIST;
    return ret < 0 ? ret : file_unlink(&dir->dst, name, false);
}

static int make_file(struct parent *dir, const struct origin *from, const char *name,
                     struct file *dst, bool *gone)
{
    char *target;
    int ret;

    *gone = false;
    if (S_ISREG(from->st.mode))
        return file_make(&dir->dst, name, S_IFREG | 0600, 0, dst);
    if (!S_ISLNK(from->st.mode))
        return file_make(&dir->dst, name, (from->st.mode & S_IFMT) | 0600, from->st.rdev, dst);
    target = restore_target(dir->restore, from);
    if (!target) {
        restore_lost(dir->restore, from->shown, "what the symlink points at");
        *gone = true;
        return 0;
    }
    ret = file_symlink(&dir->dst, name, target, dst);
    free(target);
    return ret;
}

static int write_file(struct parent *dir, const struct origin *from, const char *name)
{
    struct file dst;
    bool gone;
    int ret = make_way(dir, name);

    if (ret == 0)
        ret = link_again(dir, from, name);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    ret = make_file(dir, from, name, &dst, &gone);
    if (ret < 0 || gone)
        return ret;
    if (S_ISREG(from->st.mode)) {
        ret = restore_attributes(dir->restore, from, &dst, true);
        if (ret == 0)
            ret = restore_content(dir->restore, from, &dst);
    }
    if (ret == 0)
        ret = restore_attributes(dir->restore, from, &dst, false);
    file_close(&dst);
    return ret;
}

static void restore_file(struct parent *dir, const struct origin *from, const char *name,
                         bool whole)
{
    struct restore *restore = dir->restore;
    int ret = 0;

    if (!filter_wants(&restore->filter, from->shown, false))
        return;
    if (!whole)
        restore_lost(restore, from->shown, "its owner, mode, times and size");
    say(restore, from->shown);
    if (restore->dry_run || !parent_is_there(dir))
        return;
    ret = write_file(dir, from, name);
    if (ret == -EEXIST)
        restore->result = cli_fail_because(restore->cli, from->shown, ret, "not without -o");
    else if (ret < 0)
        restore_failed(restore, from->shown, ret);
}

/* ---- names -------------------------------------------------------------------------------------
 */

struct entry {
    char *name;
    uint8_t type;
    uint64_t subvol, ino;
};

struct entries {
    struct entry *list;
    size_t count, room;
};

static int take_entry(void *arg, const struct copse_rescue_name *name)
{
    struct entries *entries = arg;

    if (entries->count == entries->room) {
        entries->room = entries->room ? entries->room * 2 : 32;
        entries->list = need_memory(realloc(entries->list, entries->room * sizeof(*entries->list)));
    }
    entries->list[entries->count++] = (struct entry){need_string(strndup(name->name, name->len)),
                                                     name->type, name->subvol, name->ino};
    return 0;
}

static void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->list[i].name);
    free(entries->list);
}

static struct known_subvol *find_subvol(struct restore *restore, uint64_t id)
{
    for (size_t i = 0; i < restore->subvols.count; i++)
        if (restore->subvols.list[i].id == id)
            return &restore->subvols.list[i];
    return NULL;
}

static bool visit(struct restore *restore, uint64_t subvol, uint64_t ino)
{
    const struct copse_stat key = {.subvol = subvol, .subvol_ino = ino};

    return !seen_before(&restore->visited, &key, NULL);
}

static void restore_directory(struct parent *up, struct origin *from, const char *name);
static void restore_subvol(struct parent *up, struct known_subvol *subvol, const char *name,
                           const char *shown);

/* The name of a subvolume: here, or (in a snapshot) only the name of one that lies elsewhere. */
static void restore_subvol_entry(struct parent *dir, const struct entry *entry, const char *shown)
{
    struct restore *restore = dir->restore;
    struct known_subvol *subvol = find_subvol(restore, entry->subvol);

    if (!subvol) {
        restore_lost(restore, shown, "the subvolume %llu", LLU(entry->subvol));
    } else if (subvol->named &&
               (subvol->parent != dir->from.subvol || subvol->dir_ino != dir->from.ino)) {
        return;
    } else if (subvol->snapshot && !restore->snapshots) {
        subvol->skipped = true;
        restore->skipped++;
    } else if (!filter_wants(&restore->filter, shown, true)) {
        subvol->skipped = true;
    } else if (!subvol->visited) {
        restore_subvol(dir, subvol, entry->name, shown);
    }
}

static const uint32_t modes_of_types[] = {
    [DT_FIFO] = S_IFIFO, [DT_CHR] = S_IFCHR, [DT_DIR] = S_IFDIR,  [DT_BLK] = S_IFBLK,
    [DT_REG] = S_IFREG,  [DT_LNK] = S_IFLNK, [DT_SOCK] = S_IFSOCK};

/* What is new belongs to who made it, now. */
static void make_up(struct copse_stat *st)
{
    st->uid = geteuid();
    st->gid = getegid();
    clock_gettime(CLOCK_REALTIME, &st->mtime);
    st->atime = st->mtime;
}

/* What is known of an inode, with the help of the name that leads to it. */
static int look_up(struct restore *restore, struct origin *from, uint8_t type, bool *whole)
{
    int ret = copse_rescue_stat(restore->rescue, from->subvol, from->ino, &from->st, whole);

    if (ret == 0 && !*whole)
        make_up(&from->st);
    if (ret == 0 && !*whole && type < sizeof(modes_of_types) / sizeof(*modes_of_types) &&
        modes_of_types[type])
        from->st.mode = modes_of_types[type] | (type == DT_DIR ? 0700 : 0600);
    return ret;
}

static void restore_entry(struct parent *dir, const struct entry *entry)
{
    struct restore *restore = dir->restore;
    char *shown =
        *dir->path ? path_below(dir->path, entry->name) : need_string(strdup(entry->name));
    struct origin from = {.subvol = dir->from.subvol, .ino = entry->ino, .shown = shown};
    bool whole, is_new;
    int ret;

    if (entry->subvol) {
        restore_subvol_entry(dir, entry, shown);
        free(shown);
        return;
    }
    is_new = visit(restore, from.subvol, from.ino);
    ret = look_up(restore, &from, entry->type, &whole);
    if (ret < 0 && entry->type == DT_DIR) {
        /* Its files may still know that they were in it. */
        from.st = (struct copse_stat){
            .subvol = from.subvol, .subvol_ino = from.ino, .mode = S_IFDIR | 0700, .nlink = 1};
        make_up(&from.st);
        whole = false;
        ret = 0;
    }
    if (ret < 0) {
        if (filter_wants(&restore->filter, shown, false))
            restore_lost(restore, shown, "inode %llu", LLU(entry->ino));
    } else if (!S_ISDIR(from.st.mode)) {
        restore_file(dir, &from, entry->name, whole);
    } else if (is_new && filter_wants(&restore->filter, shown, true)) {
        if (!whole)
            restore_lost(restore, shown, "owner, mode and times of the directory");
        restore_directory(dir, &from, entry->name);
    }
    free(shown);
}

/* The sum of the names' lengths, twice, is the size of a directory. */
static void check_names(const struct parent *dir, const struct entries *entries)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < entries->count; i++)
        bytes += 2 * strlen(entries->list[i].name);
    if (dir->from.st.size > bytes)
        restore_lost(dir->restore, *dir->path ? dir->path : "/",
                     "names of %llu bytes in this directory", LLU((dir->from.st.size - bytes) / 2));
}

static void restore_names(struct parent *dir)
{
    struct entries entries = {0};
    int ret = copse_rescue_list(dir->restore->rescue, dir->from.subvol, dir->from.ino, take_entry,
                                &entries);

    cli_failed_in_library(true);
    if (ret < 0)
        restore_failed(dir->restore, dir->path, ret);
    else
        check_names(dir, &entries);
    for (size_t i = 0; ret == 0 && i < entries.count && !stop(dir->restore); i++)
        restore_entry(dir, &entries.list[i]);
    entries_free(&entries);
}

static void restore_directory(struct parent *up, struct origin *from, const char *name)
{
    struct parent dir = {.up = up,
                         .restore = up->restore,
                         .from = *from,
                         .name = need_string(strdup(name)),
                         .path = need_string(strdup(from->shown)),
                         .depth = up->depth + 1};

    say(up->restore, from->shown);
    if (dir.depth > DEPTH_MAX)
        restore_lost(up->restore, from->shown, "what is in it: too many directories deep");
    else if (filter_is_picky(&up->restore->filter) || parent_is_there(&dir))
        restore_names(&dir);
    parent_done(&dir);
}

/* ---- what nothing names ------------------------------------------------------------------------
 */

#define CLIMB_MAX 1000

/* The highest directory above ino that was not met; what is above it, was, or is not known. */
static uint64_t highest_unmet(struct restore *restore, uint64_t subvol, uint64_t ino)
{
    for (unsigned i = 0; i < CLIMB_MAX; i++) {
        struct copse_stat key = {.subvol = subvol};
        uint64_t parent;

        if (copse_rescue_parent(restore->rescue, subvol, ino, &parent) < 0 || parent == ino)
            return ino;
        key.subvol_ino = parent;
        if (seen_is_known(&restore->visited, &key))
            return ino;
        ino = parent;
    }
    return ino;
}

static void restore_nameless(struct parent *lost_and_found, uint64_t ino)
{
    struct restore *restore = lost_and_found->restore;
    char *name = format_text("%llu", LLU(ino));
    char *shown = path_below(lost_and_found->path, name);
    struct origin from = {.subvol = lost_and_found->from.subvol, .ino = ino, .shown = shown};
    bool whole = true;
    int ret = look_up(restore, &from, DT_UNKNOWN, &whole);

    visit(restore, from.subvol, ino);
    if (ret < 0)
        from.st = (struct copse_stat){
            .subvol = from.subvol, .subvol_ino = ino, .mode = S_IFDIR | 0700, .nlink = 1};
    if (ret < 0)
        make_up(&from.st);
    /* Without names it was deleted, and open when the end came. */
    if (ret < 0 || !whole || from.st.nlink > 0) {
        restore_lost(restore, shown, "its name");
        if (S_ISDIR(from.st.mode))
            restore_directory(lost_and_found, &from, name);
        else
            restore_file(lost_and_found, &from, name, whole);
    }
    free(shown);
    free(name);
}

static void restore_unnamed(struct parent *top)
{
    struct restore *restore = top->restore;
    struct parent lost_and_found = {
        .up = top,
        .restore = restore,
        .from = {.subvol = top->from.subvol},
        .name = need_string(strdup(LOST_AND_FOUND)),
        .path = *top->path ? path_below(top->path, LOST_AND_FOUND)
                           : need_string(strdup(LOST_AND_FOUND)),
    };
    uint64_t ino, from = INO_TOP;

    while (!stop(restore) &&
           copse_rescue_next_inode(restore->rescue, top->from.subvol, from, &ino) == 0) {
        const struct copse_stat key = {.subvol = top->from.subvol, .subvol_ino = ino};

        if (!seen_is_known(&restore->visited, &key))
            restore_nameless(&lost_and_found, highest_unmet(restore, key.subvol, ino));
        /* In a circle of directories none is the highest. */
        if (!seen_is_known(&restore->visited, &key))
            restore_nameless(&lost_and_found, ino);
        from = ino + 1;
    }
    parent_done(&lost_and_found);
}

/* ---- subvolumes --------------------------------------------------------------------------------
 */

static void restore_tree(struct parent *top)
{
    struct restore *restore = top->restore;
    struct copse_rescue_survey survey;
    struct copse_stat st;
    bool whole;
    int ret = copse_rescue_survey(restore->rescue, top->from.subvol, &survey);

    cli_failed_in_library(true);
    if (ret < 0) {
        restore_failed(restore, restore->source, ret);
        return;
    }
    visit(restore, top->from.subvol, INO_TOP);
    make_up(&top->from.st);
    if (copse_rescue_stat(restore->rescue, top->from.subvol, INO_TOP, &st, &whole) == 0 && whole)
        top->from.st = st;
    else
        restore_lost(restore, *top->path ? top->path : "/", "the top directory");
    restore_names(top);
    if (survey.damaged)
        restore_unnamed(top);
    if (survey.items_lost && restore->result == 0)
        restore_lost(restore, *top->path ? top->path : "/",
                     "a tree block with something that is not known");
}

static void restore_subvol(struct parent *up, struct known_subvol *subvol, const char *name,
                           const char *shown)
{
    struct parent top = {.up = up,
                         .restore = up->restore,
                         .from = {.subvol = subvol->id,
                                  .ino = INO_TOP,
                                  .shown = shown,
                                  .st = {.mode = S_IFDIR | 0700, .nlink = 1}},
                         .name = need_string(strdup(name)),
                         .path = need_string(strdup(shown)),
                         .depth = up->depth + 1};

    subvol->visited = true;
    say(up->restore, shown);
    if (filter_is_picky(&up->restore->filter) || parent_is_there(&top))
        restore_tree(&top);
    parent_done(&top);
}

static bool parent_skipped(struct restore *restore, const struct known_subvol *subvol)
{
    for (size_t i = 0; subvol && i < restore->subvols.count; i++) {
        if (subvol->skipped || (subvol->snapshot && !restore->snapshots))
            return true;
        subvol = subvol->named ? find_subvol(restore, subvol->parent) : NULL;
    }
    return false;
}

/* Those that no directory leads to any more. */
static void restore_lost_subvols(struct parent *top)
{
    struct restore *restore = top->restore;

    for (size_t i = 0; i < restore->subvols.count && !stop(restore); i++) {
        struct known_subvol *subvol = &restore->subvols.list[i];

        if (subvol->visited || parent_skipped(restore, subvol))
            continue;
        char *name = format_text("subvol-%llu", LLU(subvol->id));
        restore_lost(restore, name, "the name of the subvolume");
        restore_subvol(top, subvol, name, name);
        free(name);
    }
}

static int take_subvol(void *arg, const struct copse_rescue_subvol *subvol)
{
    struct restore *restore = arg;
    struct subvol_list *all = &restore->subvols;

    all->list = need_memory(realloc(all->list, (all->count + 1) * sizeof(*all->list)));
    all->list[all->count++] = (struct known_subvol){.id = subvol->id,
                                                    .parent = subvol->parent,
                                                    .dir_ino = subvol->dir_ino,
                                                    .snapshot = subvol->snapshot,
                                                    .named = subvol->name != NULL};
    return 0;
}

void restore_all(struct restore *restore, struct file *dir, uint64_t root)
{
    struct known_subvol *subvol;
    struct parent top = {.restore = restore,
                         .from = {.subvol = root ? root : SUBVOL_TOP, .ino = INO_TOP},
                         .path = need_string(strdup("")),
                         .made = true};

    top.dst = *dir;
    copse_rescue_subvols(restore->rescue, take_subvol, restore);
    subvol = find_subvol(restore, top.from.subvol);
    if (subvol)
        subvol->visited = true;
    if (!subvol && root)
        restore->result = cli_fail_because(restore->cli, restore->source, -ENOENT,
                                           "no subvolume %llu", LLU(root));
    else if (!subvol)
        restore_lost(restore, "/", "the top subvolume");
    else
        restore_tree(&top);
    if (!root)
        restore_lost_subvols(&top);
    free(top.path);
}
