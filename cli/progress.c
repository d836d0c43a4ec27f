// SPDX-License-Identifier: GPL-2.0-or-later
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "size.h"

#define DRAW_EVERY_NS 200000000ULL
#define BAR_WIDTH 30

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *progress, bool quiet)
{
    *progress = (struct progress){.shown = !quiet && isatty(STDERR_FILENO)};
    progress->started_ns = now_ns();
}

static void draw_bar(const struct progress *progress, double rate)
{
    double part = (double)progress->done / (double)progress->total;
    uint64_t left = progress->total > progress->done ? progress->total - progress->done : 0;
    unsigned filled = part >= 1 ? BAR_WIDTH : (unsigned)(part * BAR_WIDTH);
    unsigned seconds = rate > 0 ? (unsigned)((double)left / rate) : 0;

    fputs(" [", stderr);
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f%% %u:%02u left", part > 1 ? 100 : part * 100, seconds / 60,
            seconds % 60);
}

void progress_add(struct progress *progress, uint64_t bytes)
{
    char done[SIZE_TEXT_MAX], speed[SIZE_TEXT_MAX];
    uint64_t now;
    double rate;

    progress->done += bytes;
    if (!progress->shown)
        return;
    now = now_ns();
    if (now - progress->drawn_ns < DRAW_EVERY_NS)
        return;
    progress->drawn_ns = now;
    rate = (double)progress->done * 1e9 / (double)(now - progress->started_ns + 1);
    fprintf(stderr, "\r\033[K%s %s/s", size_text(progress->done, SIZE_MODE_DEFAULT, done),
            size_text((uint64_t)rate, SIZE_MODE_DEFAULT, speed));
    if (progress->total > 0)
        draw_bar(progress, rate);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown && progress->drawn_ns)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
