// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol of send streams: commands, attributes, and what each command must carry.
 *
 * A stream is a header and commands; a command is a header with a checksum and attributes, each a
 * type, a length and a value. From protocol 2 on the DATA attribute has no length: it reaches to
 * the end of its command, which may be longer than 64 KiB.
 */
#ifndef COPSE_OPS_STREAM_PROTOCOL_H
#define COPSE_OPS_STREAM_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MAGIC "btrfs-stream" /* with its NUL */
#define STREAM_HEADER_SIZE 17       /* magic, then the version */
#define COMMAND_HEADER_SIZE 10      /* length of the rest, command, checksum */
#define ATTRIBUTE_HEADER_SIZE 4     /* type, length */
#define STREAM_VERSION_MAX 3
/* Longest command: Linux makes none above 64 KiB in protocol 1. */
#define COMMAND_MAX_V1 (64u * 1024)
#define COMMAND_MAX (16u * 1024 * 1024)
#define STREAM_PATH_MAX 65535
#define STREAM_XATTR_MAX (64u * 1024)

/* C(NAME, number, first protocol that has it, "name as btrfs receive --dump prints it", required)
 */
#define STREAM_COMMANDS(C)                                                                         \
    C(SUBVOL, 1, 1, "subvol", HAS(PATH) | HAS(UUID) | HAS(CTRANSID))                               \
    C(SNAPSHOT, 2, 1, "snapshot",                                                                  \
      HAS(PATH) | HAS(UUID) | HAS(CTRANSID) | HAS(CLONE_UUID) | HAS(CLONE_CTRANSID))               \
    C(MKFILE, 3, 1, "mkfile", HAS(PATH))                                                           \
    C(MKDIR, 4, 1, "mkdir", HAS(PATH))                                                             \
    C(MKNOD, 5, 1, "mknod", HAS(PATH) | HAS(MODE) | HAS(RDEV))                                     \
    C(MKFIFO, 6, 1, "mkfifo", HAS(PATH))                                                           \
    C(MKSOCK, 7, 1, "mksock", HAS(PATH))                                                           \
    C(SYMLINK, 8, 1, "symlink", HAS(PATH) | HAS(PATH_LINK))                                        \
    C(RENAME, 9, 1, "rename", HAS(PATH) | HAS(PATH_TO))                                            \
    C(LINK, 10, 1, "link", HAS(PATH) | HAS(PATH_LINK))                                             \
    C(UNLINK, 11, 1, "unlink", HAS(PATH))                                                          \
    C(RMDIR, 12, 1, "rmdir", HAS(PATH))                                                            \
    C(SET_XATTR, 13, 1, "set_xattr", HAS(PATH) | HAS(XATTR_NAME) | HAS(XATTR_DATA))                \
    C(REMOVE_XATTR, 14, 1, "remove_xattr", HAS(PATH) | HAS(XATTR_NAME))                            \
    C(WRITE, 15, 1, "write", HAS(PATH) | HAS(FILE_OFFSET) | HAS(DATA))                             \
    C(CLONE, 16, 1, "clone",                                                                       \
      HAS(PATH) | HAS(FILE_OFFSET) | HAS(CLONE_LEN) | HAS(CLONE_UUID) | HAS(CLONE_CTRANSID) |      \
          HAS(CLONE_PATH) | HAS(CLONE_OFFSET))                                                     \
    C(TRUNCATE, 17, 1, "truncate", HAS(PATH) | HAS(SIZE))                                          \
    C(CHMOD, 18, 1, "chmod", HAS(PATH) | HAS(MODE))                                                \
    C(CHOWN, 19, 1, "chown", HAS(PATH) | HAS(UID) | HAS(GID))                                      \
    C(UTIMES, 20, 1, "utimes", HAS(PATH) | HAS(ATIME) | HAS(MTIME) | HAS(CTIME))                   \
    C(END, 21, 1, "end", 0)                                                                        \
    C(UPDATE_EXTENT, 22, 1, "update_extent", HAS(PATH) | HAS(FILE_OFFSET) | HAS(SIZE))             \
    C(FALLOCATE, 23, 2, "fallocate",                                                               \
      HAS(PATH) | HAS(FALLOCATE_MODE) | HAS(FILE_OFFSET) | HAS(SIZE))                              \
    C(FILEATTR, 24, 2, "fileattr", HAS(PATH) | HAS(FILEATTR))                                      \
    C(ENCODED_WRITE, 25, 2, "encoded_write",                                                       \
      HAS(PATH) | HAS(FILE_OFFSET) | HAS(DATA) | HAS(UNENCODED_FILE_LEN) | HAS(UNENCODED_LEN) |    \
          HAS(UNENCODED_OFFSET))                                                                   \
    C(ENABLE_VERITY, 26, 3, "enable_verity",                                                       \
      HAS(PATH) | HAS(VERITY_ALGORITHM) | HAS(VERITY_BLOCK_SIZE))

enum attribute_kind { KIND_U8, KIND_U32, KIND_U64, KIND_UUID, KIND_TIME, KIND_TEXT, KIND_BYTES };

/* A(NAME, number, kind) */
#define STREAM_ATTRIBUTES(A)                                                                       \
    A(UUID, 1, KIND_UUID)                                                                          \
    A(CTRANSID, 2, KIND_U64)                                                                       \
    A(INO, 3, KIND_U64)                                                                            \
    A(SIZE, 4, KIND_U64)                                                                           \
    A(MODE, 5, KIND_U64)                                                                           \
    A(UID, 6, KIND_U64)                                                                            \
    A(GID, 7, KIND_U64)                                                                            \
    A(RDEV, 8, KIND_U64)                                                                           \
    A(CTIME, 9, KIND_TIME)                                                                         \
    A(MTIME, 10, KIND_TIME)                                                                        \
    A(ATIME, 11, KIND_TIME)                                                                        \
    A(OTIME, 12, KIND_TIME)                                                                        \
    A(XATTR_NAME, 13, KIND_TEXT)                                                                   \
    A(XATTR_DATA, 14, KIND_BYTES)                                                                  \
    A(PATH, 15, KIND_TEXT)                                                                         \
    A(PATH_TO, 16, KIND_TEXT)                                                                      \
    A(PATH_LINK, 17, KIND_TEXT)                                                                    \
    A(FILE_OFFSET, 18, KIND_U64)                                                                   \
    A(DATA, 19, KIND_BYTES)                                                                        \
    A(CLONE_UUID, 20, KIND_UUID)                                                                   \
    A(CLONE_CTRANSID, 21, KIND_U64)                                                                \
    A(CLONE_PATH, 22, KIND_TEXT)                                                                   \
    A(CLONE_OFFSET, 23, KIND_U64)                                                                  \
    A(CLONE_LEN, 24, KIND_U64)                                                                     \
    A(FALLOCATE_MODE, 25, KIND_U32)                                                                \
    A(FILEATTR, 26, KIND_U64)                                                                      \
    A(UNENCODED_FILE_LEN, 27, KIND_U64)                                                            \
    A(UNENCODED_LEN, 28, KIND_U64)                                                                 \
    A(UNENCODED_OFFSET, 29, KIND_U64)                                                              \
    A(COMPRESSION, 30, KIND_U32)                                                                   \
    A(ENCRYPTION, 31, KIND_U32)                                                                    \
    A(VERITY_ALGORITHM, 32, KIND_U8)                                                               \
    A(VERITY_BLOCK_SIZE, 33, KIND_U32)                                                             \
    A(VERITY_SALT_DATA, 34, KIND_BYTES)                                                            \
    A(VERITY_SIG_DATA, 35, KIND_BYTES)

enum stream_command_type {
#define COMMAND_NUMBER(NAME, number, version, text, required) CMD_##NAME = number,
    STREAM_COMMANDS(COMMAND_NUMBER)
#undef COMMAND_NUMBER
        CMD_LAST = CMD_ENABLE_VERITY
};

enum stream_attribute {
#define ATTRIBUTE_NUMBER(NAME, number, kind) ATTR_##NAME = number,
    STREAM_ATTRIBUTES(ATTRIBUTE_NUMBER)
#undef ATTRIBUTE_NUMBER
        ATTR_LAST = ATTR_VERITY_SIG_DATA
};

#define HAS(NAME) (1ULL << ATTR_##NAME)

/* How COMPRESSION names what data is packed with; lzo by the size of the sender's pages. */
enum stream_compression {
    STREAM_PLAIN = 0,
    STREAM_ZLIB = 1,
    STREAM_ZSTD = 2,
    STREAM_LZO_4K = 3,
    STREAM_LZO_64K = 7,
};

struct command_kind {
    const char *name; /* NULL: no such command */
    uint8_t version;
    uint64_t required; /* HAS() of attributes */
};
extern const struct command_kind command_kinds[CMD_LAST + 1];

struct attribute_info {
    const char *name;
    enum attribute_kind kind;
};
extern const struct attribute_info attribute_infos[ATTR_LAST + 1];

#endif
