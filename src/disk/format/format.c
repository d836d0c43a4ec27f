// SPDX-License-Identifier: GPL-2.0-or-later
/* Proofs that the tables say what the structures are. */
#include "disk/format/format.h"
#include "disk/format/structures.h"

#define PROVE(name, what) PROVE_OFFSETS(name)

STRUCTURES(PROVE)
