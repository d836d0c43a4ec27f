// SPDX-License-Identifier: GPL-2.0-or-later
#include "manifest_line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool columns_add(const char **patterns, size_t *nr, char *list)
{
    char *save = NULL;

    for (char *p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        if (*nr == MANIFEST_MAX_PATTERNS)
            return false;
        patterns[(*nr)++] = p;
    }
    return true;
}

static bool matches(const char *pattern, const char *key)
{
    size_t len = strlen(pattern);

    if (strncmp(pattern, key, len) != 0)
        return false;
    return key[len] == '\0' || key[len] == ':' || key[len] == '.';
}

static bool matches_any(const char *const *patterns, size_t nr, const char *key)
{
    for (size_t i = 0; i < nr; i++)
        if (matches(patterns[i], key))
            return true;
    return false;
}

bool columns_want(const struct columns *cols, const char *key)
{
    if (matches_any(cols->leave_out, cols->nr_leave_out, key))
        return false;
    return cols->nr_only == 0 || matches_any(cols->only, cols->nr_only, key);
}

void manifest_escape(FILE *out, const void *bytes, size_t len)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < len; i++) {
        if (b[i] > ' ' && b[i] < 0x7f && b[i] != '\\')
            putc(b[i], out);
        else
            fprintf(out, "\\x%02x", b[i]);
    }
}

void manifest_col(FILE *out, const struct columns *cols, const char *key, const char *fmt, ...)
{
    va_list ap;

    if (!columns_want(cols, key))
        return;
    fprintf(out, "\t%s=", key);
    va_start(ap, fmt);
    vfprintf(out, fmt, ap);
    va_end(ap);
}

void manifest_col_bytes(FILE *out, const struct columns *cols, const char *key, const void *bytes,
                        size_t len)
{
    if (!columns_want(cols, key))
        return;
    fprintf(out, "\t%s=", key);
    manifest_escape(out, bytes, len);
}

/* Writes one `key=value` field as it is, if its key is wanted. */
static void filter_field(FILE *out, const struct columns *cols, char *field)
{
    char *eq = strchr(field, '=');

    if (!eq)
        return;
    *eq = '\0';
    if (columns_want(cols, field))
        fprintf(out, "\t%s=%s", field, eq + 1);
}

int manifest_filter(FILE *in, FILE *out, const struct columns *cols)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, in) >= 0) {
        char *save = NULL;

        line[strcspn(line, "\n")] = '\0';
        for (char *f = strtok_r(line, "\t", &save); f; f = strtok_r(NULL, "\t", &save)) {
            if (f == line)
                fputs(f, out);
            else
                filter_field(out, cols, f);
        }
        putc('\n', out);
    }
    free(line);
    return ferror(in) || fflush(out) ? -EIO : 0;
}
