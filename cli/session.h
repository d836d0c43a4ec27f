// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session: file systems that a command has open, and the places its arguments name.
 *
 * A command that only looks opens read-only. All sessions are closed, with a commit, when the
 * command is done; inside the shell there is one for all lines.
 */
#ifndef COPSE_CLI_SESSION_H
#define COPSE_CLI_SESSION_H

#include "cli.h"
#include "target.h"
#include "tree.h"

enum want { WANT_LOOK, WANT_CHANGE };

struct session {
    struct tree tree; /* tree.fs: the file system; first, see session_of() */
    char *name;       /* as the user wrote its devices */
    char *identity;   /* the same devices have the same */
    bool writable;
    bool keep_deleted; /* deleted subvolumes are not cleaned up when it is closed */
    struct copse_open_options options;
    struct session *next;
};

/* The session whose file system a tree is of (tree->fs is set). */
static inline struct session *session_of(struct tree *tree)
{
    return (struct session *)tree;
}

/* Opens, or finds open, the file system of target. Complains; 0 or EXIT_FAILED. */
int session_open(struct cli *cli, const struct target *target, enum want want,
                 struct session **out);
/* Commits and closes all; EXIT_FAILED, after complaining, when one of them fails. */
int sessions_close(struct cli *cli);
/* Drops what is not durable and opens the file system again. */
int session_crash(struct cli *cli, struct session *session);

/* A path in some tree. */
struct place {
    struct tree *tree;
    char *path;
    char *shown; /* for messages: as the user wrote it */
};

/*
 * The place that arg names: TARGET:/path, a plain path in a mounted copse file system, inside the
 * shell a path in its file system or host:PATH. host_too: a plain path is any file of the host.
 * Complains; 0, EXIT_FAILED or EXIT_USAGE.
 */
int place_find(struct cli *cli, const char *arg, enum want want, bool host_too, struct place *out);
void place_free(struct place *place);

/* place_find, and the file there. follow: symlinks in the last place. */
int place_open(struct cli *cli, const char *arg, enum want want, bool follow, struct place *place,
               struct file *out);
/* The directory of a place and the last component of its path, to be freed (NULL for a root). */
int place_parent(struct cli *cli, const struct place *place, struct file *dir, char **name);

/*
 * The file system that arg names as a whole: a TARGET with or without path, or inside the shell
 * the open one (arg NULL or any path of it). -1 in *used_path's place is not used: *node_path is
 * the path given, NULL for none. Complains, also when arg is in a mount, which only its own mount
 * could answer.
 */
int place_fs(struct cli *cli, const char *arg, enum want want, struct session **session,
             char **node_path);

/* Whether the host path (or, where it is missing, its directory) is in a mounted copse file system.
 */
bool in_copse_mount(const char *path);

#endif
