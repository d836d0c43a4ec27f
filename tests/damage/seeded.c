// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two thousand damaged images from a printed seed, each opened, read, changed and read again.
 * `seeded COUNT SEED` does others; `seeded 1 ID` replays the one that a failure names.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base.h"
#include "mutate.h"

#define COUNT 2000
#define DAMAGES_MAX 3
#define CHANGES 30
#define MEMORY_MAX (1 * GIB)

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

static const char *const golden[] = {"log-many-4k",     "half-deleted", "everything", "quota",
                                     "log-rename-over", "orphan",       "oldest",     "space-v1"};
static struct image bases[BASE_KINDS + ARRAY_LEN(golden)];
static unsigned base_count;
static volatile uint64_t running;

/* Says which one it was; a failure must be one line away from its replay. */
static void on_crash(int signal_number)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "Bail out! damaged image %llu: signal %d\n",
                       (unsigned long long)running, signal_number);

    (void)!write(STDOUT_FILENO, line, (size_t)len);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Running out of memory is an error that looking never gives; sanitizers need all there is. */
static void bound_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(ADDRESS_SANITIZER)
    const struct rlimit limit = {MEMORY_MAX, MEMORY_MAX};

    if (setrlimit(RLIMIT_AS, &limit) < 0)
        perror("setrlimit");
#endif
}

static void make_bases(void)
{
    for (enum base_kind kind = BASE_DEFAULT; kind < BASE_KINDS; kind++)
        base_make(kind, &bases[base_count++]);
    for (size_t i = 0; i < ARRAY_LEN(golden); i++)
        base_count += base_golden(golden[i], &bases[base_count]);
}

static void run(uint64_t id)
{
    struct choices choices = {0};

    running = id;
    rng_seed(&choices.rng, id);
    const struct image *base = &bases[choose(&choices, base_count)];
    damage_and_use(base, &choices, 1 + (unsigned)choose(&choices, DAMAGES_MAX), CHANGES);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : COUNT;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGFPE, on_crash);
    signal(SIGALRM, on_crash);
    setvbuf(stdout, NULL, _IOLBF, 0);
    bound_memory();
    make_bases();
    printf("1..1\n# %llu damaged images, the first from seed %llu, on %u sound ones\n",
           (unsigned long long)count, (unsigned long long)seed, base_count);
    for (uint64_t id = seed; id < seed + count; id++)
        run(id);
    printf("ok 1 - damaged images are refused or read, never more\n");
    for (unsigned i = 0; i < base_count; i++)
        image_free(&bases[i]);
    return 0;
}
