// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Little-endian fields as they lie on a device, and the two kinds of address, as types of their
 * own: mixing one with a host number, or with each other, does not compile.
 */
#ifndef COPSE_BASE_LE_H
#define COPSE_BASE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t b[2];
} le16;
typedef struct {
    uint8_t b[4];
} le32;
typedef struct {
    uint8_t b[8];
} le64;

static inline uint16_t le16_get(le16 v)
{
    uint16_t raw;
    memcpy(&raw, v.b, sizeof(raw));
    return le16toh(raw);
}

static inline uint32_t le32_get(le32 v)
{
    uint32_t raw;
    memcpy(&raw, v.b, sizeof(raw));
    return le32toh(raw);
}

static inline uint64_t le64_get(le64 v)
{
    uint64_t raw;
    memcpy(&raw, v.b, sizeof(raw));
    return le64toh(raw);
}

static inline le16 le16_of(uint16_t v)
{
    le16 out;
    v = htole16(v);
    memcpy(out.b, &v, sizeof(v));
    return out;
}

static inline le32 le32_of(uint32_t v)
{
    le32 out;
    v = htole32(v);
    memcpy(out.b, &v, sizeof(v));
    return out;
}

static inline le64 le64_of(uint64_t v)
{
    le64 out;
    v = htole64(v);
    memcpy(out.b, &v, sizeof(v));
    return out;
}

/* A logical address of the file system (what trees and extents speak of). */
typedef struct {
    uint64_t v;
} laddr;

/* A byte offset on one device. */
typedef struct {
    uint64_t v;
} paddr;

static inline laddr laddr_of(uint64_t v)
{
    return (laddr){v};
}

static inline paddr paddr_of(uint64_t v)
{
    return (paddr){v};
}

#endif
