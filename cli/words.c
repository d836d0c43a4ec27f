// SPDX-License-Identifier: GPL-2.0-or-later
#include "words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct splitter {
    const char *at;
    char *word;
    size_t len;
    bool in_word;
};

static void take(struct splitter *s, char c)
{
    s->word[s->len++] = c;
    s->in_word = true;
}

static void finish_word(struct splitter *s, struct words *out)
{
    if (!s->in_word)
        return;
    out->list = need_memory(realloc(out->list, ((size_t)out->count + 2) * sizeof(char *)));
    out->list[out->count++] = need_string(strndup(s->word, s->len));
    out->list[out->count] = NULL;
    s->len = 0;
    s->in_word = false;
}

/* Behind the opening quote; false when the line ends first. */
static bool take_quoted(struct splitter *s, char quote)
{
    s->in_word = true;
    for (; *s->at && *s->at != quote; s->at++) {
        if (quote == '"' && *s->at == '\\' && s->at[1] && strchr("\"\\$`", s->at[1]))
            s->at++;
        take(s, *s->at);
    }
    if (*s->at == '\0')
        return false;
    s->at++;
    return true;
}

const char *words_split(const char *line, struct words *out)
{
    struct splitter s = {.at = line, .word = need_memory(malloc(strlen(line) + 1))};
    const char *wrong = NULL;

    *out = (struct words){0};
    while (*s.at && !wrong) {
        char c = *s.at++;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            finish_word(&s, out);
        else if (c == '#' && !s.in_word)
            break;
        else if (c == '\'' || c == '"')
            wrong = take_quoted(&s, c) ? NULL : "a quote is not closed";
        else if (c == '\\' && *s.at == '\0')
            wrong = "a backslash at the end of the line";
        else
            take(&s, c == '\\' ? *s.at++ : c);
    }
    finish_word(&s, out);
    free(s.word);
    if (wrong)
        words_free(out);
    return wrong;
}

void words_free(struct words *words)
{
    for (int i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
    *words = (struct words){0};
}
