// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged image files through the public library: what a rescuer does first. Superblocks and trees
 * are printed in full, the file system is opened and asked, and no call does more than fail with
 * one line.
 */
#include <copse/copse.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "mutate.h"

#define COUNT 300
#define TEXT_MAX (256 * MIB) /* far more than all blocks of these images make */

static char path[] = "/tmp/copse-damage-XXXXXX";
static int fd = -1;
static volatile uint64_t running;

static void give_up(const char *what, const char *detail)
{
    printf("not ok 1 - damaged image %llu: %s: %s\n", (unsigned long long)running, what, detail);
    unlink(path);
    exit(1);
}

static void on_crash(int signal_number)
{
    unlink(path);
    printf("Bail out! damaged image %llu: signal %d\n", (unsigned long long)running, signal_number);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* ---- the file ----------------------------------------------------------------------------------
 */

static void put(uint64_t offset, const void *bytes, size_t len)
{
    if (pwrite(fd, bytes, len, (off_t)offset) != (ssize_t)len)
        give_up("writing the image", path);
}

/* All that is not zero. */
static void put_whole(const struct image *image)
{
    static const uint8_t zeroes[4096];
    uint8_t page[4096];

    if (ftruncate(fd, (off_t)image->disk->size) < 0)
        give_up("making the image", path);
    for (uint64_t at = 0; at < image->disk->size; at += sizeof(page)) {
        image_read_raw(image, at, page, sizeof(page));
        if (memcmp(page, zeroes, sizeof(page)) != 0)
            put(at, page, sizeof(page));
    }
}

/* What was written to the record, as it is in `from`. */
static void put_changes(struct dev *record, const struct image *from)
{
    static uint8_t bytes[NODE_SIZE_MAX];

    for (size_t i = 0; i < dev_record_count(record); i++) {
        struct dev_record entry = dev_record_entry(record, i);

        image_read_raw(from, entry.off, bytes, entry.len);
        put(entry.off, bytes, entry.len);
    }
}

/* ---- looking -----------------------------------------------------------------------------------
 */

static void count_text(void *arg, const char *text, size_t len)
{
    uint64_t *left = arg;

    (void)text;
    if (len > *left)
        give_up("printing", "does not end");
    *left -= len;
}

static void check(const char *what, int ret)
{
    const char *message = copse_error();

    if (ret < 0 && (!message[0] || strchr(message, '\n')))
        give_up(what, message);
}

static int take_path(void *arg, const char *found)
{
    unsigned *count = arg;

    (void)found;
    return ++*count == 1000;
}

static void ask(copse_fs *fs)
{
    struct copse_fs_info info;
    copse_node *root = copse_root(fs), *node;
    unsigned paths = 0;

    check("info", copse_fs_info(fs, &info));
    for (uint64_t ino = 256; ino < 380; ino++)
        check("paths of an inode", copse_inode_paths(root, ino, take_path, &paths));
    int ret = copse_walk(fs, NULL, "/dir/sub/../../symlink", 0, &node);
    check("walking", ret);
    if (ret == 0)
        copse_node_put(node);
    copse_node_put(root);
}

static void look(const struct image *image, struct choices *choices)
{
    const char *devices[] = {path};
    struct copse_dump_tree_options tree = COPSE_DUMP_TREE_OPTIONS_INIT;
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    uint64_t left = TEXT_MAX;
    const struct copse_text_sink sink = {count_text, &left};
    copse_fs *fs;

    check("dump-super", copse_dump_super(path, -1, true, choose(choices, 2), &sink));
    check("dump-tree", copse_dump_tree(devices, 1, &tree, &sink));
    tree.block = image->blocks[choose(choices, image->block_count)].bytenr;
    tree.follow = true;
    check("dump-tree -b", copse_dump_tree(devices, 1, &tree, &sink));
    options.readonly = true;
    int ret = copse_open(devices, 1, &options, &fs);
    check("opening", ret);
    if (ret == 0) {
        ask(fs);
        check("closing", copse_close(fs));
    }
}

static void run(const struct image *base, uint64_t id)
{
    struct choices choices = {0};
    struct image image;

    running = id;
    rng_seed(&choices.rng, id);
    image_clone(base, &image);
    struct dev *record = dev_record_new(image.disk);
    image.disk = record;
    for (uint64_t n = 1 + choose(&choices, 3); n > 0; n--)
        mutate(&image, &choices);
    put_changes(record, &image);
    look(base, &choices);
    put_changes(record, base);
    image_free(&image);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : COUNT;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    struct image base;

    setvbuf(stdout, NULL, _IOLBF, 0);
    base_make(BASE_DEFAULT, &base);
    fd = mkstemp(path);
    if (fd < 0)
        return 1;
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGFPE, on_crash);
    put_whole(&base);
    printf("1..1\n# %llu damaged image files, the first from seed %llu\n",
           (unsigned long long)count, (unsigned long long)seed);
    for (uint64_t id = seed; id < seed + count; id++)
        run(&base, id);
    printf("ok 1 - damaged image files are printed, opened and asked\n");
    close(fd);
    unlink(path);
    image_free(&base);
    return 0;
}
