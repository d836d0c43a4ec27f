// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What quota groups should say, by walking every tree from its root and noting every extent it
 * meets. Shares nothing with engine/qgroup.
 */
#ifndef COPSE_TESTS_QUOTA_COUNT_H
#define COPSE_TESTS_QUOTA_COUNT_H

#include "fs/mount/mount.h"

/* 0, or -1 with what differs in text. Nothing is dirty. */
int count_compare(struct mount *m, char *text, size_t cap) MUST_USE;
/* The same for simple quotas: who is named as the owner of each extent (simple.c). */
int simple_compare(struct mount *m, char *text, size_t cap) MUST_USE;
/* The same of what single subvolumes, and single files, would free (copse_exclusive). */
int exclusive_compare(struct mount *m, char *text, size_t cap) MUST_USE;
/* Whether a subvolume is, directly or not, in a group. */
int simple_is_member(struct mount *m, uint64_t subvol, uint64_t group, bool *out) MUST_USE;

#endif
