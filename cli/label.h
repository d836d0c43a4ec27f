// SPDX-License-Identifier: GPL-2.0-or-later
/* The label, which is a property too. Both complain. */
#ifndef COPSE_CLI_LABEL_H
#define COPSE_CLI_LABEL_H

#include "session.h"

int label_get(struct cli *cli, struct session *session, char out[256]);
int label_set(struct cli *cli, struct session *session, const char *label);

#endif
