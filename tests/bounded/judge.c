// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bounded/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LLU(v) ((unsigned long long)(v))

struct judge {
    const struct course *course;
    const struct shot *found;
    char *error;
    size_t cap;
};

static int wrong(const struct judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int wrong(const struct judge *j, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(j->error, j->cap, fmt, args);
    va_end(args);
    return -1;
}

static uint64_t name_at(const struct judge *j, size_t moment, const struct entry *entry)
{
    return shot_find(&j->course->moments[moment], entry->dir, entry->name);
}

/* ---- since when -----------------------------------------------------------------------------
 */

/* The last moment at which everything about an inode (content alone: data) was made durable. */
static size_t object_since(const struct judge *j, uint64_t ino, bool data)
{
    for (size_t i = j->course->count; i-- > 1;) {
        enum keep_kind kind = j->course->kept[i].kind;

        if (kind == KEEP_SYNC || (j->course->kept[i].ino == ino &&
                                  (kind == KEEP_FSYNC || (kind == KEEP_FDATASYNC && data))))
            return i;
    }
    return 0;
}

/* The last moment at which it was made durable to whom a name leads. */
static size_t name_since(const struct judge *j, const struct entry *entry)
{
    for (size_t i = j->course->count; i-- > 1;) {
        enum keep_kind kind = j->course->kept[i].kind;
        uint64_t ino = j->course->kept[i].ino;

        if (kind == KEEP_SYNC || (kind == KEEP_FSYNC && ino == entry->dir) ||
            (kind == KEEP_FSYNC && ino == name_at(j, i, entry)))
            return i;
    }
    return 0;
}

/* Whether some moment from `since` on has the name lead to ino (0: nowhere). */
static bool name_may_be(const struct judge *j, const struct entry *entry, uint64_t ino,
                        size_t since)
{
    /* What was synced has its names of then, and no older ones. */
    if (ino != 0) {
        size_t synced = object_since(j, ino, false);

        since = synced > since ? synced : since;
    }
    for (size_t i = since; i < j->course->count; i++)
        if (name_at(j, i, entry) == ino)
            return true;
    return false;
}

/* ---- what may be
 * --------------------------------------------------------------------------------- */

/* Names that were there at some moment; those that never were are found by judge_found. */
static int judge_names(const struct judge *j)
{
    for (size_t m = 0; m < j->course->count; m++) {
        const struct shot *shot = &j->course->moments[m];

        for (size_t i = 0; i < shot->entry_count; i++) {
            const struct entry *entry = &shot->entries[i];
            uint64_t is = shot_find(j->found, entry->dir, entry->name);
            size_t since = name_since(j, entry);

            if (name_may_be(j, entry, is, since))
                continue;
            /* A directory that is gone, or was never made, has no names; had it been durable, it
             * would be missed by its own name. */
            if (is == 0 && !shot_object(j->found, entry->dir) && entry->dir != INO_SUBVOL_ROOT)
                continue;
            return wrong(j,
                         "name %s in directory %llu leads to inode %llu; moments from %zu on: "
                         "%llu, in the end %llu",
                         entry->name, LLU(entry->dir), LLU(is), since,
                         LLU(name_at(j, since, entry)),
                         LLU(name_at(j, j->course->count - 1, entry)));
        }
    }
    return 0;
}

static bool ever_was(const struct judge *j, const struct entry *entry)
{
    for (size_t m = 0; m < j->course->count; m++)
        if (name_at(j, m, entry) == entry->ino)
            return true;
    return false;
}

static bool page_may_be(const struct judge *j, const struct object *o, size_t page, size_t since)
{
    uint8_t expected[SHOT_PAGE];
    uint64_t start = page * SHOT_PAGE;
    size_t inside = o->size <= start              ? 0
                    : o->size - start < SHOT_PAGE ? (size_t)(o->size - start)
                                                  : SHOT_PAGE;

    for (size_t i = since; i < j->course->count; i++) {
        const struct object *then = shot_object(&j->course->moments[i], o->ino);

        if (!then || !then->bytes)
            continue;
        memset(expected, 0, sizeof(expected));
        memcpy(expected, then->bytes + start, inside);
        if (memcmp(expected, o->bytes + start, SHOT_PAGE) == 0)
            return true;
    }
    return false;
}

/* One that it had; or, as data reaches the disk block by block, between two that it had. */
static bool size_may_be(const struct judge *j, const struct object *o, size_t since)
{
    uint64_t least = UINT64_MAX, most = 0;

    /* New and not synced: it may be empty still. */
    if (since == 0 && !shot_object(&j->course->moments[0], o->ino))
        least = 0;
    for (size_t i = since; i < j->course->count; i++) {
        const struct object *then = shot_object(&j->course->moments[i], o->ino);

        if (then && then->size == o->size)
            return true;
        if (then && then->size < least)
            least = then->size;
        if (then && then->size > most)
            most = then->size;
    }
    return o->size == least || (o->size % SHOT_PAGE == 0 && least < o->size && o->size < most);
}

static int judge_content(const struct judge *j, const struct object *o)
{
    size_t since = object_since(j, o->ino, true);

    if (!size_may_be(j, o, since))
        return wrong(j, "inode %llu has %llu bytes, durable since moment %zu", LLU(o->ino),
                     LLU(o->size), since);
    for (size_t page = 0; o->bytes && page < SHOT_PAGES && page * SHOT_PAGE < o->size; page++)
        if (!page_may_be(j, o, page, since))
            return wrong(j, "inode %llu, page %zu: bytes of no moment from %zu on", LLU(o->ino),
                         page, since);
    return 0;
}

static int judge_attributes(const struct judge *j, const struct object *o)
{
    size_t since = object_since(j, o->ino, false);
    bool mode = false, attributes = false;

    for (size_t i = since; i < j->course->count; i++) {
        const struct object *then = shot_object(&j->course->moments[i], o->ino);

        mode |= then && then->mode == o->mode;
        attributes |= then && then->attributes == o->attributes;
    }
    attributes |= since == 0 && o->attributes == 0;
    if (!mode || !attributes)
        return wrong(j, "inode %llu: %s of no moment from %zu on", LLU(o->ino),
                     mode ? "attributes" : "a mode", since);
    return 0;
}

/* Whether all names of the inode in a are in b. */
static bool names_within(const struct shot *a, const struct shot *b, uint64_t ino)
{
    for (size_t i = 0; i < a->entry_count; i++)
        if (a->entries[i].ino == ino && shot_find(b, a->entries[i].dir, a->entries[i].name) != ino)
            return false;
    return true;
}

/* All names of an inode together: a rename is before or after, never both or half. */
static int judge_all_names(const struct judge *j, const struct object *o)
{
    for (size_t i = object_since(j, o->ino, false); i < j->course->count; i++) {
        const struct shot *then = &j->course->moments[i];

        if (names_within(then, j->found, o->ino) && names_within(j->found, then, o->ino))
            return 0;
    }
    return wrong(j, "inode %llu has names that it never had together", LLU(o->ino));
}

static int judge_found(const struct judge *j)
{
    for (size_t i = 0; i < j->found->entry_count; i++)
        if (!ever_was(j, &j->found->entries[i]))
            return wrong(j, "name %s in directory %llu leads to inode %llu, as it never did",
                         j->found->entries[i].name, LLU(j->found->entries[i].dir),
                         LLU(j->found->entries[i].ino));
    for (size_t i = 0; i < j->found->object_count; i++) {
        const struct object *o = &j->found->objects[i];

        if (o->ino >> 60)
            continue; /* a snapshot: that it is there is all we ask */
        if (!S_ISDIR(o->mode) && o->nlink != o->names)
            return wrong(j, "inode %llu has %u links and %u names", LLU(o->ino), o->nlink,
                         o->names);
        if (judge_all_names(j, o) < 0 || judge_content(j, o) < 0 || judge_attributes(j, o) < 0)
            return -1;
    }
    return 0;
}

/* Whether an inode has had a name at every moment from `since` on. */
static bool always_named(const struct judge *j, uint64_t ino, size_t since)
{
    for (size_t i = since; i < j->course->count; i++) {
        const struct object *then = shot_object(&j->course->moments[i], ino);

        if (!then || then->names == 0)
            return false;
    }
    return true;
}

/* What was durable and has had a name ever since can be reached by one: a rename is before or
 * after. */
static int judge_missing(const struct judge *j)
{
    const struct shot *first = &j->course->moments[0];

    for (size_t i = 0; i < first->object_count; i++)
        if (always_named(j, first->objects[i].ino, 0) &&
            !shot_object(j->found, first->objects[i].ino))
            return wrong(j, "inode %llu has always had a name, and is gone",
                         LLU(first->objects[i].ino));
    for (size_t i = 1; i < j->course->count; i++) {
        uint64_t ino = j->course->kept[i].ino;

        if (ino != 0 && ino != INO_SUBVOL_ROOT && always_named(j, ino, i) &&
            !shot_object(j->found, ino))
            return wrong(j, "inode %llu, synced at moment %zu, is gone", LLU(ino), i);
    }
    return 0;
}

int course_judge(const struct course *course, const struct shot *found, char *error, size_t cap)
{
    const struct judge j = {.course = course, .found = found, .error = error, .cap = cap};

    if (judge_names(&j) < 0 || judge_found(&j) < 0)
        return -1;
    return judge_missing(&j);
}
