/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_calls - which system calls a running daemon may make, by name.
 *
 * Three kinds. Allowed ones are what its threads and libraries need after the start. Refused ones
 * answer EPERM: they start programs, look into other processes, change rights or the system. All
 * others answer ENOSYS, as on a kernel that has not got them, which is what libraries expect of a
 * call that they merely try.
 *
 * Threads: any; constant.
 */
#ifndef HULSE_CONTROL_SANDBOX_CALLS_H
#define HULSE_CONTROL_SANDBOX_CALLS_H

#include <stddef.h>

/* What an argument is compared with, all 32 bits of it. */
struct sandbox_value {
    const char *call;
    unsigned argument; /* from 0 */
    unsigned value;
};

/* Names of calls; a name that this kernel or architecture has not got means nothing. */
extern const char *const hulse_sandbox_allowed[];
extern const size_t hulse_sandbox_allowed_count;
extern const char *const hulse_sandbox_refused[];
extern const size_t hulse_sandbox_refused_count;

/* Calls that are allowed with these values of one argument only. */
extern const struct sandbox_value hulse_sandbox_values[];
extern const size_t hulse_sandbox_value_count;

#endif
