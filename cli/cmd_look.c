// SPDX-License-Identifier: GPL-2.0-or-later
/* cat and stat. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "commands.h"
#include "text.h"
#include "volume.h"

#define CAT_BUFFER (1U << 20)

static int print_content(struct cli *cli, const char *shown, struct file *file)
{
    char *buf = need_memory(malloc(CAT_BUFFER));
    uint64_t offset = 0;
    size_t done = 1;
    int ret = 0;

    while (ret == 0 && done > 0 && !cli_interrupted()) {
        ret = file_pread(file, buf, CAT_BUFFER, offset, &done);
        if (ret == 0 && fwrite(buf, 1, done, stdout) != done) {
            /* main reports what happened to standard output. */
            break;
        }
        offset += ret == 0 ? done : 0;
    }
    free(buf);
    return ret < 0 ? cli_fail(cli, shown, ret) : 0;
}

static int cat_one(struct cli *cli, const char *arg)
{
    struct copse_stat st;
    struct place place;
    struct file file;
    int result = place_open(cli, arg, WANT_LOOK, true, &place, &file), ret;

    if (result != 0)
        return result;
    ret = file_stat(&file, &st);
    if (ret == 0 && !S_ISREG(st.mode)) {
        cli_failed_in_library(false);
        ret = S_ISDIR(st.mode) ? -EISDIR : -EINVAL;
    }
    result = ret < 0 ? cli_fail(cli, arg, ret) : print_content(cli, arg, &file);
    file_close(&file);
    place_free(&place);
    return result;
}

int cmd_cat(struct cli *cli, int argc, char **argv)
{
    bool started = false;
    int result = 0;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    for (int i = optind; i < argc; i++) {
        int one = cat_one(cli, argv[i]);
        result = result ? result : one;
    }
    return result;
}

/* ---- stat ------------------------------------------------------------------------------------ */

static void print_stat(const struct place *place, const struct copse_stat *st, const char *target)
{
    char mode[11], when[TIME_TEXT_MAX];

    fputs("  File: ", stdout);
    print_name(place->path, strlen(place->path));
    if (target) {
        fputs(" -> ", stdout);
        print_name(target, strlen(target));
    }
    printf("\n  Size: %-15llu Blocks: %-10llu IO Block: %-6u %s\n", LLU(st->size), LLU(st->blocks),
           st->blksize, type_text(st->mode));
    printf("Subvol: %-15llu Inode: %-11llu Links: %-5u", LLU(st->subvol), LLU(st->subvol_ino),
           st->nlink);
    if (S_ISCHR(st->mode) || S_ISBLK(st->mode))
        printf(" Device type: %u,%u", major(st->rdev), minor(st->rdev));
    printf("\nAccess: (%04o/%s)  Uid: %-8u Gid: %u\n", st->mode & 07777, mode_text(st->mode, mode),
           st->uid, st->gid);
    printf("Number: %-15llu Generation: %-6llu Transid: %llu\n", LLU(st->ino), LLU(st->generation),
           LLU(st->transid));
    printf("Access: %s\n", time_text_ns(&st->atime, when));
    printf("Modify: %s\n", time_text_ns(&st->mtime, when));
    printf("Change: %s\n", time_text_ns(&st->ctime, when));
    printf(" Birth: %s\n", time_text_ns(&st->btime, when));
}

static struct json_object *stat_json(const struct place *place, const struct copse_stat *st,
                                     const char *target)
{
    struct json_object *json = json_object_new_object();
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"size", st->size},         {"blocks", st->blocks},
        {"blksize", st->blksize},   {"subvol", st->subvol},
        {"inode", st->subvol_ino},  {"ino", st->ino},
        {"nlink", st->nlink},       {"uid", st->uid},
        {"gid", st->gid},           {"permissions", st->mode & 07777},
        {"major", major(st->rdev)}, {"minor", minor(st->rdev)},
        {"flags", st->flags},       {"generation", st->generation},
        {"transid", st->transid},
    };
    char mode[11];

    json_object_object_add(json, "path", json_bytes(place->path, strlen(place->path)));
    json_object_object_add(json, "type", json_object_new_string(type_text(st->mode)));
    json_object_object_add(json, "mode", json_object_new_string(mode_text(st->mode, mode)));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        json_object_object_add(json, numbers[i].name, json_uint(numbers[i].value));
    json_object_object_add(json, "atime", json_time(&st->atime));
    json_object_object_add(json, "mtime", json_time(&st->mtime));
    json_object_object_add(json, "ctime", json_time(&st->ctime));
    json_object_object_add(json, "btime", json_time(&st->btime));
    if (target)
        json_object_object_add(json, "target", json_bytes(target, strlen(target)));
    return json;
}

static int stat_one(struct cli *cli, const char *arg, bool follow, struct json_object *list)
{
    struct copse_stat st;
    struct place place;
    struct file file;
    char *target = NULL;
    int result = place_open(cli, arg, WANT_LOOK, follow, &place, &file), ret;

    if (result != 0)
        return result;
    ret = file_stat(&file, &st);
    if (ret == 0 && !file.node)
        ret = mount_stat(place.path, st.mode, &st);
    if (ret == 0 && S_ISLNK(st.mode))
        ret = file_readlink(&file, &target);
    if (ret < 0)
        result = cli_fail(cli, arg, ret);
    else if (list)
        json_object_array_add(list, stat_json(&place, &st, target));
    else
        print_stat(&place, &st, target);
    free(target);
    file_close(&file);
    place_free(&place);
    return result;
}

int cmd_stat(struct cli *cli, int argc, char **argv)
{
    struct json_object *list = NULL;
    bool started = false, follow = false;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "L", NULL, &started)) >= 0) {
        if (option != 'L')
            return EXIT_USAGE;
        follow = true;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (cli->json)
        list = json_object_new_array();
    for (int i = optind; i < argc; i++) {
        int one = stat_one(cli, argv[i], follow, list);
        result = result ? result : one;
    }
    if (list)
        json_print("stat", list);
    return result;
}
