// SPDX-License-Identifier: GPL-2.0-or-later
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool is_escape(const char *at)
{
    return at[0] == '\\' && at[1] != '\0' && strchr(",:\\", at[1]);
}

/* Where the colon in front of the path stands; NULL: nowhere. */
static const char *find_colon(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (is_escape(at))
            at++;
        else if (*at == ':' && at[1] == '\0' && at > text)
            return at;
        else if (*at == ':' && at[1] == '/' && at[2] != '/' && at > text)
            return at;
    }
    return NULL;
}

bool target_has_path(const char *text)
{
    return find_colon(text) != NULL;
}

static void add_device(struct target *target, const char *name, size_t len)
{
    target->devices = need_memory(realloc(target->devices, (target->count + 1) * sizeof(char *)));
    target->devices[target->count++] = need_string(strndup(name, len));
}

void target_parse(const char *text, struct target *out)
{
    const char *colon = find_colon(text), *end = colon ? colon : text + strlen(text);
    char *name = need_memory(malloc((size_t)(end - text) + 1));
    size_t len = 0;

    *out = (struct target){0};
    for (const char *at = text; at < end; at++) {
        if (is_escape(at)) {
            name[len++] = *++at;
        } else if (*at == ',') {
            add_device(out, name, len);
            len = 0;
        } else {
            name[len++] = *at;
        }
    }
    add_device(out, name, len);
    free(name);
    if (colon)
        out->path = need_string(strdup(colon[1] ? colon + 1 : "/"));
}

void target_free(struct target *target)
{
    for (unsigned i = 0; i < target->count; i++)
        free(target->devices[i]);
    free(target->devices);
    free(target->path);
    *target = (struct target){0};
}

char *target_name(const struct target *target)
{
    char *name = need_string(strdup(target->devices[0]));

    for (unsigned i = 1; i < target->count; i++) {
        char *longer = format_text("%s,%s", name, target->devices[i]);
        free(name);
        name = longer;
    }
    return name;
}
