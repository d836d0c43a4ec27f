// SPDX-License-Identifier: GPL-2.0-or-later
/* chattr and lsattr. */
#include <json-c/json.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "text.h"

#ifndef FS_VERITY_FL
#define FS_VERITY_FL 0x00100000
#endif
#ifndef FS_NOCOMP_FL
#define FS_NOCOMP_FL 0x00000400
#endif

/* In the order in which lsattr prints them. */
static const struct {
    uint32_t flag;
    char letter;
} flag_letters[] = {
    {FS_SECRM_FL, 's'},
    {FS_UNRM_FL, 'u'},
    {FS_SYNC_FL, 'S'},
    {FS_DIRSYNC_FL, 'D'},
    {FS_IMMUTABLE_FL, 'i'},
    {FS_APPEND_FL, 'a'},
    {FS_NODUMP_FL, 'd'},
    {FS_NOATIME_FL, 'A'},
    {FS_COMPR_FL, 'c'},
    {0, 'E'},
    {FS_JOURNAL_DATA_FL, 'j'},
    {FS_INDEX_FL, 'I'},
    {FS_NOTAIL_FL, 't'},
    {FS_TOPDIR_FL, 'T'},
    {FS_EXTENT_FL, 'e'},
    {FS_NOCOW_FL, 'C'},
    {0, 'x'},
    {0, 'F'},
    {0, 'N'},
    {0, 'P'},
    {FS_VERITY_FL, 'V'},
    {FS_NOCOMP_FL, 'm'},
};

#define LETTERS (sizeof(flag_letters) / sizeof(*flag_letters))

/* Letters that chattr may change. */
#define SETTABLE "SDiadAcCm"

static void flags_text(uint32_t flags, char out[LETTERS + 1])
{
    for (size_t i = 0; i < LETTERS; i++)
        out[i] = flags & flag_letters[i].flag ? flag_letters[i].letter : '-';
    out[LETTERS] = '\0';
}

static int lsattr_one(struct cli *cli, const char *arg, struct json_object *list)
{
    char text[LETTERS + 1];
    struct place place;
    struct file file;
    uint32_t flags;
    int result = place_open(cli, arg, WANT_LOOK, false, &place, &file), ret;

    if (result != 0)
        return result;
    ret = file_get_flags(&file, &flags);
    if (ret == 0) {
        flags_text(flags, text);
        if (list) {
            struct json_object *json = json_object_new_object();
            json_object_object_add(json, "path", json_bytes(place.path, strlen(place.path)));
            json_object_object_add(json, "flags", json_object_new_string(text));
            json_object_array_add(list, json);
        } else {
            printf("%s ", text);
            print_name(place.path, strlen(place.path));
            putchar('\n');
        }
    }
    file_close(&file);
    place_free(&place);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}

int cmd_lsattr(struct cli *cli, int argc, char **argv)
{
    struct json_object *list = NULL;
    bool started = false;
    int option, result = 0;

    while ((option = cli_option(cli, argc, argv, "d", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
    }
    if (cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (cli->json)
        list = json_object_new_array();
    for (int i = optind; i < argc; i++) {
        int one = lsattr_one(cli, argv[i], list);
        result = result ? result : one;
    }
    if (list)
        json_print("lsattr", list);
    return result;
}

/* ---- chattr ---------------------------------------------------------------------------------- */

struct flag_change {
    uint32_t add, remove;
    bool replace; /* '=': what is not named goes */
};

static bool is_change(const char *word)
{
    return word[0] && strchr("+-=", word[0]) && word[1];
}

static bool letter_flag(char letter, uint32_t *flag)
{
    for (size_t i = 0; i < LETTERS; i++) {
        if (flag_letters[i].letter == letter && strchr(SETTABLE, letter)) {
            *flag = flag_letters[i].flag;
            return true;
        }
    }
    return false;
}

static int take_change(struct cli *cli, const char *word, struct flag_change *change)
{
    uint32_t flag;

    for (const char *at = word + 1; *at; at++) {
        if (!letter_flag(*at, &flag))
            return cli_usage(cli, "%s: unknown flag %c", word, *at);
        if (*word == '-')
            change->remove |= flag;
        else
            change->add |= flag;
    }
    change->replace |= *word == '=';
    return 0;
}

static uint32_t settable_flags(void)
{
    uint32_t all = 0, flag;

    for (const char *at = SETTABLE; *at; at++) {
        if (letter_flag(*at, &flag))
            all |= flag;
    }
    return all;
}

static int chattr_one(struct cli *cli, const char *arg, const struct flag_change *change)
{
    struct place place;
    struct file file;
    uint32_t flags;
    int result = place_open(cli, arg, WANT_CHANGE, true, &place, &file), ret;

    if (result != 0)
        return result;
    ret = file_get_flags(&file, &flags);
    if (ret == 0) {
        if (change->replace)
            flags &= ~settable_flags();
        ret = file_set_flags(&file, (flags | change->add) & ~change->remove);
    }
    file_close(&file);
    place_free(&place);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}

int cmd_chattr(struct cli *cli, int argc, char **argv)
{
    struct flag_change change = {0};
    int first = 1, result = 0;

    /* Its "options" are the changes themselves. */
    for (; first < argc && is_change(argv[first]); first++) {
        result = take_change(cli, argv[first], &change);
        if (result != 0)
            return result;
    }
    if (first == 1)
        return cli_usage(cli, "no +FLAGS, -FLAGS or =FLAGS");
    if (first == argc)
        return cli_usage(cli, "too few arguments");
    for (int i = first; i < argc; i++) {
        int one = chattr_one(cli, argv[i], &change);
        result = result ? result : one;
    }
    return result;
}
