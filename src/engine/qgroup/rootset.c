// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of subvolumes, each kept once, so that comparing two is comparing pointers. */
#include "engine/qgroup/internal.h"

const struct rootset rootset_empty;

static int id_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    if (x == y)
        return 0;
    return x < y ? -1 : 1;
}

int id_list_add(struct id_list *list, const uint64_t *ids, size_t count)
{
    if (list->count + count > list->capacity) {
        size_t capacity = MAX(2 * list->capacity, list->count + count + 4);
        void *grown = realloc(list->ids, capacity * sizeof(*list->ids));

        if (!grown)
            return fail(-ENOMEM, "quota groups: out of memory");
        list->ids = grown;
        list->capacity = capacity;
    }
    memcpy(list->ids + list->count, ids, count * sizeof(*ids));
    list->count += count;
    return 0;
}

bool id_list_has(const struct id_list *list, uint64_t id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->ids[i] == id)
            return true;
    return false;
}

void id_list_remove(struct id_list *list, uint64_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->ids[i] == id) {
            list->count--;
            memmove(list->ids + i, list->ids + i + 1, (list->count - i) * sizeof(*list->ids));
            return;
        }
    }
}

static int intern(struct rootsets *sets, const uint64_t *ids, size_t count,
                  const struct rootset **out)
{
    size_t bytes = count * sizeof(*ids);
    struct rootset *set;

    if (count == 0) {
        *out = &rootset_empty;
        return 0;
    }
    HASH_FIND(hh, sets->all, ids, bytes, set);
    if (!set) {
        set = malloc(sizeof(*set) + bytes);
        if (!set)
            return fail(-ENOMEM, "quota groups: out of memory");
        set->count = count;
        memcpy(set->ids, ids, bytes);
        HASH_ADD_KEYPTR(hh, sets->all, set->ids, bytes, set);
        if (!HASH_ADDED(set)) {
            free(set);
            return fail(-ENOMEM, "quota groups: out of memory");
        }
    }
    *out = set;
    return 0;
}

int rootset_make(struct rootsets *sets, struct id_list *list, const struct rootset **out)
{
    size_t count = 0;

    if (list->count > 1)
        qsort(list->ids, list->count, sizeof(*list->ids), id_cmp);
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || list->ids[i] != list->ids[count - 1])
            list->ids[count++] = list->ids[i];
    list->count = count;
    return intern(sets, list->ids, count, out);
}

int rootset_one(struct rootsets *sets, uint64_t id, const struct rootset **out)
{
    return intern(sets, &id, 1, out);
}

bool rootset_has(const struct rootset *set, uint64_t id)
{
    return set->count > 0 && bsearch(&id, set->ids, set->count, sizeof(id), id_cmp) != NULL;
}

void rootsets_clear(struct rootsets *sets)
{
    struct rootset *set, *next;

    HASH_ITER (hh, sets->all, set, next) {
        HASH_DEL(sets->all, set);
        free(set);
    }
}
