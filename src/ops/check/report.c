// SPDX-License-Identifier: GPL-2.0-or-later
/* What was found: kept until the end, then told in order, so that threads make no difference. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/check/internal.h"

/* More of one kind are counted only. */
#define KEPT_OF_A_KIND 100

struct found {
    enum check_code code;
    struct place place;
    char *text;
};

static const struct problem_row {
    const char *name;
    enum copse_check_severity severity;
    const char *means, *repair;
} rows[CHECK_CODES] = {
#define ROW(code, name, severity, means, repair)                                                   \
    [CHECK_##code] = {name, COPSE_CHECK_##severity, means, repair},
    CHECK_PROBLEMS(ROW)
#undef ROW
};

static struct found *new_found(struct check *c)
{
    if (c->found_count == c->found_room) {
        size_t room = MAX(2 * c->found_room, (size_t)64);
        struct found *grown = realloc(c->found, room * sizeof(*grown));

        if (!grown)
            return NULL;
        c->found = grown;
        c->found_room = room;
    }
    return &c->found[c->found_count++];
}

static void tell_sink(struct check *c, enum check_code code, const struct place *place)
{
    const struct check_finding finding = {.code = code,
                                          .tree = place->tree,
                                          .block = place->block,
                                          .ino = place->ino,
                                          .other = place->other,
                                          .start = place->start,
                                          .len = place->len};
    int ret = c->sink ? c->sink->finding(c->sink->arg, &finding) : 0;

    if (ret < 0 && c->error == 0)
        c->error = ret;
}

const char *check_code_name(enum check_code code)
{
    return rows[code].name;
}

void report(struct check *c, enum check_code code, struct place place, const char *fmt, ...)
{
    char text[2 * FAIL_MESSAGE_MAX];
    struct found *found;
    va_list args;

    SCOPED_LOCK(&c->lock);
    tell_sink(c, code, &place);
    if (c->counts[code]++ >= KEPT_OF_A_KIND)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    /* Names may hold anything; a problem is one line. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    found = new_found(c);
    if (!found) {
        c->error = -ENOMEM;
        return;
    }
    *found = (struct found){code, place, strdup(text)};
    if (!found->text)
        c->error = -ENOMEM;
}

static int found_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    const uint64_t keys[][2] = {{x->code, y->code},
                                {x->place.tree, y->place.tree},
                                {x->place.ino, y->place.ino},
                                {x->place.block, y->place.block}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return x->text && y->text ? strcmp(x->text, y->text) : 0;
}

static void tell(struct check *c, const struct found *found)
{
    const struct problem_row *row = &rows[found->code];
    AUTO_FREE char *path =
        found->place.ino ? path_of_inode(c, found->place.tree, found->place.ino) : NULL;
    const struct copse_check_problem problem = {
        .code = row->name,
        .severity = row->severity,
        .text = found->text,
        .means = row->means,
        .repair = row->repair,
        .tree = found->place.tree,
        .block = found->place.block,
        .ino = found->place.ino,
        .path = path,
    };

    c->options->problem(c->options->arg, &problem);
}

static void tell_rest(struct check *c, enum check_code code)
{
    const struct problem_row *row = &rows[code];
    char text[80];
    const struct copse_check_problem problem = {
        .code = row->name,
        .severity = row->severity,
        .text = text,
        .means = row->means,
        .repair = row->repair,
    };

    snprintf(text, sizeof(text), "and %llu more of this kind",
             LLU(c->counts[code] - KEPT_OF_A_KIND));
    c->options->problem(c->options->arg, &problem);
}

void report_all(struct check *c, struct copse_check_result *result)
{
    uint64_t *const sums[] = {[COPSE_CHECK_NOTE] = &result->notes,
                              [COPSE_CHECK_WARNING] = &result->warnings,
                              [COPSE_CHECK_ERROR] = &result->errors};

    for (unsigned code = 0; code < CHECK_CODES; code++)
        *sums[rows[code].severity] += c->counts[code];
    if (!c->options->problem || c->found_count == 0)
        return;
    qsort(c->found, c->found_count, sizeof(*c->found), found_order);
    for (size_t i = 0; i < c->found_count; i++) {
        enum check_code code = c->found[i].code;

        tell(c, &c->found[i]);
        if ((i + 1 == c->found_count || c->found[i + 1].code != code) &&
            c->counts[code] > KEPT_OF_A_KIND)
            tell_rest(c, code);
    }
}

void report_free(struct check *c)
{
    for (size_t i = 0; i < c->found_count; i++)
        free(c->found[i].text);
    free(c->found);
}

int check_failed(struct check *c, int ret)
{
    if (ret < 0) {
        SCOPED_LOCK(&c->lock);
        if (c->error == 0)
            c->error = ret;
    }
    return ret;
}

void check_progress(struct check *c, uint64_t bytes)
{
    uint64_t done = __atomic_add_fetch(&c->done, bytes, __ATOMIC_RELAXED);

    if (c->options->progress) {
        SCOPED_LOCK(&c->lock);
        c->options->progress(c->options->arg, done, c->total);
    }
}
