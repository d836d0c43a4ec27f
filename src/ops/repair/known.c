// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Problems for people: what any of the checks found, each once, and whether it is gone by the last.
 */
#include <stdlib.h>

#include "ops/repair/internal.h"

#define KNOWN_MAX 10000

struct known {
    struct copse_check_problem problem; /* its texts are owned */
    unsigned round;                     /* the last that found it */
};

/* Places of items move when trees are written; what it is about stays. */
static bool is_same(const struct copse_check_problem *a, const struct copse_check_problem *b)
{
    if (a->code != b->code || a->tree != b->tree || a->ino != b->ino)
        return false;
    return a->ino != 0 || strcmp(a->text, b->text) == 0;
}

static struct known *find(struct job *job, const struct copse_check_problem *problem)
{
    for (size_t i = 0; i < job->known_count; i++)
        if (is_same(&job->known[i].problem, problem))
            return &job->known[i];
    return NULL;
}

static bool grow(struct job *job)
{
    size_t room = MAX(2 * job->known_room, (size_t)64);
    struct known *grown;

    if (job->known_count < job->known_room)
        return true;
    grown = realloc(job->known, room * sizeof(*grown));
    if (!grown)
        return false;
    job->known = grown;
    job->known_room = room;
    return true;
}

void known_take(struct job *job, const struct copse_check_problem *problem)
{
    struct known *known = find(job, problem);

    if (known) {
        known->round = job->round;
        return;
    }
    if (job->known_count >= KNOWN_MAX || !grow(job))
        return;
    known = &job->known[job->known_count++];
    *known = (struct known){.problem = *problem, .round = job->round};
    known->problem.text = strdup(problem->text);
    known->problem.path = problem->path ? strdup(problem->path) : NULL;
}

void known_tell(struct job *job, struct copse_check_result *result)
{
    for (size_t i = 0; i < job->known_count; i++) {
        struct known *known = &job->known[i];

        known->problem.repaired =
            known->round == job->round ? COPSE_CHECK_NOT_REPAIRED : COPSE_CHECK_REPAIRED;
        if (known->problem.repaired == COPSE_CHECK_REPAIRED)
            result->repaired++;
        if (job->options->problem && known->problem.text)
            job->options->problem(job->options->arg, &known->problem);
    }
}

void known_free(struct job *job)
{
    for (size_t i = 0; i < job->known_count; i++) {
        free((char *)(uintptr_t)job->known[i].problem.text);
        free((char *)(uintptr_t)job->known[i].problem.path);
    }
    free(job->known);
}
