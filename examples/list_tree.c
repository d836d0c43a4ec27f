// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists every file of a file system, with sizes: list_tree IMAGE */
#include <copse/copse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names are collected first: the library must not be called from within copse_readdir. */
struct name {
    char *name;
    struct name *next;
};

static int keep(void *arg, const struct copse_dirent *entry)
{
    struct name **head = arg, *name;

    if (entry->name[0] == '.' && (entry->len == 1 || (entry->len == 2 && entry->name[1] == '.')))
        return 0;
    name = malloc(sizeof(*name));
    if (!name)
        abort();
    name->name = strndup(entry->name, entry->len);
    name->next = *head;
    *head = name;
    return 0;
}

static int list(copse_node *dir, const char *path)
{
    struct name *names = NULL;
    int ret = copse_readdir(dir, 0, keep, &names);

    while (names) {
        struct name *name = names;
        struct copse_stat st;
        copse_node *node;

        names = name->next;
        if (ret == 0)
            ret = copse_lookup(dir, name->name, strlen(name->name), &node);
        if (ret == 0) {
            char *below = malloc(strlen(path) + strlen(name->name) + 2);
            sprintf(below, "%s/%s", path, name->name);
            ret = copse_stat(node, &st);
            if (ret == 0)
                printf("%10llu %s\n", (unsigned long long)st.size, below);
            if (ret == 0 && (st.mode & 0170000) == 0040000)
                ret = list(node, below);
            copse_node_put(node);
            free(below);
        }
        free(name->name);
        free(name);
    }
    return ret;
}

int main(int argc, char **argv)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    const char *device = argv[1];
    copse_node *root;
    copse_fs *fs;
    int ret;

    if (argc != 2) {
        fprintf(stderr, "usage: %s IMAGE\n", argv[0]);
        return 2;
    }
    options.readonly = true;
    ret = copse_open(&device, 1, &options, &fs);
    if (ret == 0) {
        root = copse_root(fs);
        ret = list(root, "");
        copse_node_put(root);
        copse_close(fs);
    }
    if (ret < 0)
        fprintf(stderr, "%s: %s\n", device, copse_error());
    return ret < 0;
}
