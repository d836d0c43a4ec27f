// SPDX-License-Identifier: GPL-2.0-or-later
/* What others print to standard error, to be said in our own words and one line. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

void capture_start(struct capture *capture)
{
    capture->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    capture->file = memfd_create("messages", MFD_CLOEXEC);
    if (capture->file >= 0 && capture->saved >= 0)
        dup2(capture->file, STDERR_FILENO);
}

static void to_one_line(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
}

void capture_end(struct capture *capture, char *text, size_t cap)
{
    ssize_t got = 0;

    if (capture->saved >= 0) {
        dup2(capture->saved, STDERR_FILENO);
        close(capture->saved);
    }
    if (capture->file >= 0) {
        got = pread(capture->file, text, cap - 1, 0);
        close(capture->file);
    }
    text[got > 0 ? got : 0] = '\0';
    to_one_line(text);
}
