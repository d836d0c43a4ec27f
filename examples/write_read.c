// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes a file into an image, commits, and reads it back: write_read IMAGE NAME TEXT */
#include <copse/copse.h>
#include <stdio.h>
#include <string.h>

static int write_file(copse_fs *fs, const char *name, const char *text)
{
    const struct copse_cred cred = {0, 0};
    copse_node *root = copse_root(fs), *file;
    size_t done;
    int ret = copse_mknod(root, name, strlen(name), 0100644, 0, &cred, &file);

    if (ret == 0) {
        ret = copse_pwrite(file, text, strlen(text), 0, &done);
        copse_node_put(file);
    }
    copse_node_put(root);
    return ret;
}

static int read_file(copse_fs *fs, const char *name)
{
    char buf[4096];
    copse_node *file;
    uint64_t offset = 0;
    size_t done = 0;
    int ret = copse_walk(fs, NULL, name, 0, &file);

    if (ret < 0)
        return ret;
    while ((ret = copse_pread(file, buf, sizeof(buf), offset, &done)) == 0 && done > 0) {
        fwrite(buf, 1, done, stdout);
        offset += done;
    }
    copse_node_put(file);
    return ret;
}

int main(int argc, char **argv)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    const char *device = argv[1];
    copse_fs *fs;
    int ret, closed;

    if (argc != 4) {
        fprintf(stderr, "usage: %s IMAGE NAME TEXT\n", argv[0]);
        return 2;
    }
    ret = copse_open(&device, 1, &options, &fs);
    if (ret == 0) {
        ret = write_file(fs, argv[2], argv[3]);
        if (ret == 0)
            ret = copse_sync(fs); /* durable from here on */
        if (ret == 0)
            ret = read_file(fs, argv[2]);
        if (ret < 0)
            fprintf(stderr, "%s: %s\n", argv[2], copse_error());
        closed = copse_close(fs);
        return ret < 0 || closed < 0;
    }
    fprintf(stderr, "%s: %s\n", device, copse_error());
    return 1;
}
