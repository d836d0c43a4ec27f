// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The undo file: two heads, then records of old bytes. A head says up to where the records hold;
 * the two are written in turn, so that one of them is always whole.
 */
#ifndef COPSE_DISK_DEV_UNDO_FILE_H
#define COPSE_DISK_DEV_UNDO_FILE_H

#include "base/le.h"
#include "disk/dev/undo.h"

#define UNDO_MAGIC "COPSEUNDO\n"
#define UNDO_VERSION 1
#define UNDO_HEAD_STEP 4096 /* from the first head to the second, and from there to the records */
#define UNDO_RECORD_MAX (1U << 20)

struct undo_head {
    char magic[12];
    le32 version;
    le32 csum; /* crc32c of the head, with zero here */
    le32 reserved;
    le64 sequence; /* the higher one counts */
    le64 device_size;
    le64 end; /* of the last record that counts, in the file */
    le64 records;
    uint8_t fsid[UNDO_FSID_SIZE];
};

struct undo_record {
    le32 magic;
    le32 csum; /* crc32c of the record, with zero here, and the bytes that follow */
    le64 off, len;
};
#define UNDO_RECORD_MAGIC 0x52434455u

struct undo_writer;

/* Makes the file, durable with its name. */
int undo_create(const char *path, uint64_t device_size, const uint8_t fsid[UNDO_FSID_SIZE],
                struct undo_writer **out) MUST_USE;
int undo_append(struct undo_writer *writer, uint64_t off, const void *old, uint32_t len) MUST_USE;
/* Everything appended is durable and counts. */
int undo_seal(struct undo_writer *writer) MUST_USE;
void undo_end(struct undo_writer *writer);

#endif
