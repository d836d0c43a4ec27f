// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The machinery that turns one table of fields into everything that needs to know them: the packed
 * on-disk struct with proofs of offset and size, the host struct, decode, encode, and (print.c)
 * the printer and the rows of docs/format.md.
 *
 * A table is a macro FIELDS_<name>(F) of rows F(kind, field, offset, "meaning"). A kind is a name
 * for which disk_<kind> (on disk), n_<kind> (in the host) and <kind>_decode/<kind>_encode exist;
 * every struct defined here is itself a kind, so tables nest.
 */
#ifndef COPSE_DISK_FORMAT_FIELDS_H
#define COPSE_DISK_FORMAT_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/le.h"

#define PACKED __attribute__((packed))

typedef uint8_t disk_u8;
typedef le16 disk_u16;
typedef le32 disk_u32;
typedef le64 disk_u64;

typedef uint8_t n_u8;
typedef uint16_t n_u16;
typedef uint32_t n_u32;
typedef uint64_t n_u64;

static inline void u8_decode(n_u8 *out, const disk_u8 *in)
{
    *out = *in;
}
static inline void u8_encode(disk_u8 *out, const n_u8 *in)
{
    *out = *in;
}
static inline void u16_decode(n_u16 *out, const disk_u16 *in)
{
    *out = le16_get(*in);
}
static inline void u16_encode(disk_u16 *out, const n_u16 *in)
{
    *out = le16_of(*in);
}
static inline void u32_decode(n_u32 *out, const disk_u32 *in)
{
    *out = le32_get(*in);
}
static inline void u32_encode(disk_u32 *out, const n_u32 *in)
{
    *out = le32_of(*in);
}
static inline void u64_decode(n_u64 *out, const disk_u64 *in)
{
    *out = le64_get(*in);
}
static inline void u64_encode(disk_u64 *out, const n_u64 *in)
{
    *out = le64_of(*in);
}

/* A kind of SIZE bytes that are the same on disk and in the host. */
#define DEFINE_BYTES(name, SIZE)                                                                   \
    typedef struct name {                                                                          \
        uint8_t b[SIZE];                                                                           \
    } n_##name;                                                                                    \
    typedef struct name disk_##name;                                                               \
    static inline void name##_decode(n_##name *out, const disk_##name *in)                         \
    {                                                                                              \
        memcpy(out->b, in->b, SIZE);                                                               \
    }                                                                                              \
    static inline void name##_encode(disk_##name *out, const n_##name *in)                         \
    {                                                                                              \
        memcpy(out->b, in->b, SIZE);                                                               \
    }

#define FIELD_DISK(kind, field, offset, doc) disk_##kind field;
#define FIELD_NATIVE(kind, field, offset, doc) n_##kind field;
#define FIELD_DECODE(kind, field, offset, doc) kind##_decode(&out->field, &disk->field);
#define FIELD_ENCODE(kind, field, offset, doc) kind##_encode(&disk->field, &in->field);

/*
 * Defines struct disk_<name>, struct <name>, <name>_decode(out, bytes) and <name>_encode(bytes, in)
 * from FIELDS_<name>. The caller of decode has checked that SIZE bytes are there.
 */
#define DEFINE_ITEM(name, SIZE)                                                                    \
    typedef struct PACKED disk_##name {                                                            \
        FIELDS_##name(FIELD_DISK)                                                                  \
    } disk_##name;                                                                                 \
    typedef struct name {                                                                          \
        FIELDS_##name(FIELD_NATIVE)                                                                \
    } n_##name;                                                                                    \
    _Static_assert(sizeof(disk_##name) == (SIZE), "size of " #name);                               \
    static inline void name##_decode(n_##name *out, const void *bytes)                             \
    {                                                                                              \
        const disk_##name *disk = bytes;                                                           \
        FIELDS_##name(FIELD_DECODE)                                                                \
    }                                                                                              \
    static inline void name##_encode(void *bytes, const n_##name *in)                              \
    {                                                                                              \
        disk_##name *disk = bytes;                                                                 \
        FIELDS_##name(FIELD_ENCODE)                                                                \
    }

/* Proves the offset that each row of a table states; used once per table, in format.c. */
#define FIELD_PROVE(kind, field, offset, doc)                                                      \
    _Static_assert(offsetof(proved, field) == (offset), "offset of " #field);
#define PROVE_OFFSETS(name)                                                                        \
    static inline __attribute__((unused)) void prove_##name(void)                                  \
    {                                                                                              \
        typedef disk_##name proved;                                                                \
        FIELDS_##name(FIELD_PROVE)                                                                 \
    }

#endif
