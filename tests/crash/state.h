// SPDX-License-Identifier: GPL-2.0-or-later
/* The states that a power cut may leave, made and judged. */
#ifndef COPSE_TESTS_CRASH_STATE_H
#define COPSE_TESTS_CRASH_STATE_H

#include "tests/crash/history.h"

/* What becomes of the writes since the last flush. */
enum fate {
    FATE_PREFIX,  /* all are there */
    FATE_SUBSET,  /* any of them are, in order */
    FATE_SHUFFLE, /* any of them are, in any order */
    FATE_TORN,    /* of each any sectors of 512 bytes */
    FATES
};

/* Names a state of a history: with its seed, enough to make it again. */
struct state_id {
    size_t position; /* entries before it were issued */
    enum fate fate;
    uint64_t seed;
};

/* Any states of this many entries, from the seed; by position. malloced. */
struct state_id *states_choose(uint64_t seed, size_t entries, size_t count);

struct cursor {
    struct dev *disk; /* all entries before `flushed` */
    size_t flushed;
};

/* Moves on to the last flush before position; only forwards. */
void cursor_advance(struct cursor *cursor, struct dev *recorder, size_t position);

/* The device as the crash leaves it; to be closed. */
struct dev *state_make(struct dev *recorder, const struct cursor *cursor,
                       const struct state_id *id);

/* Whether its superblock names a log tree. */
bool state_has_log(struct dev *disk);

/*
 * Opens it, verifies it, compares it. 0, or -1 with what is wrong. Of one state in AGAIN_EACH what
 * opening does (log replay, orphans, subvolumes half deleted) is recorded, too, and the power goes
 * again in the middle of that: *judged counts those states with the first.
 */
int state_judge(const struct history *history, const struct state_id *id, struct dev *disk,
                uint64_t *judged, char *error, size_t cap) MUST_USE;

#endif
