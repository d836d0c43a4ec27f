// SPDX-License-Identifier: GPL-2.0-or-later
/* From an argument to the file it names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "session.h"
#include "shell.h"

/* Whether a line of /proc/self/mountinfo is a copse mount of the device. */
static bool is_mount_of(const char *line, dev_t dev)
{
    const char *fields = strstr(line, " - ");
    unsigned major_number, minor_number;
    char type[64];

    if (!fields || sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2 ||
        sscanf(fields, " - %63s", type) != 1)
        return false;
    return makedev(major_number, minor_number) == dev &&
           (strcmp(type, "fuse.copse") == 0 || strcmp(type, "fuseblk.copse") == 0);
}

/* Of the file or, where it is missing, of the nearest directory above that is there. */
static bool device_of(const char *path, dev_t *dev)
{
    char *at = need_string(strdup(path));
    struct stat st;
    bool found = lstat(at, &st) == 0;

    while (!found) {
        char *slash = strrchr(at, '/');
        if (!slash || strcmp(at, "/") == 0) {
            found = stat(".", &st) == 0;
            break;
        }
        slash[slash == at] = '\0';
        found = stat(at, &st) == 0;
    }
    free(at);
    *dev = st.st_dev;
    return found;
}

bool in_copse_mount(const char *path)
{
    FILE *mounts;
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    dev_t dev;

    if (!device_of(path, &dev))
        return false;
    mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts)
        return false;
    while (!found && getline(&line, &room, mounts) >= 0)
        found = is_mount_of(line, dev);
    free(line);
    fclose(mounts);
    return found;
}

static int in_host(struct place *out, const char *path)
{
    out->tree = host_tree();
    out->path = need_string(strdup(path));
    return 0;
}

static int plain_path(struct cli *cli, const char *path, bool host_too, struct place *out)
{
    struct stat st;

    if (host_too || in_copse_mount(path))
        return in_host(out, path);
    cli_failed_in_library(false);
    return cli_fail_because(cli, path, lstat(path, &st) == 0 ? -EINVAL : -ENOENT,
                            "neither IMAGE:/PATH nor a path in a mounted copse file system");
}

static int in_target(struct cli *cli, const char *arg, enum want want, struct place *out)
{
    struct target target;
    struct session *session;
    int result;

    target_parse(arg, &target);
    result = session_open(cli, &target, want, &session);
    if (result == 0) {
        out->tree = &session->tree;
        out->path = target.path;
        target.path = NULL;
    }
    target_free(&target);
    return result;
}

int place_find(struct cli *cli, const char *arg, enum want want, bool host_too, struct place *out)
{
    int result;

    *out = (struct place){.shown = need_string(strdup(arg))};
    if (cli->shell && strncmp(arg, "host:", 5) == 0) {
        result = in_host(out, arg + 5);
    } else if (cli->shell && (arg[0] == '/' || !target_has_path(arg))) {
        out->tree = &shell_session(cli)->tree;
        out->path = need_string(strdup(arg));
        result = 0;
    } else if (target_has_path(arg)) {
        result = in_target(cli, arg, want, out);
    } else {
        result = plain_path(cli, arg, host_too, out);
    }
    if (result != 0)
        place_free(out);
    return result;
}

void place_free(struct place *place)
{
    free(place->path);
    free(place->shown);
    *place = (struct place){0};
}

int place_open(struct cli *cli, const char *arg, enum want want, bool follow, struct place *place,
               struct file *out)
{
    int result = place_find(cli, arg, want, false, place), ret;

    if (result != 0)
        return result;
    ret = file_walk(place->tree, place->path, !follow, out);
    if (ret == 0)
        return 0;
    result = cli_fail(cli, arg, ret);
    place_free(place);
    return result;
}

int place_parent(struct cli *cli, const struct place *place, struct file *dir, char **name)
{
    char *path = need_string(strdup(place->path)), *slash;
    size_t len = strlen(path);
    int ret;

    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    slash = strrchr(path, '/');
    *name = NULL;
    if (strcmp(path, "/") != 0) {
        *name = need_string(strdup(slash ? slash + 1 : path));
        if (slash)
            slash[slash == path] = '\0';
    }
    ret = file_walk(place->tree, slash ? path : (place->tree->fs ? "/" : "."), false, dir);
    free(path);
    if (ret == 0)
        return 0;
    free(*name);
    *name = NULL;
    return cli_fail(cli, place->shown, ret);
}

int place_fs(struct cli *cli, const char *arg, enum want want, struct session **session,
             char **node_path)
{
    struct target target;
    int result;

    *node_path = NULL;
    if (cli->shell && (!arg || arg[0] == '/' || !target_has_path(arg))) {
        *session = shell_session(cli);
        *node_path = arg ? need_string(strdup(arg)) : NULL;
        return 0;
    }
    if (!arg)
        return cli_usage(cli, "too few arguments");
    if (!target_has_path(arg) && in_copse_mount(arg)) {
        cli_failed_in_library(false);
        return cli_fail_because(cli, arg, -EOPNOTSUPP, "not in a mount, only as IMAGE:/PATH");
    }
    target_parse(arg, &target);
    result = session_open(cli, &target, want, session);
    if (result == 0 && target.path)
        *node_path = need_string(strdup(target.path));
    target_free(&target);
    return result;
}
