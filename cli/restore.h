// SPDX-License-Identifier: GPL-2.0-or-later
/* restore: what cmd_restore.c, restore_tree.c, restore_file.c and restore_filter.c share. */
#ifndef COPSE_CLI_RESTORE_H
#define COPSE_CLI_RESTORE_H

#include <regex.h>

#include "copy.h"

/* Which files are wanted. */
struct filter {
    char **include, **exclude;
    size_t include_count, exclude_count;
    bool has_regex;
    regex_t regex;
};

void filter_add(char ***list, size_t *count, char *glob);
/* Whether the file with that path (from the top, without '/' in front) is wanted. */
bool filter_wants(const struct filter *filter, const char *path, bool is_dir);
/* Whether directories come only with something in them. */
bool filter_is_picky(const struct filter *filter);
void filter_free(struct filter *filter);

/* Where extents were written first, so that others share them. */
struct shared_table;

struct restore {
    struct cli *cli;
    copse_rescue *rescue;
    const char *source; /* for messages */
    struct filter filter;
    struct copy copy;    /* what copying attributes needs */
    struct seen links;   /* files with several names, and where the first went */
    struct seen visited; /* inodes and subvolumes that were met */
    struct subvol_list {
        struct known_subvol {
            uint64_t id, parent, dir_ino;
            bool snapshot, named, visited, skipped;
        } * list;
        size_t count;
    } subvols;
    struct shared_table *shared;
    bool no_sharing; /* the destination cannot */
    bool dry_run, verbose, snapshots, overwrite, go_on;
    bool full; /* nothing more can be written */
    uint64_t lost, skipped;
    int result;
};

/* One file on its way. */
struct origin {
    uint64_t subvol, ino;
    struct copse_stat st;
    const char *shown; /* path from the top */
};

/* All of the subvolume (root 0: of the file system) into dir. */
void restore_all(struct restore *restore, struct file *dir, uint64_t root);

/* Something of that path is gone. */
void restore_lost(struct restore *restore, const char *path, const char *fmt, ...) CLI_PRINTF(3, 4);
/* Something could not be written. */
void restore_failed(struct restore *restore, const char *path, int err);

/* The content, to be written to a new file at dst. */
int restore_content(struct restore *restore, const struct origin *from, struct file *dst);
/* Owner, mode, times, extended attributes. storage: only those that decide how data is kept. */
int restore_attributes(struct restore *restore, const struct origin *from, struct file *dst,
                       bool storage);
/* The target of a symlink, to be freed; NULL: it is lost. */
char *restore_target(struct restore *restore, const struct origin *from);
void restore_free_shared(struct restore *restore);

#endif
