// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes docs/format.md: a template with the tables of this module in it.
 *
 *   gen_format_doc TEMPLATE OUTPUT          write it
 *   gen_format_doc --check TEMPLATE OUTPUT  a TAP test: it is what would be written
 *
 * In the template, a line of its own "@structures@", "@incompat@" or "@compat_ro@" stands for
 * those tables, and "@key NAME@" within a line for the name and number of a key type. A key type
 * that no line names is an error, so that a new one cannot be left undocumented.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/format/format.h"
#include "disk/format/structures.h"

static bool key_named[256];

/* ---- tables ---------------------------------------------------------------------------------- */

#define ROW(kind, field, offset, doc)                                                              \
    fprintf(out, "| %u | %zu | `%s` | %s | %s |\n", (unsigned)(offset), sizeof(at->field), #field, \
            #kind, doc);

#define PRINT_STRUCTURE(name, what)                                                                \
    static void table_of_##name(FILE *out)                                                         \
    {                                                                                              \
        const disk_##name *at = NULL;                                                              \
        fprintf(out, "### %s\n\n`%s`, %zu bytes: %s.\n\n", #name, #name, sizeof(disk_##name),      \
                what);                                                                             \
        fprintf(out, "| offset | bytes | field | type | meaning |\n|---|---|---|---|---|\n");      \
        FIELDS_##name(ROW) fprintf(out, "\n");                                                     \
        (void)at;                                                                                  \
    }
STRUCTURES(PRINT_STRUCTURE)

static void print_structures(FILE *out)
{
#define CALL_PRINT(name, what) table_of_##name(out);
    STRUCTURES(CALL_PRINT)
}

static void print_features(FILE *out, const struct feature *features)
{
    static const char *const uses[] = {
        [FEATURE_WRITE] = "read and written",
        [FEATURE_READ] = "read only",
        [FEATURE_NONE] = "refused",
    };

    fprintf(out, "| bit | name | here |\n|---|---|---|\n");
    for (; features->name; features++)
        fprintf(out, "| %d | %s | %s |\n", __builtin_ctzll(features->bit), features->name,
                uses[features->use]);
}

/* ---- the template ---------------------------------------------------------------------------- */

static int key_name(FILE *out, const char *name, size_t len)
{
#define FIND_KEY(NAME, number, text)                                                               \
    if (len == strlen(#NAME) && memcmp(name, #NAME, len) == 0) {                                   \
        key_named[number] = true;                                                                  \
        fprintf(out, "`%s` (%u)", text, number);                                                   \
        return 0;                                                                                  \
    }
    KEY_TYPES(FIND_KEY)
    fprintf(stderr, "no key type %.*s\n", (int)len, name);
    return -1;
}

static int expand_line(FILE *out, const char *line)
{
    const char *at;

    if (strcmp(line, "@structures@\n") == 0) {
        print_structures(out);
        return 0;
    }
    if (strcmp(line, "@incompat@\n") == 0 || strcmp(line, "@compat_ro@\n") == 0) {
        print_features(out, line[1] == 'i' ? incompat_features : compat_ro_features);
        return 0;
    }
    while ((at = strstr(line, "@key ")) != NULL) {
        const char *name = at + strlen("@key "), *end = strchr(name, '@');

        fwrite(line, 1, (size_t)(at - line), out);
        if (!end || key_name(out, name, (size_t)(end - name)) < 0)
            return -1;
        line = end + 1;
    }
    fputs(line, out);
    return 0;
}

static int all_keys_named(void)
{
    for (unsigned type = 0; type < 256; type++) {
        if (key_type_name((uint8_t)type) && !key_named[type]) {
            fprintf(stderr, "the template does not name key type %s\n",
                    key_type_name((uint8_t)type));
            return -1;
        }
    }
    return 0;
}

/* The whole document, to be freed. */
static char *document(const char *template_path)
{
    AUTO_FREE char *line = NULL;
    char *text = NULL;
    size_t text_len = 0, cap = 0;
    int ret = 0;
    FILE *in = fopen(template_path, "r");
    FILE *out = in ? open_memstream(&text, &text_len) : NULL;

    if (!out) {
        perror(template_path);
        exit(2);
    }
    while (ret == 0 && getline(&line, &cap, in) > 0)
        ret = expand_line(out, line);
    fclose(in);
    fclose(out);
    if (ret < 0 || all_keys_named() < 0)
        exit(2);
    return text;
}

/* ---- what to do with it ---------------------------------------------------------------------- */

static bool is_current(const char *path, const char *text)
{
    size_t len = strlen(text);
    AUTO_FREE char *have = malloc(len + 1);
    FILE *in = fopen(path, "r");

    if (!in || !have)
        return false;
    size_t got = fread(have, 1, len + 1, in);
    fclose(in);
    return got == len && memcmp(have, text, len) == 0;
}

int main(int argc, char **argv)
{
    bool check = argc == 4 && strcmp(argv[1], "--check") == 0;

    if (argc != 3 && !check) {
        fprintf(stderr, "usage: gen_format_doc [--check] TEMPLATE OUTPUT\n");
        return 2;
    }
    AUTO_FREE char *text = document(argv[argc - 2]);
    const char *path = argv[argc - 1];
    if (check) {
        printf("1..1\n%s 1 - docs/format.md is what the tables say (ninja format-doc)\n",
               is_current(path, text) ? "ok" : "not ok");
        return 0;
    }
    FILE *out = fopen(path, "w");
    if (!out || fputs(text, out) < 0 || fclose(out) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}
