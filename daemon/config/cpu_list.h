/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_list - a list of CPU numbers such as 0-3,6, as the kernel writes it.
 *
 * Threads: any; pure function.
 */
#ifndef HULSE_CONFIG_CPU_LIST_H
#define HULSE_CONFIG_CPU_LIST_H

#include <sched.h>
#include <stdbool.h>

/* False with *why set to a static string; *out is undefined then. */
bool hulse_cpu_list_parse(const char *text, cpu_set_t *out, const char **why);

#endif
