/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - cmocka with what it needs before it, and small helpers of these tests.
 */
#ifndef HULSE_TESTS_RING_CHECK_H
#define HULSE_TESTS_RING_CHECK_H

/* cmocka.h wants the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <dirent.h>

/* Open descriptors of this process, the one of the listing itself included every time. */
static inline unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");

    assert_non_null(dir);
    /* One thread; readdir_r is obsolete. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

#endif
