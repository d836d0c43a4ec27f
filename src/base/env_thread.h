// SPDX-License-Identifier: GPL-2.0-or-later
/* Private to base/: what env_real lends from env_thread.c. */
#ifndef COPSE_BASE_ENV_THREAD_H
#define COPSE_BASE_ENV_THREAD_H

#include "base/env.h"

int env_thread_start_real(struct env *env, void (*fn)(void *arg), void *arg,
                          struct env_thread **out) MUST_USE;

#endif
