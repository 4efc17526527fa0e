/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - cmocka with what it needs before it.
 */
#ifndef HULSE_TESTS_CLI_CHECK_H
#define HULSE_TESTS_CLI_CHECK_H

#include <stdbool.h>
/* cmocka.h wants the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
