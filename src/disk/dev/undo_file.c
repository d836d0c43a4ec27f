// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing and reading undo files. */
#include "disk/dev/undo_file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/csum/csum.h"

struct undo_writer {
    int fd;
    char *path;
    uint64_t end, records, sequence;
    struct undo_head head;
};

static int fail_file(const char *path, const char *what)
{
    int err = errno;

    return fail(-err, "%s: %s: %s", path, what, strerror(err));
}

static int write_at(int fd, const char *path, const void *buf, size_t len, uint64_t off)
{
    const uint8_t *in = buf;

    while (len > 0) {
        ssize_t put = pwrite(fd, in, len, (off_t)off);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_file(path, "write");
        in += put;
        off += (uint64_t)put;
        len -= (size_t)put;
    }
    return 0;
}

/* 1: the file ends before. */
static int read_at(int fd, const char *path, void *buf, size_t len, uint64_t off)
{
    uint8_t *out = buf;

    while (len > 0) {
        ssize_t got = pread(fd, out, len, (off_t)off);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_file(path, "read");
        if (got == 0)
            return 1;
        out += got;
        off += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static uint32_t head_csum(struct undo_head head)
{
    head.csum = le32_of(0);
    return crc32c_raw(~0U, &head, sizeof(head));
}

static uint32_t record_csum(struct undo_record record, const void *data, size_t len)
{
    record.csum = le32_of(0);
    return crc32c_raw(crc32c_raw(~0U, &record, sizeof(record)), data, len);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_head(struct undo_writer *writer)
{
    struct undo_head *head = &writer->head;
    uint64_t at = writer->sequence % 2 * UNDO_HEAD_STEP;

    head->sequence = le64_of(writer->sequence++);
    head->end = le64_of(writer->end);
    head->records = le64_of(writer->records);
    head->csum = le32_of(head_csum(*head));
    TRY(write_at(writer->fd, writer->path, head, sizeof(*head), at));
    return fsync(writer->fd) < 0 ? fail_file(writer->path, "fsync") : 0;
}

/* The name, too, must be there after a crash. */
static int sync_folder(const char *path)
{
    AUTO_FREE char *copy = strdup(path);

    if (!copy)
        return fail(-ENOMEM, "%s: out of memory", path);
    AUTO_CLOSE int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return fail_file(path, "its directory");
    return 0;
}

int undo_create(const char *path, uint64_t device_size, const uint8_t fsid[UNDO_FSID_SIZE],
                struct undo_writer **out)
{
    struct undo_writer *writer = calloc(1, sizeof(*writer));
    int ret;

    if (!writer || !(writer->path = strdup(path))) {
        free(writer);
        return fail(-ENOMEM, "%s: out of memory", path);
    }
    writer->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (writer->fd < 0) {
        ret = fail_file(path, "making the undo file");
        undo_end(writer);
        return ret;
    }
    memcpy(writer->head.magic, UNDO_MAGIC, sizeof(UNDO_MAGIC));
    writer->head.version = le32_of(UNDO_VERSION);
    writer->head.device_size = le64_of(device_size);
    memcpy(writer->head.fsid, fsid, UNDO_FSID_SIZE);
    writer->end = 2 * UNDO_HEAD_STEP;
    ret = write_head(writer);
    if (ret == 0)
        ret = sync_folder(path);
    if (ret < 0) {
        undo_end(writer);
        return ret;
    }
    *out = writer;
    return 0;
}

int undo_append(struct undo_writer *writer, uint64_t off, const void *old, uint32_t len)
{
    struct undo_record record = {
        .magic = le32_of(UNDO_RECORD_MAGIC), .off = le64_of(off), .len = le64_of(len)};

    record.csum = le32_of(record_csum(record, old, len));
    TRY(write_at(writer->fd, writer->path, &record, sizeof(record), writer->end));
    TRY(write_at(writer->fd, writer->path, old, len, writer->end + sizeof(record)));
    writer->end += sizeof(record) + len;
    writer->records++;
    return 0;
}

int undo_seal(struct undo_writer *writer)
{
    if (le64_get(writer->head.end) == writer->end)
        return 0;
    if (fsync(writer->fd) < 0)
        return fail_file(writer->path, "fsync");
    return write_head(writer);
}

void undo_end(struct undo_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->path);
    free(writer);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Whether a head is whole. */
static bool head_is_good(const struct undo_head *head)
{
    return memcmp(head->magic, UNDO_MAGIC, sizeof(UNDO_MAGIC)) == 0 &&
           le32_get(head->csum) == head_csum(*head);
}

static int read_head(int fd, const char *path, struct undo_head *out)
{
    bool found = false;

    for (unsigned i = 0; i < 2; i++) {
        struct undo_head head;
        int ret = read_at(fd, path, &head, sizeof(head), (uint64_t)i * UNDO_HEAD_STEP);

        TRY(ret);
        if (ret > 0 || !head_is_good(&head) ||
            (found && le64_get(head.sequence) < le64_get(out->sequence)))
            continue;
        *out = head;
        found = true;
    }
    if (!found)
        return fail(-EINVAL, "%s: is no undo file", path);
    if (le32_get(out->version) != UNDO_VERSION)
        return fail(-EINVAL, "%s: is an undo file of version %u, known is %u", path,
                    le32_get(out->version), UNDO_VERSION);
    return 0;
}

static int damaged(const char *path, uint64_t at)
{
    return fail(-EUCLEAN, "%s: is cut off or damaged at %llu", path, (unsigned long long)at);
}

/* Reads the record at *at into buf, which has UNDO_RECORD_MAX bytes, and moves on. */
static int read_record(int fd, const char *path, const struct undo_head *head, uint64_t *at,
                       struct undo_record *record, uint8_t *buf)
{
    uint64_t off, len;
    int ret = read_at(fd, path, record, sizeof(*record), *at);

    TRY(ret);
    off = le64_get(record->off);
    len = le64_get(record->len);
    if (ret > 0 || le32_get(record->magic) != UNDO_RECORD_MAGIC || len == 0 ||
        len > UNDO_RECORD_MAX || off > le64_get(head->device_size) ||
        len > le64_get(head->device_size) - off)
        return damaged(path, *at);
    ret = read_at(fd, path, buf, len, *at + sizeof(*record));
    TRY(ret);
    if (ret > 0 || le32_get(record->csum) != record_csum(*record, buf, len))
        return damaged(path, *at);
    *at += sizeof(*record) + len;
    return 0;
}

/* All records, onto a device or (NULL) only looked at. */
static int walk(int fd, const char *path, const struct undo_head *head, struct dev *dev,
                uint64_t *bytes)
{
    AUTO_FREE uint8_t *buf = malloc(UNDO_RECORD_MAX);
    uint64_t at = 2 * UNDO_HEAD_STEP;

    if (!buf)
        return fail(-ENOMEM, "%s: out of memory", path);
    *bytes = 0;
    for (uint64_t i = 0; i < le64_get(head->records); i++) {
        struct undo_record record;

        TRY(read_record(fd, path, head, &at, &record, buf));
        *bytes += le64_get(record.len);
        if (dev)
            TRY(dev_write(dev, le64_get(record.off), buf, le64_get(record.len)));
    }
    return at == le64_get(head->end) ? 0 : damaged(path, at);
}

static int open_file(const char *path, int *out)
{
    *out = open(path, O_RDONLY | O_CLOEXEC);
    return *out < 0 ? fail_file(path, "undo file") : 0;
}

int undo_look(const char *path, struct undo_info *out)
{
    AUTO_CLOSE int fd = -1;
    struct undo_head head;
    uint64_t bytes;

    TRY(open_file(path, &fd));
    TRY(read_head(fd, path, &head));
    TRY(walk(fd, path, &head, NULL, &bytes));
    *out = (struct undo_info){.device_size = le64_get(head.device_size),
                              .records = le64_get(head.records),
                              .bytes = bytes};
    memcpy(out->fsid, head.fsid, UNDO_FSID_SIZE);
    return 0;
}

int undo_apply(const char *path, struct dev *dev)
{
    AUTO_CLOSE int fd = -1;
    struct undo_head head;
    uint64_t bytes;

    TRY(open_file(path, &fd));
    TRY(read_head(fd, path, &head));
    TRY(walk(fd, path, &head, NULL, &bytes));
    if (le64_get(head.device_size) != dev->size)
        return fail(-EINVAL, "%s: is of a device of %llu bytes, %s has %llu", path,
                    (unsigned long long)le64_get(head.device_size), dev->label,
                    (unsigned long long)dev->size);
    TRY(walk(fd, path, &head, dev, &bytes));
    return dev_flush(dev);
}
