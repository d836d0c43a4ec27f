// SPDX-License-Identifier: GPL-2.0-or-later
/* xattr get, set, list, rm. */
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"
#include "text.h"

static char *hex_text(const uint8_t *value, size_t len)
{
    char *text = need_memory(malloc(len * 2 + 3)), *at = text;

    at += sprintf(at, "0x");
    for (size_t i = 0; i < len; i++)
        at += sprintf(at, "%02x", value[i]);
    return text;
}

int cmd_xattr_get(struct cli *cli, int argc, char **argv)
{
    bool started = false, hex = false;
    struct place place;
    struct file file;
    void *value;
    size_t len;
    int option, result, ret;

    while ((option = cli_option(cli, argc, argv, "x", NULL, &started)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        hex = true;
    }
    if (cli_count(cli, argc, 2, 2) != 0)
        return EXIT_USAGE;
    const char *arg = argv[optind], *name = argv[optind + 1];
    result = place_open(cli, arg, WANT_LOOK, false, &place, &file);
    if (result != 0)
        return result;
    ret = file_xattr_get(&file, name, &value, &len);
    if (ret < 0) {
        char *what = format_text("%s: %s", arg, name);
        result = cli_fail(cli, what, ret);
        free(what);
    } else if (hex) {
        char *text = hex_text(value, len);
        puts(text);
        free(text);
    } else {
        fwrite(value, 1, len, stdout);
        putchar('\n');
    }
    if (ret == 0)
        free(value);
    file_close(&file);
    place_free(&place);
    return result;
}

/* ---- set ------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

static bool parse_hex(const char *text, uint8_t *out, size_t *len)
{
    for (*len = 0; *text; text += 2) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return false;
        out[(*len)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_base64(const char *text, uint8_t *out, size_t *len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;

    for (*len = 0; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*len)++] = (uint8_t)(bits >> have);
        }
    }
    return true;
}

/* As setfattr reads values. */
static bool parse_value(const char *text, uint8_t *out, size_t *len)
{
    if (strncasecmp(text, "0x", 2) == 0)
        return parse_hex(text + 2, out, len);
    if (strncasecmp(text, "0s", 2) == 0)
        return parse_base64(text + 2, out, len);
    *len = strlen(text);
    memcpy(out, text, *len);
    return true;
}

static int change(struct cli *cli, const char *arg, const char *name, const void *value, size_t len)
{
    struct place place;
    struct file file;
    int result = place_open(cli, arg, WANT_CHANGE, false, &place, &file), ret;

    if (result != 0)
        return result;
    ret = value ? file_xattr_set(&file, name, value, len) : file_xattr_remove(&file, name);
    if (ret < 0) {
        char *what = format_text("%s: %s", arg, name);
        result = cli_fail(cli, what, ret);
        free(what);
    }
    file_close(&file);
    place_free(&place);
    return result;
}

int cmd_xattr_set(struct cli *cli, int argc, char **argv)
{
    bool started = false;
    uint8_t *value;
    size_t len;
    int result;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 3, 3) != 0)
        return EXIT_USAGE;
    const char *arg = argv[optind], *name = argv[optind + 1], *text = argv[optind + 2];
    value = need_memory(malloc(strlen(text) + 1));
    if (parse_value(text, value, &len))
        result = change(cli, arg, name, value, len);
    else
        result = cli_usage(cli, "%s: neither hex nor base64", text);
    free(value);
    return result;
}

int cmd_xattr_rm(struct cli *cli, int argc, char **argv)
{
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 2, 2) != 0)
        return EXIT_USAGE;
    return change(cli, argv[optind], argv[optind + 1], NULL, 0);
}

/* ---- list ------------------------------------------------------------------------------------ */

static int list_one(struct cli *cli, const char *arg, struct json_object *all, bool heading)
{
    struct json_object *json, *array;
    struct place place;
    struct file file;
    char *list;
    size_t len;
    int result = place_open(cli, arg, WANT_LOOK, false, &place, &file), ret;

    if (result != 0)
        return result;
    ret = file_xattr_list(&file, &list, &len);
    if (ret == 0) {
        json = all ? json_object_new_object() : NULL;
        array = all ? json_object_new_array() : NULL;
        if (!all && heading)
            printf("%s:\n", place.path);
        for (size_t at = 0; at < len; at += strlen(list + at) + 1) {
            if (all)
                json_object_array_add(array, json_bytes(list + at, strlen(list + at)));
            else
                puts(list + at);
        }
        if (all) {
            json_object_object_add(json, "path", json_bytes(place.path, strlen(place.path)));
            json_object_object_add(json, "names", array);
            json_object_array_add(all, json);
        }
        free(list);
    }
    file_close(&file);
    place_free(&place);
    return ret < 0 ? cli_fail(cli, arg, ret) : 0;
}

int cmd_xattr_list(struct cli *cli, int argc, char **argv)
{
    struct json_object *all = NULL;
    bool started = false;
    int result = 0;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 || cli_count(cli, argc, 1, -1) != 0)
        return EXIT_USAGE;
    if (cli->json)
        all = json_object_new_array();
    for (int i = optind, first = optind; i < argc; i++) {
        int one = list_one(cli, argv[i], all, argc - first > 1);
        result = result ? result : one;
    }
    if (all)
        json_print("xattr-list", all);
    return result;
}
