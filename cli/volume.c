// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume.h"

#include <fuse_ioctl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shell.h"

/* The inode number of every subvolume's root directory. */
#define SUBVOL_ROOT 256

int place_volume(struct cli *cli, const char *arg, enum want want, struct place *out)
{
    struct target target;
    struct session *session;
    int result;

    if (cli->shell && (!arg || arg[0] == '/' || !target_has_path(arg))) {
        *out = (struct place){.tree = &shell_session(cli)->tree,
                              .path = need_string(strdup(arg ? arg : "/")),
                              .shown = need_string(strdup(arg ? arg : "/"))};
        return 0;
    }
    if (!arg)
        return cli_usage(cli, "too few arguments");
    if (target_has_path(arg) || in_copse_mount(arg))
        return place_find(cli, arg, want, false, out);
    target_parse(arg, &target);
    result = session_open(cli, &target, want, &session);
    if (result == 0)
        *out = (struct place){.tree = &session->tree,
                              .path = need_string(strdup("/")),
                              .shown = need_string(strdup(arg))};
    target_free(&target);
    return result;
}

char *place_root(const struct place *place)
{
    char *path, *above;
    struct stat here, there;

    if (place->tree->fs)
        return need_string(strdup("/"));
    path = need_string(strdup(place->path));
    if (stat(path, &here) == 0 && !S_ISDIR(here.st_mode)) {
        above = strrchr(path, '/');
        snprintf(above ? above + (above == path) : path, 2, "%s", above ? "" : ".");
    }
    for (;;) {
        above = format_text("%s/..", path);
        if (stat(path, &here) < 0 || stat(above, &there) < 0 || here.st_dev != there.st_dev ||
            here.st_ino == there.st_ino) {
            free(above);
            break;
        }
        free(path);
        path = above;
    }
    above = realpath(path, NULL);
    if (!above)
        return path;
    free(path);
    return above;
}

/* The answer of the library, which cli_fail() asks for its words. */
static int library(int ret)
{
    cli_failed_in_library(true);
    return ret;
}

int volume_info(const struct place *place, struct copse_fs_info *out)
{
    static char csum_name[sizeof(((struct copse_ioc_info *)NULL)->csum_name)];
    struct copse_ioc_info answer;
    int ret;

    if (place->tree->fs)
        return library(copse_fs_info(place->tree->fs, out));
    ret = mount_ask(place->path, COPSE_IOC_INFO, &answer);
    if (ret < 0)
        return ret;
    memcpy(csum_name, answer.csum_name, sizeof(csum_name) - 1);
    *out = answer.info;
    out->csum_name = csum_name;
    return 0;
}

int volume_usage(const struct place *place, struct copse_usage *out)
{
    if (place->tree->fs)
        return library(copse_usage(place->tree->fs, out));
    return mount_ask(place->path, COPSE_IOC_USAGE, out);
}

int volume_set_label(const struct place *place, const char *label)
{
    char text[FSLABEL_MAX] = "";

    if (place->tree->fs)
        return library(copse_set_label(place->tree->fs, label));
    if (strlen(label) >= sizeof(text))
        return -EINVAL;
    memcpy(text, label, strlen(label));
    return mount_ask(place->path, FS_IOC_SETFSLABEL, text);
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct texts {
    int (*fn)(void *arg, const char *text);
    void *arg;
};

static int take_text(void *arg, const char *record, size_t *len)
{
    const struct texts *texts = arg;

    *len = strlen(record) + 1;
    return texts->fn(texts->arg, record);
}

int volume_devices(const struct place *place, int (*fn)(void *arg, const char *name), void *arg)
{
    struct texts texts = {fn, arg};
    struct target target;

    if (!place->tree->fs)
        return mount_each(
            place->path,
            &(struct mount_list){.kind = COPSE_LIST_DEVICES, .fn = take_text, .arg = &texts});
    target_parse(session_of(place->tree)->name, &target);
    for (unsigned i = 0; i < target.count && fn(arg, target.devices[i]) == 0; i++)
        ;
    target_free(&target);
    return 0;
}

struct subvols_taken {
    int (*fn)(void *arg, const struct copse_subvol *subvol);
    void *arg;
};

static int take_subvol(void *arg, const char *record, size_t *len)
{
    const struct subvols_taken *taken = arg;
    struct copse_subvol subvol;

    memcpy(&subvol, record, sizeof(subvol));
    subvol.path = record + sizeof(subvol);
    *len = sizeof(subvol) + strlen(subvol.path) + 1;
    return taken->fn(taken->arg, &subvol);
}

int volume_subvols(const struct place *place,
                   int (*fn)(void *arg, const struct copse_subvol *subvol), void *arg)
{
    struct subvols_taken taken = {fn, arg};

    if (place->tree->fs)
        return library(copse_subvol_list(place->tree->fs, fn, arg));
    return mount_each(
        place->path,
        &(struct mount_list){.kind = COPSE_LIST_SUBVOLS, .fn = take_subvol, .arg = &taken});
}

/* Subvolume 0: the one that the place is in. */
static int paths_by_library(const struct place *place, uint64_t subvol, uint64_t ino,
                            const struct texts *texts)
{
    struct file file;
    int ret;

    if (subvol)
        return library(
            copse_subvol_inode_paths(place->tree->fs, subvol, ino, texts->fn, texts->arg));
    ret = file_walk(place->tree, place->path, false, &file);
    if (ret < 0)
        return ret;
    ret = library(copse_inode_paths(file.node, ino, texts->fn, texts->arg));
    file_close(&file);
    return ret;
}

int volume_inode_paths(const struct place *place, uint64_t subvol, uint64_t ino,
                       int (*fn)(void *arg, const char *path), void *arg)
{
    struct texts texts = {fn, arg};

    if (place->tree->fs)
        return paths_by_library(place, subvol, ino, &texts);
    return mount_each(place->path, &(struct mount_list){.kind = COPSE_LIST_PATHS,
                                                        .what = ino,
                                                        .subvol = subvol,
                                                        .fn = take_text,
                                                        .arg = &texts});
}

struct owners_taken {
    int (*fn)(void *arg, const struct copse_owner *owner);
    void *arg;
};

static int take_owner(void *arg, const char *record, size_t *len)
{
    const struct owners_taken *taken = arg;
    struct copse_owner owner;

    memcpy(&owner, record, sizeof(owner));
    *len = sizeof(owner);
    return taken->fn(taken->arg, &owner);
}

int volume_owners(const struct place *place, uint64_t logical, unsigned flags,
                  int (*fn)(void *arg, const struct copse_owner *owner), void *arg)
{
    struct owners_taken taken = {fn, arg};

    if (place->tree->fs)
        return library(copse_logical_owners(place->tree->fs, logical, flags, fn, arg));
    return mount_each(place->path, &(struct mount_list){.kind = COPSE_LIST_OWNERS,
                                                        .flags = flags,
                                                        .what = logical,
                                                        .fn = take_owner,
                                                        .arg = &taken});
}

/* ---- subvolumes ------------------------------------------------------------------------------ */

int volume_stat(const struct place *place, struct copse_stat *out)
{
    struct file file;
    int ret;

    if (!place->tree->fs)
        return mount_ask(place->path, COPSE_IOC_STAT, out);
    ret = file_walk(place->tree, place->path, false, &file);
    if (ret < 0)
        return ret;
    ret = file_stat(&file, out);
    file_close(&file);
    return ret;
}

bool volume_is_subvol(const struct copse_stat *st)
{
    return S_ISDIR(st->mode) && st->subvol_ino == SUBVOL_ROOT;
}

int volume_default(const struct place *place, uint64_t *id)
{
    struct copse_fs_info info;
    int ret;

    if (place->tree->fs)
        return library(copse_subvol_get_default(place->tree->fs, id));
    ret = volume_info(place, &info);
    if (ret == 0)
        *id = info.default_subvol;
    return ret;
}

int volume_set_default(const struct place *place, uint64_t id)
{
    if (place->tree->fs)
        return library(copse_subvol_set_default(place->tree->fs, id));
    return mount_ask(place->path, BTRFS_IOC_DEFAULT_SUBVOL, &id);
}

int volume_subvol_delete(const struct place *place, uint64_t id)
{
    struct btrfs_ioctl_vol_args_v2 args = {.flags = BTRFS_SUBVOL_SPEC_BY_ID, .subvolid = id};

    if (place->tree->fs)
        return library(copse_subvol_delete_id(place->tree->fs, id));
    return mount_ask(place->path, BTRFS_IOC_SNAP_DESTROY_V2, &args);
}

int volume_subvol_undelete(const struct place *place, struct file *dir, const char *name,
                           uint64_t id)
{
    struct copse_ioc_undelete args = {.id = id};

    if (place->tree->fs)
        return library(copse_subvol_undelete(dir->node, name, strlen(name), id));
    if (strlen(name) >= sizeof(args.name))
        return -ENAMETOOLONG;
    memcpy(args.name, name, strlen(name));
    return mount_ask(dir->path, COPSE_IOC_UNDELETE, &args);
}

int volume_subvol_clean(const struct place *place, unsigned *left)
{
    uint32_t answer;
    int ret;

    if (place->tree->fs)
        return library(copse_subvol_clean(place->tree->fs, left));
    ret = mount_ask(place->path, COPSE_IOC_CLEAN, &answer);
    if (ret == 0)
        *left = answer;
    return ret;
}

static int ask_exclusive(const struct place *place, uint64_t subvol, struct copse_exclusive *out)
{
    struct copse_ioc_exclusive ask = {.subvol = subvol};
    int ret = mount_ask(place->path, COPSE_IOC_EXCLUSIVE, &ask);

    if (ret == 0)
        *out = ask.out;
    return ret;
}

int volume_subvol_exclusive(const struct place *place, uint64_t id, struct copse_exclusive *out)
{
    return place->tree->fs ? library(copse_subvol_exclusive(place->tree->fs, id, out))
                           : ask_exclusive(place, id, out);
}

int volume_exclusive(const struct place *place, struct copse_exclusive *out)
{
    copse_node *node;
    int ret;

    if (!place->tree->fs)
        return ask_exclusive(place, 0, out);
    ret = library(copse_walk(place->tree->fs, NULL, place->path, 0, &node));
    if (ret < 0)
        return ret;
    ret = library(copse_exclusive(node, out));
    copse_node_put(node);
    return ret;
}

int volume_reclaim(const struct place *place, uint64_t *freed)
{
    copse_node *node;
    int ret;

    if (!place->tree->fs)
        return mount_ask(place->path, COPSE_IOC_RECLAIM, freed);
    ret = library(copse_walk(place->tree->fs, NULL, place->path, 0, &node));
    if (ret < 0)
        return ret;
    ret = library(copse_reclaim(place->tree->fs, node, freed));
    copse_node_put(node);
    return ret;
}
