// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The commands: one table that dispatch, help, prefixes and the manual page's test read.
 */
#ifndef COPSE_CLI_COMMANDS_H
#define COPSE_CLI_COMMANDS_H

#include "cli.h"

enum command_flags {
    COMMAND_NOT_IN_SHELL = 1, /* makes no sense with a file system open already */
    COMMAND_ALIAS = 2,        /* listed nowhere: another row says what it does */
};

struct command {
    const char *group; /* "subvolume", or NULL */
    const char *name;
    const char *shown; /* both, as error messages say it */
    int (*run)(struct cli *cli, int argc, char **argv);
    unsigned flags;
    const char *usage; /* what comes behind the name */
    const char *does;  /* one line */
    const char *more;  /* options and details, or NULL */
};

extern const struct command commands[];
extern const unsigned command_count;

/*
 * The command that argv begins with; *used: how many words name it. NULL after having complained
 * (unknown, ambiguous, or a group without a command).
 */
const struct command *command_find(struct cli *cli, int argc, char **argv, int *used);

/* Runs argv as one command line, without the program's name. */
int command_run(struct cli *cli, int argc, char **argv);

/* Cuts --format out of argv wherever it stands; EXIT_USAGE after complaining. */
int command_take_format(struct cli *cli, int *argc, char **argv);

#define DECLARE_COMMAND(name) int cmd_##name(struct cli *cli, int argc, char **argv)
DECLARE_COMMAND(mkfs);
DECLARE_COMMAND(mount);
DECLARE_COMMAND(umount);
DECLARE_COMMAND(ls);
DECLARE_COMMAND(cat);
DECLARE_COMMAND(stat);
DECLARE_COMMAND(df);
DECLARE_COMMAND(usage);
DECLARE_COMMAND(label);
DECLARE_COMMAND(du);
DECLARE_COMMAND(cp);
DECLARE_COMMAND(mkdir);
DECLARE_COMMAND(rm);
DECLARE_COMMAND(mv);
DECLARE_COMMAND(ln);
DECLARE_COMMAND(chmod);
DECLARE_COMMAND(chown);
DECLARE_COMMAND(touch);
DECLARE_COMMAND(truncate);
DECLARE_COMMAND(mknod);
DECLARE_COMMAND(chattr);
DECLARE_COMMAND(lsattr);
DECLARE_COMMAND(xattr_get);
DECLARE_COMMAND(xattr_set);
DECLARE_COMMAND(xattr_list);
DECLARE_COMMAND(xattr_rm);
DECLARE_COMMAND(io);
DECLARE_COMMAND(shell);
DECLARE_COMMAND(sync);
DECLARE_COMMAND(reclaim);
DECLARE_COMMAND(defrag);
DECLARE_COMMAND(subvolume_create);
DECLARE_COMMAND(subvolume_snapshot);
DECLARE_COMMAND(subvolume_delete);
DECLARE_COMMAND(subvolume_undelete);
DECLARE_COMMAND(subvolume_sync);
DECLARE_COMMAND(subvolume_list);
DECLARE_COMMAND(subvolume_show);
DECLARE_COMMAND(subvolume_get_default);
DECLARE_COMMAND(subvolume_set_default);
DECLARE_COMMAND(property_get);
DECLARE_COMMAND(property_set);
DECLARE_COMMAND(property_list);
DECLARE_COMMAND(send);
DECLARE_COMMAND(receive);
DECLARE_COMMAND(quota_enable);
DECLARE_COMMAND(quota_disable);
DECLARE_COMMAND(quota_rescan);
DECLARE_COMMAND(quota_status);
DECLARE_COMMAND(qgroup_create);
DECLARE_COMMAND(qgroup_destroy);
DECLARE_COMMAND(qgroup_assign);
DECLARE_COMMAND(qgroup_remove);
DECLARE_COMMAND(qgroup_limit);
DECLARE_COMMAND(qgroup_show);
DECLARE_COMMAND(check);
DECLARE_COMMAND(restore);
DECLARE_COMMAND(image);
DECLARE_COMMAND(find_roots);
DECLARE_COMMAND(qgroup_clear_stale);
DECLARE_COMMAND(dump_super);
DECLARE_COMMAND(dump_tree);
DECLARE_COMMAND(rootid);
DECLARE_COMMAND(inode_resolve);
DECLARE_COMMAND(logical_resolve);
DECLARE_COMMAND(version);
DECLARE_COMMAND(help);

#endif
