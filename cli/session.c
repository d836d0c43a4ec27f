// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing the file systems of a command. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "shell.h"

/* The same devices, however they are written, are one file system: it has one owner. */
static char *identity_of(const struct target *target)
{
    char *all = need_string(strdup(""));

    for (unsigned i = 0; i < target->count; i++) {
        char *real = realpath(target->devices[i], NULL);
        char *longer = format_text("%s\n%s", all, real ? real : target->devices[i]);
        free(real);
        free(all);
        all = longer;
    }
    return all;
}

/* Complains when a writable open turned out read-only. */
static int check_writable(struct cli *cli, struct session *session)
{
    if (!session->writable || !copse_readonly(session->tree.fs))
        return 0;
    cli_failed_in_library(false);
    return cli_fail(cli, session->name, -EROFS);
}

static int open_new(struct cli *cli, const struct target *target, enum want want,
                    struct session **out)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    struct session *session;
    int ret;

    if (cli->rescue && want == WANT_CHANGE)
        return cli_usage(cli, "--rescue: nothing can be changed then");
    session = need_memory(calloc(1, sizeof(*session)));
    session->name = target_name(target);
    session->identity = identity_of(target);
    session->writable = want == WANT_CHANGE;
    options.rescue = cli->rescue;
    options.readonly = !session->writable;
    session->options = options;
    session->tree.ops = &library_tree_ops;
    ret = copse_open((const char *const *)target->devices, target->count, &options,
                     &session->tree.fs);
    if (ret < 0) {
        cli_failed_in_library(true);
        cli_fail(cli, session->name, ret);
        free(session->name);
        free(session->identity);
        free(session);
        return EXIT_FAILED;
    }
    session->next = cli->sessions;
    cli->sessions = session;
    *out = session;
    return check_writable(cli, session);
}

int session_open(struct cli *cli, const struct target *target, enum want want, struct session **out)
{
    char *identity = identity_of(target);
    struct session *found = cli->sessions;

    while (found && strcmp(found->identity, identity) != 0)
        found = found->next;
    free(identity);
    if (!found)
        return open_new(cli, target, want, out);
    if (want == WANT_CHANGE && !found->writable) {
        cli_failed_in_library(false);
        return cli_fail(cli, found->name, -EROFS);
    }
    *out = found;
    return 0;
}

/* Nobody works in the background: what deleted subvolumes hold is given back before the end. */
static void clean_up(struct cli *cli, struct session *session)
{
    unsigned left = session->writable && session->tree.fs && !session->keep_deleted;

    while (left > 0 && !cli_interrupted()) {
        if (copse_subvol_clean(session->tree.fs, &left) < 0) {
            cli_warn(cli, session->name, "a deleted subvolume is left over: %s", copse_error());
            return;
        }
    }
}

int sessions_close(struct cli *cli)
{
    int result = 0;

    while (cli->sessions) {
        struct session *session = cli->sessions;
        int ret;

        clean_up(cli, session);
        ret = copse_close(session->tree.fs);
        if (ret < 0) {
            cli_failed_in_library(true);
            result = cli_fail(cli, session->name, ret);
        }
        cli->sessions = session->next;
        free(session->name);
        free(session->identity);
        free(session);
    }
    return result;
}

int session_crash(struct cli *cli, struct session *session)
{
    struct target target;
    int ret;

    target_parse(session->name, &target);
    /* That nothing can be written any more is what was asked for. */
    cli_show_notes(false);
    copse_crash(session->tree.fs);
    cli_show_notes(true);
    session->tree.fs = NULL;
    ret = copse_open((const char *const *)target.devices, target.count, &session->options,
                     &session->tree.fs);
    target_free(&target);
    if (ret == 0)
        return 0;
    cli_failed_in_library(true);
    return cli_fail(cli, session->name, ret);
}
