// SPDX-License-Identifier: GPL-2.0-or-later
#include "paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *path_below(const char *dir, const char *name)
{
    size_t len = strlen(dir);

    return format_text("%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", name);
}

char *last_name(const char *path)
{
    size_t end = strlen(path), start;
    char *name;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    if (start == end)
        return NULL;
    name = need_string(strndup(path + start, end - start));
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        free(name);
        return NULL;
    }
    return name;
}

/* An existing directory at place; -ENOTDIR for anything else. */
static int walk_dir(const struct place *place, struct file *dir)
{
    struct copse_stat st;
    int ret = file_walk(place->tree, place->path, false, dir);

    if (ret < 0)
        return ret;
    ret = file_stat(dir, &st);
    if (ret == 0 && !S_ISDIR(st.mode)) {
        cli_failed_in_library(false);
        ret = -ENOTDIR;
    }
    if (ret < 0)
        file_close(dir);
    return ret;
}

int destination_find(struct cli *cli, const struct place *place, const char *name,
                     struct destination *out)
{
    int ret = walk_dir(place, &out->dir), result;

    *out = (struct destination){.dir = out->dir};
    if (ret == 0) {
        out->inside = name != NULL;
        out->name = name ? need_string(strdup(name)) : NULL;
        out->shown = name ? path_below(place->shown, name) : need_string(strdup(place->shown));
        return 0;
    }
    if (ret != -ENOENT && ret != -ENOTDIR)
        return cli_fail(cli, place->shown, ret);
    result = place_parent(cli, place, &out->dir, &out->name);
    if (result == 0)
        out->shown = need_string(strdup(place->shown));
    return result;
}

void destination_free(struct destination *destination)
{
    file_close(&destination->dir);
    free(destination->name);
    free(destination->shown);
}
