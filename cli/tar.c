// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A tree as a tar archive (POSIX.1-2001, pax): what does not fit into the old header, times with
 * fractions and attributes go into a header of their own in front of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "receive_out.h"
#include "seen.h"

#define BLOCK 512
#define READ_BYTES (1U << 20)
#define OCTAL_8_MAX 07777777ULL
#define OCTAL_12_MAX 077777777777ULL

/* The header as it stands in the archive. */
struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
    char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct tar_header) == BLOCK, "a header is one block");

struct tar {
    struct cli *cli;
    struct copse_stream_sink sink;
    struct seen seen;
    char *buffer;
    uint64_t written;
};

struct records {
    char *at;
    size_t len;
};

static int put(struct tar *tar, const void *bytes, size_t len)
{
    tar->written += len;
    return tar->sink.write(tar->sink.arg, bytes, len);
}

static int pad(struct tar *tar)
{
    static const char zeroes[BLOCK];
    size_t over = tar->written % BLOCK;

    return over ? put(tar, zeroes, BLOCK - over) : 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void add_record(struct records *records, const char *key, const void *value, size_t len)
{
    size_t rest = strlen(key) + len + 3, whole = rest + 1;
    char number[24];

    while (rest + (size_t)snprintf(number, sizeof(number), "%zu", whole) != whole)
        whole = rest + (size_t)snprintf(number, sizeof(number), "%zu", whole);
    records->at = need_memory(realloc(records->at, records->len + whole + 1));
    char *at = records->at + records->len;
    at += sprintf(at, "%s %s=", number, key);
    memcpy(at, value, len);
    at[len] = '\n';
    records->len += whole;
}

static void add_text(struct records *records, const char *key, const char *value)
{
    add_record(records, key, value, strlen(value));
}

/* Octal, or, where that does not fit, a record and zero. */
static void set_number(struct records *records, char *field, size_t width, uint64_t value,
                       const char *key)
{
    uint64_t max = width == 8 ? OCTAL_8_MAX : OCTAL_12_MAX;
    char text[24];

    if (value > max && key) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        add_text(records, key, text);
        value = 0;
    }
    snprintf(text, sizeof(text), "%0*llo", (int)width - 1, (unsigned long long)(value & max));
    memcpy(field, text, width - 1);
}

static void set_text(struct records *records, char *field, size_t width, const char *text,
                     const char *key)
{
    size_t len = strlen(text);

    if (len > width)
        add_text(records, key, text);
    memcpy(field, text, len < width ? len : width);
}

static void set_time(struct records *records, struct tar_header *header,
                     const struct timespec *time)
{
    char text[48];

    if (time->tv_nsec != 0 || time->tv_sec < 0) {
        bool borrow = time->tv_sec < 0 && time->tv_nsec != 0;
        snprintf(text, sizeof(text), "%s%lld.%09ld", borrow && time->tv_sec == -1 ? "-" : "",
                 (long long)time->tv_sec + borrow,
                 borrow ? 1000000000L - time->tv_nsec : time->tv_nsec);
        add_text(records, "mtime", text);
    }
    set_number(records, header->mtime, sizeof(header->mtime),
               time->tv_sec < 0 ? 0 : (uint64_t)time->tv_sec, NULL);
}

static int put_header(struct tar *tar, struct tar_header *header)
{
    unsigned sum = 0;
    char text[16];

    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    memset(header->sum, ' ', sizeof(header->sum));
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += ((unsigned char *)header)[i];
    snprintf(text, sizeof(text), "%06o", sum);
    memcpy(header->sum, text, 7);
    return put(tar, header, sizeof(*header));
}

static int put_records(struct tar *tar, const struct records *records)
{
    struct tar_header header = {.type = 'x'};
    int ret;

    if (records->len == 0)
        return 0;
    memcpy(header.name, "PaxHeader", 9);
    set_number(NULL, header.mode, sizeof(header.mode), 0644, NULL);
    set_number(NULL, header.size, sizeof(header.size), records->len, NULL);
    set_number(NULL, header.mtime, sizeof(header.mtime), 0, NULL);
    ret = put_header(tar, &header);
    if (ret == 0)
        ret = put(tar, records->at, records->len);
    return ret < 0 ? ret : pad(tar);
}

static int add_xattrs(struct records *records, struct file *file)
{
    char *list;
    size_t len;
    int ret = file_xattr_list(file, &list, &len);

    for (const char *name = list; ret == 0 && name < list + len; name += strlen(name) + 1) {
        /* What btrfs keeps there is no attribute elsewhere. */
        if (strncmp(name, "btrfs.", 6) == 0)
            continue;
        char *key = format_text("SCHILY.xattr.%s", name);
        void *value;
        size_t value_len;

        ret = file_xattr_get(file, name, &value, &value_len);
        if (ret == 0) {
            add_record(records, key, value, value_len);
            free(value);
        }
        free(key);
    }
    if (ret == 0)
        free(list);
    return ret;
}

static char type_of(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return '0';
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFDIR:
        return '5';
    default:
        return '6';
    }
}

static int put_content(struct tar *tar, struct file *file, uint64_t size)
{
    uint64_t at = 0;

    while (at < size) {
        size_t n = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES, done;
        int ret = file_pread(file, tar->buffer, n, at, &done);

        if (ret == 0 && done == 0)
            ret = -EIO;
        if (ret == 0)
            ret = put(tar, tar->buffer, done);
        if (ret < 0)
            return ret;
        at += done;
    }
    return pad(tar);
}

/* link: an earlier name of the same file, or NULL. */
static int put_file(struct tar *tar, struct file *file, const struct copse_stat *st,
                    const char *name, const char *link)
{
    struct tar_header header = {.type = link ? '1' : type_of(st->mode)};
    bool content = header.type == '0';
    struct records records = {0};
    char *target = NULL;
    int ret = 0;

    if (header.type == '2')
        ret = file_readlink(file, &target);
    if (ret < 0)
        return ret;
    set_text(&records, header.name, sizeof(header.name), name, "path");
    if (link || target)
        set_text(&records, header.link, sizeof(header.link), link ? link : target, "linkpath");
    set_number(&records, header.mode, sizeof(header.mode), st->mode & 07777, NULL);
    set_number(&records, header.uid, sizeof(header.uid), st->uid, "uid");
    set_number(&records, header.gid, sizeof(header.gid), st->gid, "gid");
    set_number(&records, header.size, sizeof(header.size), content ? st->size : 0, "size");
    set_number(&records, header.major, sizeof(header.major), major(st->rdev), NULL);
    set_number(&records, header.minor, sizeof(header.minor), minor(st->rdev), NULL);
    set_time(&records, &header, &st->mtime);
    if (!link)
        ret = add_xattrs(&records, file);
    if (ret == 0)
        ret = put_records(tar, &records);
    if (ret == 0)
        ret = put_header(tar, &header);
    if (ret == 0 && content)
        ret = put_content(tar, file, st->size);
    free(records.at);
    free(target);
    return ret;
}

static int put_tree(struct tar *tar, struct file *dir, const char *below);

static int put_entry(struct tar *tar, struct file *file, const char *name)
{
    struct copse_stat st;
    const char *first = name;
    int ret = file_stat(file, &st);

    if (ret < 0)
        return ret;
    if (S_ISSOCK(st.mode)) {
        cli_warn(tar->cli, name, "a socket, which tar cannot hold");
        return 0;
    }
    if (S_ISDIR(st.mode)) {
        char *slashed = format_text("%s/", name);
        ret = put_file(tar, file, &st, slashed, NULL);
        if (ret == 0)
            ret = put_tree(tar, file, slashed);
        free(slashed);
        return ret;
    }
    bool again = st.nlink > 1 && seen_before(&tar->seen, &st, &first);
    return put_file(tar, file, &st, name, again ? first : NULL);
}

static int put_tree(struct tar *tar, struct file *dir, const char *below)
{
    struct names names = {0};
    int ret = file_list(dir, &names);

    for (size_t i = 0; ret == 0 && i < names.count; i++) {
        char *name = format_text("%s%s", below, names.list[i].name);
        struct file file;

        ret = file_lookup(dir, names.list[i].name, &file);
        if (ret == 0) {
            ret = put_entry(tar, &file, name);
            file_close(&file);
        }
        free(name);
    }
    names_free(&names);
    return ret;
}

static int put_all(struct tar *tar, struct file *top)
{
    static const char end[2 * BLOCK];
    struct copse_stat st;
    int ret = file_stat(top, &st);

    if (ret == 0)
        ret = put_file(tar, top, &st, "./", NULL);
    if (ret == 0)
        ret = put_tree(tar, top, "./");
    return ret == 0 ? put(tar, end, sizeof(end)) : ret;
}

int restore_to_tar(struct cli *cli, struct scratch *scratch, const char *name,
                   struct stream_file *out)
{
    struct tar tar = {.cli = cli, .sink = stream_sink(out)};
    char *path = format_text("/%s", name);
    struct file top;
    int ret;

    tar.buffer = need_memory(malloc(READ_BYTES));
    ret = file_walk(&scratch->session->tree, path, true, &top);
    if (ret == 0) {
        ret = put_all(&tar, &top);
        file_close(&top);
    }
    seen_free(&tar.seen);
    free(tar.buffer);
    free(path);
    return ret < 0 ? cli_fail(cli, out->name, ret) : 0;
}
