// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * make_snapshots DEV FILES SNAPSHOTS CHANGES: fills a file system with files, a thousand in a
 * directory, every fourth with an extent of its own; then makes snapshots, and before each one
 * writes some of the files anew. What a checker has most work with.
 */
#include <copse/copse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_A_DIRECTORY 1000
#define COMMIT_EVERY 100000

static const struct copse_cred cred;

static void must(int ret)
{
    if (ret < 0) {
        fprintf(stderr, "%s\n", copse_error());
        exit(1);
    }
}

static void write_file(copse_node *node, unsigned long i, unsigned char with)
{
    static char data[4096];
    size_t done;

    memset(data, with, sizeof(data));
    must(copse_pwrite(node, data, i % 4 ? 64 : sizeof(data), 0, &done));
}

static void make_files(copse_fs *fs, copse_node *root, unsigned long files)
{
    copse_node *dir = NULL, *node;
    char name[32];

    for (unsigned long i = 0; i < files; i++) {
        int len;

        if (i % IN_A_DIRECTORY == 0) {
            copse_node_put(dir);
            len = snprintf(name, sizeof(name), "dir%lu", i / IN_A_DIRECTORY);
            must(copse_mkdir(root, name, (size_t)len, 0755, &cred, &dir));
        }
        len = snprintf(name, sizeof(name), "file%lu", i % IN_A_DIRECTORY);
        must(copse_mknod(dir, name, (size_t)len, 0100644, 0, &cred, &node));
        write_file(node, i, (unsigned char)i);
        copse_node_put(node);
        if (i % COMMIT_EVERY == COMMIT_EVERY - 1)
            must(copse_sync(fs));
    }
    copse_node_put(dir);
}

static void change(copse_fs *fs, copse_node *root, unsigned long files, unsigned long changes,
                   unsigned long round)
{
    unsigned long state = round * 2654435761u + 1;

    for (unsigned long i = 0; i < changes; i++) {
        copse_node *node;
        char path[64];

        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned long file = (state >> 33) % files;
        snprintf(path, sizeof(path), "dir%lu/file%lu", file / IN_A_DIRECTORY,
                 file % IN_A_DIRECTORY);
        must(copse_walk(fs, root, path, 0, &node));
        write_file(node, file, (unsigned char)round);
        copse_node_put(node);
    }
}

int main(int argc, char **argv)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    const char *device = argc == 5 ? argv[1] : NULL;
    copse_node *top, *root, *made;
    copse_fs *fs;

    if (!device) {
        fprintf(stderr, "usage: make_snapshots DEV FILES SNAPSHOTS CHANGES\n");
        return 2;
    }
    const unsigned long files = strtoul(argv[2], NULL, 10), changes = strtoul(argv[4], NULL, 10);
    const unsigned long snapshots = strtoul(argv[3], NULL, 10);
    must(copse_open(&device, 1, &options, &fs));
    top = copse_root(fs);
    must(copse_subvol_create(top, "live", 4, NULL, &cred, &root));
    make_files(fs, root, files);
    for (unsigned long i = 0; i < snapshots; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "snapshot%lu", i);

        change(fs, root, files, changes, i + 1);
        must(copse_subvol_snapshot(root, top, name, (size_t)len, NULL, &made));
        copse_node_put(made);
    }
    copse_node_put(root);
    copse_node_put(top);
    must(copse_close(fs));
    return 0;
}
