/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_list - see cpu_list.h.
 */
#include "daemon/config/cpu_list.h"

#include <stddef.h>

/* Returns what follows the number, or NULL when there is none that a cpu_set_t can hold. */
static const char *read_cpu(const char *text, unsigned *out)
{
    const char *at = text;
    unsigned value = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (unsigned)(*at - '0');
        if (value >= CPU_SETSIZE) {
            return NULL;
        }
    }
    *out = value;
    return at == text ? NULL : at;
}

bool hulse_cpu_list_parse(const char *text, cpu_set_t *out, const char **why)
{
    const char *at = text;

    *why = "a list of CPUs is expected, such as 0-3,6";
    CPU_ZERO(out);
    for (;;) {
        unsigned first = 0;
        unsigned last = 0;
        at = read_cpu(at, &first);
        if (at == NULL) {
            return false;
        }
        last = first;
        if (*at == '-') {
            at = read_cpu(at + 1, &last);
            if (at == NULL || last < first) {
                return false;
            }
        }
        for (unsigned cpu = first; cpu <= last; cpu++) {
            CPU_SET(cpu, out);
        }
        if (*at == '\0') {
            return true;
        }
        if (*at != ',') {
            return false;
        }
        at++;
    }
}
