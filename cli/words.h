// SPDX-License-Identifier: GPL-2.0-or-later
/* words: a line split and quoted as sh does it. */
#ifndef COPSE_CLI_WORDS_H
#define COPSE_CLI_WORDS_H

struct words {
    char **list; /* ended by NULL */
    int count;
};

/* A static message when a quote is not closed, else NULL. */
const char *words_split(const char *line, struct words *out);
void words_free(struct words *words);

#endif
