// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/check/pile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

#define ROOM_FIRST (64 * KIB)

void pile_init(struct pile *pile, size_t each, struct budget *budget)
{
    *pile = (struct pile){.budget = budget, .each = each, .fd = -1};
}

static void drop(struct pile *pile)
{
    if (!pile->base)
        return;
    munmap(pile->base, pile->room);
    if (pile->fd >= 0)
        close(pile->fd);
    else
        __atomic_sub_fetch(&pile->budget->used, pile->room, __ATOMIC_RELAXED);
}

void pile_free(struct pile *pile)
{
    drop(pile);
    pile_init(pile, pile->each, pile->budget);
}

/* A nameless file where temporary files go. */
static int file_new(size_t bytes)
{
    FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1;

    if (file)
        fclose(file);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void *map(size_t bytes, int fd)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);

    return base == MAP_FAILED ? NULL : base;
}

static int grow(struct pile *pile)
{
    struct pile larger = *pile;
    struct budget *budget = pile->budget;

    larger.room = MAX(pile->room * 2, (size_t)ROOM_FIRST);
    larger.fd = -1;
    if (pile->fd < 0 &&
        __atomic_load_n(&budget->used, __ATOMIC_RELAXED) + larger.room <= budget->bytes) {
        __atomic_add_fetch(&budget->used, larger.room, __ATOMIC_RELAXED);
    } else {
        larger.fd = file_new(larger.room);
        if (larger.fd < 0)
            return fail(-errno, "a temporary file of %zu bytes", larger.room);
    }
    larger.base = map(larger.room, larger.fd);
    if (!larger.base) {
        if (larger.fd >= 0)
            close(larger.fd);
        else
            __atomic_sub_fetch(&budget->used, larger.room, __ATOMIC_RELAXED);
        return fail(-ENOMEM, "%zu bytes", larger.room);
    }
    if (pile->count)
        memcpy(larger.base, pile->base, pile->count * pile->each);
    drop(pile);
    *pile = larger;
    return 0;
}

int pile_add(struct pile *pile, void **out)
{
    if ((pile->count + 1) * pile->each > pile->room)
        TRY(grow(pile));
    *out = (char *)pile->base + pile->count++ * pile->each;
    return 0;
}

int pile_push(struct pile *pile, const void *record)
{
    void *at;

    TRY(pile_add(pile, &at));
    memcpy(at, record, pile->each);
    return 0;
}
