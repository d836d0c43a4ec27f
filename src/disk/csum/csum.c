// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/csum/csum.h"

#include <gcrypt.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif

#include "base/bits.h"
#include "base/le.h"
#include "disk/csum/crc32c_table.h"

#if defined(HAVE_ISAL) && defined(__x86_64__)
#include <nmmintrin.h>

/*
 * Names are short and come one at a time. What ISA-L does for long buffers is spread over constants
 * and registers that are cold by then, and takes longer than all of this.
 */
#define SHORT_MAX 128

static bool has_short(void)
{
    return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_short(uint32_t seed, const uint8_t *p,
                                                               size_t len)
{
    uint64_t crc = seed;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        crc = _mm_crc32_u64(crc, word);
    }
    for (; len > 0; len--, p++)
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    return (uint32_t)crc;
}
#else
#define SHORT_MAX 0

static bool has_short(void)
{
    return false;
}

static uint32_t crc32c_short(uint32_t seed, const uint8_t *p, size_t len)
{
    return crc32c_table(seed, p, len);
}
#endif

uint32_t crc32c_raw(uint32_t seed, const void *data, size_t len)
{
    if (len <= SHORT_MAX && has_short())
        return crc32c_short(seed, data, len);
#ifdef HAVE_ISAL
    const uint8_t *p = data;

    /* ISA-L takes an int and a pointer that it does not write through. */
    while (len > 0) {
        int part = (int)MIN(len, (size_t)INT_MAX);

        seed = crc32_iscsi((unsigned char *)(uintptr_t)p, part, seed);
        p += part;
        len -= (size_t)part;
    }
    return seed;
#else
    return crc32c_table(seed, data, len);
#endif
}

const char *crc32c_backend(void)
{
#ifdef HAVE_ISAL
    return "isa-l";
#else
    return "table";
#endif
}

uint32_t name_hash(const void *name, size_t len)
{
    return crc32c_raw(~(uint32_t)1, name, len);
}

uint64_t extref_hash(uint64_t parent_objectid, const void *name, size_t len)
{
    return crc32c_raw((uint32_t)parent_objectid, name, len);
}

static void compute_crc32c(const void *data, size_t len, uint8_t *out)
{
    le32 value = le32_of(~crc32c_raw(~(uint32_t)0, data, len));

    memcpy(out, value.b, sizeof(value));
}

static void compute_xxhash64(const void *data, size_t len, uint8_t *out)
{
    le64 value = le64_of(XXH64(data, len, 0));

    memcpy(out, value.b, sizeof(value));
}

static void gcrypt_init(void)
{
    /* A program that links copse may have set the library up already, in its own way. */
    if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
        return;
#if GCRYPT_VERSION_NUMBER >= 0x010a00
    /* FIPS mode aborts on blake2b; checksums against decay are not cryptography. */
    gcry_control(GCRYCTL_NO_FIPS_MODE);
#endif
    gcry_check_version(NULL);
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static void compute_gcrypt(int algorithm, const void *data, size_t len, uint8_t *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, gcrypt_init);
    gcry_md_hash_buffer(algorithm, out, data, len);
}

static void compute_sha256(const void *data, size_t len, uint8_t *out)
{
    compute_gcrypt(GCRY_MD_SHA256, data, len, out);
}

static void compute_blake2b(const void *data, size_t len, uint8_t *out)
{
    compute_gcrypt(GCRY_MD_BLAKE2B_256, data, len, out);
}

struct csum_algorithm {
    const char *name;
    const char *alias; /* what mkfs.btrfs also takes */
    uint32_t size;
    void (*compute)(const void *data, size_t len, uint8_t *out); /* writes `size` bytes */
};

static const struct csum_algorithm algorithms[] = {
    [CSUM_CRC32C] = {"crc32c", "crc32c", 4, compute_crc32c},
    [CSUM_XXHASH64] = {"xxhash64", "xxhash", 8, compute_xxhash64},
    [CSUM_SHA256] = {"sha256", "sha256", 32, compute_sha256},
    [CSUM_BLAKE2B] = {"blake2b", "blake2", 32, compute_blake2b},
};

bool csum_type_known(uint16_t type)
{
    return type < ARRAY_LEN(algorithms);
}

static const struct csum_algorithm *algorithm_of(enum csum_type type)
{
    INVARIANT(csum_type_known((uint16_t)type), "checksum type was checked where it was read");
    return &algorithms[type];
}

uint32_t csum_size(enum csum_type type)
{
    return algorithm_of(type)->size;
}

const char *csum_name(enum csum_type type)
{
    return algorithm_of(type)->name;
}

int csum_by_name(const char *name, enum csum_type *out)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        if (strcmp(name, algorithms[i].name) == 0 || strcmp(name, algorithms[i].alias) == 0) {
            *out = (enum csum_type)i;
            return 0;
        }
    }
    return fail(-EINVAL, "unknown checksum '%s' (known: crc32c, xxhash64, sha256, blake2b)", name);
}

void csum_compute(enum csum_type type, const void *data, size_t len, uint8_t out[CSUM_MAX])
{
    const struct csum_algorithm *algorithm = algorithm_of(type);

    algorithm->compute(data, len, out);
    memset(out + algorithm->size, 0, CSUM_MAX - algorithm->size);
}

void csum_blocks(enum csum_type type, const void *data, size_t block_size, size_t count,
                 uint8_t *out)
{
    const struct csum_algorithm *algorithm = algorithm_of(type);
    const uint8_t *block = data;

    for (size_t i = 0; i < count; i++, block += block_size, out += algorithm->size)
        algorithm->compute(block, block_size, out);
}
