// SPDX-License-Identifier: GPL-2.0-or-later
/* shell: many commands on one open file system. */
#ifndef COPSE_CLI_SHELL_H
#define COPSE_CLI_SHELL_H

#include "session.h"
#include "words.h"

/* The file system of the shell that runs this command. */
struct session *shell_session(struct cli *cli);

#endif
