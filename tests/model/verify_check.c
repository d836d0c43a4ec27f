// SPDX-License-Identifier: GPL-2.0-or-later
/* What `copse check` says: nothing, of what the engine wrote. */
#include "ops/check/check.h"
#include "tests/model/verify_internal.h"

static void complain(void *arg, const struct copse_check_problem *problem)
{
    struct verify *v = arg;

    /* A power cut may tear a copy of the superblock, also the first: another one counts then. */
    if (!(v->flags & VERIFY_COPIES) &&
        (strcmp(problem->code, "super-copy-bad") == 0 || strcmp(problem->code, "super-bad") == 0))
        return;
    if (problem->severity != COPSE_CHECK_NOTE)
        bad(v, "check: %s: %s", problem->code, problem->text);
}

void verify_check(struct verify *v, struct env *env, struct dev *dev)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result;
    struct dev *view = dev_borrow(dev);

    options.data_csum = true;
    options.problem = complain;
    options.arg = v;
    if (check_run(env, view, &options, &result) < 0)
        bad(v, "check: %s", fail_message());
}
