// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole file systems: the input chooses what is damaged behind valid checksums and what is then
 * done. The first byte picks the sound image (made in memory at start, and some by Linux), the
 * second how much is damaged and changed; the rest are the choices of tests/damage.
 */
#include "base.h"
#include "mutate.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

static const char *const golden[] = {
    "log-many-4k", "half-deleted",    "everything",      "quota",        "orphan", "oldest",
    "space-v1",    "log-rename-over", "log-punch-holes", "lzo-holes-4k", "mixed"};
static struct image bases[BASE_KINDS + ARRAY_LEN(golden)];
static unsigned base_count;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (enum base_kind kind = BASE_DEFAULT; kind < BASE_KINDS; kind++)
        base_make(kind, &bases[base_count++]);
    for (size_t i = 0; i < ARRAY_LEN(golden); i++)
        base_count += base_golden(golden[i], &bases[base_count]);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct choices choices = {.bytes = input, .left = len};

    if (len < 4)
        return 0;
    const struct image *base = &bases[choose(&choices, base_count)];
    uint64_t how = choose(&choices, 256);
    damage_and_use(base, &choices, 1 + how % 4, (unsigned)(how / 16));
    return 0;
}
