// SPDX-License-Identifier: GPL-2.0-or-later
/* A string that grows: paths. After an error of memory it stays as it was and says so. */
#ifndef COPSE_OPS_STREAM_TEXT_H
#define COPSE_OPS_STREAM_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct text {
    char *at; /* NUL-terminated; NULL: nothing was put yet */
    size_t len, cap;
};

static inline void text_free(struct text *text)
{
    free(text->at);
}
#define AUTO_TEXT CLEANUP(text_free)

static inline const char *text_get(const struct text *text)
{
    return text->at ? text->at : "";
}

static inline void text_cut(struct text *text, size_t len)
{
    text->len = len;
    if (text->at)
        text->at[len] = '\0';
}

static inline MUST_USE int text_add(struct text *text, const char *bytes, size_t len)
{
    if (text->len + len + 1 > text->cap) {
        size_t cap = (text->len + len + 1) * 2;
        char *at = realloc(text->at, cap);

        if (!at)
            return fail(-ENOMEM, "no memory for a path");
        text->at = at;
        text->cap = cap;
    }
    memcpy(text->at + text->len, bytes, len);
    text->len += len;
    text->at[text->len] = '\0';
    return 0;
}

#endif
