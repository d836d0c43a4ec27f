// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes an image and fills it from a directory, as any user: build_image IMAGE MEBIBYTES DIR */
#include <copse/copse.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct copse_cred root_owner = {0, 0};

static int fail_host(const char *what)
{
    perror(what);
    return -1;
}

static int copy_content(int from, copse_node *to)
{
    static char buf[1 << 20];
    uint64_t offset = 0;
    ssize_t got;

    while ((got = read(from, buf, sizeof(buf))) > 0) {
        size_t done;
        int ret = copse_pwrite(to, buf, (size_t)got, offset, &done);
        if (ret < 0)
            return ret;
        offset += (uint64_t)got;
    }
    return got < 0 ? fail_host("read") : 0;
}

static int copy_file(int dir, const char *name, const struct stat *st, copse_node *to)
{
    copse_node *node;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW), ret;

    if (fd < 0)
        return fail_host(name);
    ret = copse_mknod(to, name, strlen(name), st->st_mode, 0, &root_owner, &node);
    if (ret == 0) {
        ret = copy_content(fd, node);
        copse_node_put(node);
    }
    close(fd);
    return ret;
}

static int copy_symlink(int dir, const char *name, copse_node *to)
{
    char target[4097];
    ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

    if (len < 0)
        return fail_host(name);
    target[len] = '\0';
    return copse_symlink(to, name, strlen(name), target, &root_owner, NULL);
}

static int copy_dir(int dir, copse_node *to);

static int copy_below(int dir, const char *name, const struct stat *st, copse_node *to)
{
    copse_node *node;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), ret;

    if (fd < 0)
        return fail_host(name);
    ret = copse_mkdir(to, name, strlen(name), st->st_mode & 07777, &root_owner, &node);
    if (ret < 0) {
        close(fd);
        return ret;
    }
    ret = copy_dir(fd, node);
    copse_node_put(node);
    return ret;
}

/* Takes the descriptor. */
static int copy_dir(int dir, copse_node *to)
{
    DIR *stream = fdopendir(dir);
    struct dirent *entry;
    struct stat st;
    int ret = 0;

    if (!stream)
        return fail_host("fdopendir");
    while (ret == 0 && (entry = readdir(stream))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            ret = fail_host(name);
        else if (S_ISDIR(st.st_mode))
            ret = copy_below(dir, name, &st, to);
        else if (S_ISREG(st.st_mode))
            ret = copy_file(dir, name, &st, to);
        else if (S_ISLNK(st.st_mode))
            ret = copy_symlink(dir, name, to);
    }
    closedir(stream);
    return ret;
}

static int fill(const char *image, int dir)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    copse_node *root;
    copse_fs *fs;
    int ret = copse_open(&image, 1, &options, &fs), closed;

    if (ret < 0)
        return ret;
    root = copse_root(fs);
    ret = copy_dir(dir, root);
    copse_node_put(root);
    if (ret < 0)
        fprintf(stderr, "%s: %s\n", image, copse_error());
    closed = copse_close(fs); /* commits */
    return ret < 0 ? ret : closed;
}

int main(int argc, char **argv)
{
    struct copse_mkfs_options options = COPSE_MKFS_OPTIONS_INIT;
    int dir, ret;

    if (argc != 4) {
        fprintf(stderr, "usage: %s IMAGE MEBIBYTES DIR\n", argv[0]);
        return 2;
    }
    dir = open(argv[3], O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return fail_host(argv[3]) != 0;
    options.byte_count = strtoull(argv[2], NULL, 10) << 20;
    options.label = "built";
    ret = copse_mkfs(argv[1], &options);
    if (ret == 0)
        ret = fill(argv[1], dir);
    if (ret < 0)
        fprintf(stderr, "%s: %s\n", argv[1], copse_error());
    return ret < 0;
}
