// SPDX-License-Identifier: GPL-2.0-or-later
/* ls: names as GNU ls prints them, one a line, in order of their bytes. */
#include <dirent.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "above.h"
#include "commands.h"
#include "paths.h"
#include "session.h"
#include "text.h"

struct listing {
    struct cli *cli;
    bool details, all, recursive, inodes, itself;
    bool headings; /* "dir:" in front of each directory */
    bool printed;  /* something: a blank line comes before the next heading */
    int result;
    struct json_object *json; /* array, or NULL */
};

/* An entry with what a line of it needs. */
struct entry {
    const char *name;
    size_t len;
    struct copse_stat st;
    char *target; /* of a symlink */
};

static int entry_load(struct listing *ls, struct file *file, struct entry *out)
{
    int ret = 0;

    out->target = NULL;
    ret = file_stat(file, &out->st);
    if (ret == 0 && S_ISLNK(out->st.mode) && (ls->details || ls->json))
        ret = file_readlink(file, &out->target);
    return ret;
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct widths {
    int ino, nlink, uid, gid, size;
};

static int digits(uint64_t value)
{
    int count = 1;

    while (value >= 10) {
        value /= 10;
        count++;
    }
    return count;
}

static bool is_device(uint32_t mode)
{
    return S_ISCHR(mode) || S_ISBLK(mode);
}

static void widen(int *width, int wanted)
{
    if (wanted > *width)
        *width = wanted;
}

static void widths_of(const struct entry *entries, size_t count, struct widths *out)
{
    *out = (struct widths){0};
    for (size_t i = 0; i < count; i++) {
        const struct copse_stat *st = &entries[i].st;
        widen(&out->ino, digits(st->ino));
        widen(&out->nlink, digits(st->nlink));
        widen(&out->uid, digits(st->uid));
        widen(&out->gid, digits(st->gid));
        widen(&out->size, is_device(st->mode)
                              ? digits(major(st->rdev)) + 2 + digits(minor(st->rdev))
                              : digits(st->size));
    }
}

static void print_details(const struct entry *entry, const struct widths *widths)
{
    const struct copse_stat *st = &entry->st;
    char mode[11], when[TIME_TEXT_MAX], size[48];

    if (is_device(st->mode))
        snprintf(size, sizeof(size), "%u, %u", major(st->rdev), minor(st->rdev));
    else
        snprintf(size, sizeof(size), "%llu", LLU(st->size));
    time_text(&st->mtime, when);
    printf("%s %*u %*u %*u %*s %.16s ", mode_text(st->mode, mode), widths->nlink, st->nlink,
           widths->uid, st->uid, widths->gid, st->gid, widths->size, size, when);
}

static void print_entry(struct listing *ls, const struct entry *entry, const struct widths *widths)
{
    if (ls->inodes)
        printf("%*llu ", widths->ino, LLU(entry->st.ino));
    if (ls->details)
        print_details(entry, widths);
    print_name(entry->name, entry->len);
    if (ls->details && entry->target) {
        fputs(" -> ", stdout);
        print_name(entry->target, strlen(entry->target));
    }
    putchar('\n');
}

static void add_json(struct listing *ls, const char *dir, const struct entry *entry)
{
    const struct copse_stat *st = &entry->st;
    struct json_object *json = json_object_new_object();
    char mode[11];

    json_object_object_add(json, "name", json_bytes(entry->name, entry->len));
    if (dir)
        json_object_object_add(json, "directory", json_bytes(dir, strlen(dir)));
    json_object_object_add(json, "ino", json_uint(st->ino));
    json_object_object_add(json, "type", json_object_new_string(type_text(st->mode)));
    json_object_object_add(json, "mode", json_object_new_string(mode_text(st->mode, mode)));
    json_object_object_add(json, "nlink", json_uint(st->nlink));
    json_object_object_add(json, "uid", json_uint(st->uid));
    json_object_object_add(json, "gid", json_uint(st->gid));
    json_object_object_add(json, "size", json_uint(st->size));
    json_object_object_add(json, "mtime", json_time(&st->mtime));
    if (entry->target)
        json_object_object_add(json, "target", json_bytes(entry->target, strlen(entry->target)));
    json_object_array_add(ls->json, json);
}

static void print_entries(struct listing *ls, const char *dir, struct entry *entries, size_t count)
{
    struct widths widths;
    uint64_t blocks = 0;

    widths_of(entries, count, &widths);
    for (size_t i = 0; i < count; i++)
        blocks += entries[i].st.blocks;
    if (dir && ls->details && !ls->json)
        printf("total %llu\n", LLU(blocks / 2));
    for (size_t i = 0; i < count; i++) {
        if (ls->json)
            add_json(ls, dir, &entries[i]);
        else
            print_entry(ls, &entries[i], &widths);
        free(entries[i].target);
    }
    ls->printed |= count > 0;
}

/* ---- directories ----------------------------------------------------------------------------- */

static void complain(struct listing *ls, const char *path, int err)
{
    ls->result = cli_fail(ls->cli, path, err);
}

/* Whether lines need more than the names of a directory. */
static bool needs_stat(const struct listing *ls)
{
    return ls->details || ls->json || ls->inodes;
}

static int load_name(struct listing *ls, struct file *dir, const struct name *name,
                     struct entry *out)
{
    struct file file;
    int ret;

    *out = (struct entry){.name = name->name, .len = name->len};
    if (!needs_stat(ls))
        return 0;
    ret = file_lookup(dir, name->name, &file);
    if (ret < 0)
        return ret;
    ret = entry_load(ls, &file, out);
    file_close(&file);
    return ret;
}

/* "." and ".." first, then the names that are to be seen. */
static void visible_names(struct listing *ls, struct names *names)
{
    struct names kept = {0};

    if (ls->all) {
        names_add(&kept, ".", 1, DT_DIR, 0);
        names_add(&kept, "..", 2, DT_DIR, 0);
    }
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->list[i];
        if (ls->all || name->name[0] != '.')
            names_add(&kept, name->name, name->len, name->type, name->ino);
    }
    names_free(names);
    *names = kept;
}

static void list_dir(struct listing *ls, struct file *dir, const char *path,
                     const struct above *up);

static void list_below(struct listing *ls, struct file *dir, const char *path,
                       const struct names *names, const struct above *up)
{
    for (size_t i = 0; i < names->count && !cli_interrupted(); i++) {
        const struct name *name = &names->list[i];
        struct file child;
        char *below;
        int ret;

        if (name->type != DT_DIR || strcmp(name->name, ".") == 0 || strcmp(name->name, "..") == 0)
            continue;
        below = path_below(path, name->name);
        ret = file_lookup(dir, name->name, &child);
        if (ret < 0) {
            complain(ls, below, ret);
        } else {
            list_dir(ls, &child, below, up);
            file_close(&child);
        }
        free(below);
    }
}

static void print_heading(struct listing *ls, const char *path)
{
    if (!ls->headings || ls->json)
        return;
    if (ls->printed)
        putchar('\n');
    print_name(path, strlen(path));
    fputs(":\n", stdout);
    ls->printed = true;
}

static void list_dir(struct listing *ls, struct file *dir, const char *path, const struct above *up)
{
    struct entry *entries;
    struct names names;
    struct above here;
    size_t count = 0;
    int ret = above_enter(up, dir, &here);

    if (ret == 0)
        ret = file_list(dir, &names);
    if (ret < 0) {
        complain(ls, path, ret);
        return;
    }
    visible_names(ls, &names);
    entries = need_memory(calloc(names.count + 1, sizeof(*entries)));
    for (size_t i = 0; i < names.count; i++) {
        ret = load_name(ls, dir, &names.list[i], &entries[count]);
        if (ret == 0) {
            count++;
        } else {
            char *below = path_below(path, names.list[i].name);
            complain(ls, below, ret);
            free(below);
        }
    }
    print_heading(ls, path);
    print_entries(ls, path, entries, count);
    free(entries);
    if (ls->recursive)
        list_below(ls, dir, path, &names, &here);
    names_free(&names);
}

/* One argument, opened. */
struct argument {
    struct place place;
    struct file file;
    struct entry entry;
    bool open, is_dir;
};

static void open_argument(struct listing *ls, const char *arg, struct argument *out)
{
    /* As GNU ls: a symlink named is followed unless its own attributes are asked for. */
    bool follow = !ls->details && !ls->itself;
    int ret = place_open(ls->cli, arg, WANT_LOOK, follow, &out->place, &out->file);

    if (ret != 0) {
        ls->result = ret;
        return;
    }
    out->open = true;
    out->entry = (struct entry){.name = out->place.path, .len = strlen(out->place.path)};
    ret = entry_load(ls, &out->file, &out->entry);
    if (ret < 0)
        complain(ls, arg, ret);
    out->is_dir = ret == 0 && S_ISDIR(out->entry.st.mode) && !ls->itself;
    if (ret == 0 && !out->is_dir)
        print_entries(ls, NULL, &out->entry, 1);
}

static void finish_argument(struct listing *ls, struct argument *argument)
{
    if (!argument->open)
        return;
    if (argument->is_dir)
        list_dir(ls, &argument->file, argument->place.path, NULL);
    file_close(&argument->file);
    place_free(&argument->place);
}

/* Files first, then directories. */
static void list_arguments(struct listing *ls, int count, char **args)
{
    struct argument *arguments = need_memory(calloc((size_t)count, sizeof(*arguments)));

    for (int i = 0; i < count; i++)
        open_argument(ls, args[i], &arguments[i]);
    for (int i = 0; i < count; i++)
        finish_argument(ls, &arguments[i]);
    free(arguments);
}

int cmd_ls(struct cli *cli, int argc, char **argv)
{
    struct listing ls = {.cli = cli};
    bool started = false;
    int option, result;

    while ((option = cli_option(cli, argc, argv, "1ladiR", NULL, &started)) >= 0) {
        switch (option) {
        case 'l':
            ls.details = true;
            break;
        case 'a':
            ls.all = true;
            break;
        case 'd':
            ls.itself = true;
            break;
        case 'i':
            ls.inodes = true;
            break;
        case 'R':
            ls.recursive = true;
            break;
        case '1':
            break;
        default:
            return EXIT_USAGE;
        }
    }
    result = cli_count(cli, argc, 1, -1);
    if (result != 0)
        return result;
    ls.headings = ls.recursive || argc - optind > 1;
    ls.json = cli->json ? json_object_new_array() : NULL;
    list_arguments(&ls, argc - optind, argv + optind);
    if (ls.json)
        json_print("ls", ls.json);
    return ls.result;
}
