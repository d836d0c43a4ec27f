// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fault/alloc.h"

#include <errno.h>
#include <stddef.h>

static uint64_t count, hits, fails_at;
static bool for_good, paused;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count_of, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count_of, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

void alloc_fail(uint64_t nth, bool permanent)
{
    count = hits = 0;
    fails_at = nth;
    for_good = permanent;
}

uint64_t alloc_count(void)
{
    return count;
}

uint64_t alloc_hits(void)
{
    return hits;
}

void alloc_pause(bool on)
{
    paused = on;
}

static bool fails(void)
{
    if (paused)
        return false;
    count++;
    if (fails_at == 0 || count < fails_at || (count > fails_at && !for_good))
        return false;
    hits++;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count_of, size_t size)
{
    return fails() ? NULL : __real_calloc(count_of, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}
