/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt - tokens for tests: three parts, the second one readable, none signed.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_CONTROL_JWT_H
#define HULSE_TESTS_UNIT_DAEMON_CONTROL_JWT_H

#include <stddef.h>

/* A token with these claims; the text is overwritten by the fourth call after this one. */
const char *hulse_test_jwt(const char *claims);

#endif
