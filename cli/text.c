// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static const struct {
    uint32_t type;
    char letter;
    const char *words;
} file_types[] = {
    {S_IFREG, '-', "regular file"},
    {S_IFDIR, 'd', "directory"},
    {S_IFLNK, 'l', "symbolic link"},
    {S_IFCHR, 'c', "character special file"},
    {S_IFBLK, 'b', "block special file"},
    {S_IFIFO, 'p', "fifo"},
    {S_IFSOCK, 's', "socket"},
};

const char *mode_text(uint32_t mode, char buf[11])
{
    static const char letters[] = "rwxrwxrwx";

    buf[0] = '?';
    for (size_t i = 0; i < sizeof(file_types) / sizeof(*file_types); i++) {
        if ((mode & S_IFMT) == file_types[i].type)
            buf[0] = file_types[i].letter;
    }
    for (unsigned i = 0; i < 9; i++)
        buf[1 + i] = mode & (0400U >> i) ? letters[i] : '-';
    if (mode & S_ISUID)
        buf[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        buf[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        buf[9] = mode & S_IXOTH ? 't' : 'T';
    buf[10] = '\0';
    return buf;
}

const char *type_text(uint32_t mode)
{
    for (size_t i = 0; i < sizeof(file_types) / sizeof(*file_types); i++) {
        if ((mode & S_IFMT) == file_types[i].type)
            return file_types[i].words;
    }
    return "unknown";
}

const char *time_text(const struct timespec *time, char buf[TIME_TEXT_MAX])
{
    struct tm tm;

    if (!localtime_r(&time->tv_sec, &tm) ||
        strftime(buf, TIME_TEXT_MAX, "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
        snprintf(buf, TIME_TEXT_MAX, "%lld", (long long)time->tv_sec);
    return buf;
}

const char *time_text_ns(const struct timespec *time, char buf[TIME_TEXT_MAX])
{
    char seconds[32], zone[8];
    struct tm tm;

    if (!localtime_r(&time->tv_sec, &tm) ||
        strftime(seconds, sizeof(seconds), "%Y-%m-%d %H:%M:%S", &tm) == 0 ||
        strftime(zone, sizeof(zone), "%z", &tm) == 0)
        snprintf(buf, TIME_TEXT_MAX, "%lld.%09ld", (long long)time->tv_sec, time->tv_nsec);
    else
        snprintf(buf, TIME_TEXT_MAX, "%s.%09ld %s", seconds, time->tv_nsec, zone);
    return buf;
}

const char *uuid_text(const uint8_t uuid[16], char buf[UUID_TEXT_MAX])
{
    char *at = buf;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += sprintf(at, "%02x", uuid[i]);
    }
    return buf;
}

const char *uuid_or_dash(const uint8_t uuid[16], char buf[UUID_TEXT_MAX])
{
    static const uint8_t none[16];

    if (memcmp(uuid, none, sizeof(none)) == 0)
        return strcpy(buf, "-");
    return uuid_text(uuid, buf);
}

void print_name(const char *name, size_t len)
{
    bool terminal = isatty(STDOUT_FILENO);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        putchar(terminal && (c < ' ' || c == 127) ? '?' : c);
    }
}

uint32_t mode_after_umask(uint32_t mode)
{
    mode_t mask = umask(0);

    umask(mask);
    return mode & ~mask;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

struct json_object *json_uint(uint64_t value)
{
    return json_object_new_uint64(value);
}

/* Length of the UTF-8 sequence at text, 0 when there is none. */
static size_t utf8_len(const unsigned char *text, size_t left)
{
    size_t len = text[0] < 0x80   ? 1
                 : text[0] < 0xc2 ? 0
                 : text[0] < 0xe0 ? 2
                 : text[0] < 0xf0 ? 3
                 : text[0] < 0xf5 ? 4
                                  : 0;

    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

struct json_object *json_bytes(const char *bytes, size_t len)
{
    char *text = need_memory(malloc(len * 2 + 1));
    size_t out = 0;
    struct json_object *json;

    for (size_t i = 0; i < len;) {
        const unsigned char *at = (const unsigned char *)bytes + i;
        size_t step = utf8_len(at, len - i);
        if (step == 0) {
            text[out++] = (char)(0xc0 | (*at >> 6));
            text[out++] = (char)(0x80 | (*at & 0x3f));
            step = 1;
        } else {
            memcpy(text + out, at, step);
            out += step;
        }
        i += step;
    }
    json = json_object_new_string_len(text, (int)out);
    free(text);
    return json;
}

struct json_object *json_time(const struct timespec *time)
{
    char buf[TIME_TEXT_MAX];

    return json_object_new_string(time_text_ns(time, buf));
}

void json_print(const char *name, struct json_object *list)
{
    struct json_object *all = json_object_new_object(), *header = json_object_new_object();

    json_object_object_add(header, "version", json_object_new_string("1"));
    json_object_object_add(all, "__header", header);
    json_object_object_add(all, name, list);
    puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(all);
}
