// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_TESTS_MANIFEST_LINE_H
#define COPSE_TESTS_MANIFEST_LINE_H

/*
 * One manifest is one line a path: the escaped path, then tab-separated `key=value` columns.
 * Columns name themselves, so that two views of one tree can be compared on those that both have.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { MANIFEST_MAX_PATTERNS = 64 };

/*
 * Which columns are written. A pattern matches a key that equals it, or that goes on after it with
 * ':' or '.': "x" is every extended attribute, "x:trusted" those of one namespace.
 */
struct columns {
    const char *leave_out[MANIFEST_MAX_PATTERNS];
    size_t nr_leave_out;
    const char *only[MANIFEST_MAX_PATTERNS]; /* when empty: every column not left out */
    size_t nr_only;
};

/* Adds the comma-separated patterns in @list, which must stay alive, to @patterns. */
bool columns_add(const char **patterns, size_t *nr, char *list);
bool columns_want(const struct columns *cols, const char *key);

/* Writes @bytes so that what is no printable ASCII, a blank or a backslash becomes \xHH. */
void manifest_escape(FILE *out, const void *bytes, size_t len);

/* Writes a column, unless it is left out. */
void manifest_col(FILE *out, const struct columns *cols, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void manifest_col_bytes(FILE *out, const struct columns *cols, const char *key, const void *bytes,
                        size_t len);

/* Copies the manifest @in to @out without the columns that are not wanted. */
int manifest_filter(FILE *in, FILE *out, const struct columns *cols);

#endif
