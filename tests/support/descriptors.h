/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptors - takes a process the descriptors that it could still open, and gives them back.
 *
 * Threads: any. The kernel bounds the numbers, so what is open stays open (getrlimit(2)).
 */
#ifndef HULSE_TESTS_SUPPORT_DESCRIPTORS_H
#define HULSE_TESTS_SUPPORT_DESCRIPTORS_H

#include <sys/types.h>

/* From now on the process can open `more`, beside what it has at this moment. Aborts on failure. */
void hulse_test_descriptors_limit(pid_t pid, unsigned more);
/* As many as the process may have at most. */
void hulse_test_descriptors_unlimit(pid_t pid);

#endif
