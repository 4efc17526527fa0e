/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void set(pid_t pid, const rlim_t *number)
{
    struct rlimit limit;

    if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0) {
        limit.rlim_cur = number == NULL ? limit.rlim_max : *number;
        if (prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == 0) {
            return;
        }
    }
    perror("prlimit");
    abort();
}

void hulse_test_descriptors_limit(pid_t pid, unsigned more)
{
    char path[64];
    unsigned free_ones = 0;
    rlim_t number = 0;

    for (;; number++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%lu", (int)pid, (unsigned long)number);
        free_ones += access(path, F_OK) == 0 ? 0 : 1;
        if (free_ones > more) {
            break;
        }
    }
    set(pid, &number);
}

void hulse_test_descriptors_unlimit(pid_t pid)
{
    set(pid, NULL);
}
