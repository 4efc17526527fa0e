/* SPDX-License-Identifier: Apache-2.0 */
/*
 * valid - what texts of a configuration may look like.
 *
 * False with *why set to a static string that says what is expected.
 *
 * Threads: any; pure functions.
 * Trust:   the text is the operator's and may be anything.
 */
#ifndef HULSE_CONFIG_VALID_H
#define HULSE_CONFIG_VALID_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 without control characters, so that it can stand in names, logs and YAML. */
bool hulse_valid_text(const char *text, const char **why);
/* An absolute path to a file. */
bool hulse_valid_path(const char *text, const char **why);
/* A path, or the word `system`. */
bool hulse_valid_authorities(const char *text, const char **why);
/* http[s]://HOST[:PORT][/PATH]: no user, query or fragment. */
bool hulse_valid_issuer(const char *text, const char **why);
/* Text without a colon, which would end the name. */
/* Of a domain, a service or a key of Athenz. */
bool hulse_valid_athenz_name(const char *text, const char **why);
/* Of Kerberos. */
bool hulse_valid_principal(const char *text, const char **why);
bool hulse_valid_user(const char *text, const char **why);
bool hulse_valid_cpus(const char *text, const char **why);
bool hulse_valid_namespace(const char *text, const char **why);
/* Of a broker or a role; it can be part of a path. */
bool hulse_valid_name(const char *text, const char **why);
/* POSIX extended regular expression. */
bool hulse_valid_regex(const char *text, const char **why);

#endif
