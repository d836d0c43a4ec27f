// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wished for, collected and put into the log. Only what changed is written. */
#include <stdlib.h>

#include "fs/fsync/write.h"

int wish_add(struct logging *l, const struct key *key, const void *data, uint32_t size)
{
    struct wishes *w = &l->wishes;

    if (w->count == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 32;
        struct wish *more = realloc(w->wish, cap * sizeof(*more));

        if (!more)
            return fail(-ENOMEM, "no memory for a log");
        w->wish = more;
        w->cap = cap;
    }
    if (size > w->room - w->used) {
        size_t room = 2 * w->room + size + 4096;
        uint8_t *more = realloc(w->bytes, room);

        if (!more)
            return fail(-ENOMEM, "no memory for a log");
        w->bytes = more;
        w->room = room;
    }
    if (size > 0)
        memcpy(w->bytes + w->used, data, size);
    w->wish[w->count++] = (struct wish){.key = *key, .at = w->used, .size = size};
    w->used += size;
    return 0;
}

void wishes_clear(struct wishes *wishes)
{
    free(wishes->wish);
    free(wishes->bytes);
    *wishes = (struct wishes){0};
}

static int by_key(const void *a, const void *b)
{
    const struct wish *x = a, *y = b;

    return key_cmp(&x->key, &y->key);
}

/* They come in order but for holes. */
static void sort_wishes(struct wishes *w)
{
    for (size_t i = 1; i < w->count; i++) {
        if (key_cmp(&w->wish[i - 1].key, &w->wish[i].key) > 0) {
            qsort(w->wish, w->count, sizeof(*w->wish), by_key);
            return;
        }
    }
}

struct keys {
    struct key *key;
    size_t count, cap;
};

static int keys_add(struct keys *keys, const struct key *key)
{
    if (keys->count == keys->cap) {
        size_t cap = keys->cap ? 2 * keys->cap : 32;
        struct key *more = realloc(keys->key, cap * sizeof(*more));

        if (!more)
            return fail(-ENOMEM, "no memory for a log");
        keys->key = more;
        keys->cap = cap;
    }
    keys->key[keys->count++] = *key;
    return 0;
}

/* What the log has of the inode: *old gets what nobody wishes for any more. */
static int compare(struct logging *l, uint64_t ino, struct keys *old)
{
    struct key key = key_make(ino, 0, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct wishes *w = &l->wishes;
    size_t i = 0;

    int ret = tree_search_ge(&l->log->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != ino)
            return 0;
        while (i < w->count && key_cmp(&w->wish[i].key, &key) < 0)
            i++;
        if (i == w->count || key_cmp(&w->wish[i].key, &key) != 0) {
            TRY(keys_add(old, &key));
            continue;
        }
        struct wish *wish = &w->wish[i];
        wish->there = path_size(&path) == wish->size &&
                      memcmp(path_data(&path), w->bytes + wish->at, wish->size) == 0;
    }
    return MIN(ret, 0);
}

static int change(struct logging *l, const struct keys *old)
{
    const struct wishes *w = &l->wishes;

    for (size_t i = 0; i < old->count; i++) {
        l->log->changed = true;
        TRY(tree_delete(&l->log->root, &old->key[i]));
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct wish *wish = &w->wish[i];

        if (wish->there)
            continue;
        l->log->changed = true;
        TRY(tree_upsert(&l->log->root, &wish->key, w->bytes + wish->at, wish->size));
        if (wish->key.type == KEY_EXTENT_DATA)
            TRY(log_extent(l, wish));
    }
    return 0;
}

int wishes_put(struct logging *l, uint64_t ino)
{
    struct keys old = {0};

    sort_wishes(&l->wishes);
    int ret = compare(l, ino, &old);
    if (ret == 0)
        ret = change(l, &old);
    free(old.key);
    return ret;
}
