// SPDX-License-Identifier: GPL-2.0-or-later
/* Small arithmetic that every module needs. */
#ifndef COPSE_BASE_BITS_H
#define COPSE_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ > b_ ? a_ : b_;                                                                         \
    })
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

/* align is a power of two. */
static inline uint64_t round_down_to(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}

/* align is a power of two; the caller has made sure that v + align does not wrap. */
static inline uint64_t round_up_to(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

static inline bool is_aligned(uint64_t v, uint64_t align)
{
    return (v & (align - 1)) == 0;
}

static inline bool is_pow2(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

#endif
