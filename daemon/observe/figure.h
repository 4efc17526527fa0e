/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figure - a named number: what a worker or a topic reports, without its domain's types.
 */
#ifndef HULSE_OBSERVE_FIGURE_H
#define HULSE_OBSERVE_FIGURE_H

#include "daemon/core/merge.h"

#include <stdbool.h>
#include <stdint.h>

struct figure {
    const char *name; /* static; in figures that are summed up the same everywhere */
    uint64_t value;
    bool own; /* says something of one worker alone: a sum would mean nothing */
    enum merge merge;
};

#endif
