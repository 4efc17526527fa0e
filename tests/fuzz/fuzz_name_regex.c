/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   no expression and no name make the matcher read past its texts; of small ones it says what the system's own
 *         matcher says.
 * Input:  expression, a newline, name.
 */
#include "daemon/core/utf8.h"
#include "daemon/table/name_regex.h"
#include "tests/fuzz/exact_text.h"

#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH_BYTES_MAX 12U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* In a dialect that both have. */
static void compare(const char *text, const char *name, bool found)
{
    char whole[BOTH_BYTES_MAX + sizeof("^()$")];
    regex_t other;
    if (strlen(text) > BOTH_BYTES_MAX || strlen(name) > BOTH_BYTES_MAX ||
        strspn(text, "abc.|()*+?") != strlen(text) || strstr(text, "()") != NULL ||
        strstr(text, "(|") != NULL || strstr(text, "|)") != NULL || strstr(text, "||") != NULL ||
        strchr("|", text[0]) != NULL || text[strlen(text) - 1] == '|' ||
        strspn(name, "abc") != strlen(name)) {
        return;
    }
    /* What is not greedy here is a repetition of a repetition there. */
    if (strstr(text, "*?") != NULL || strstr(text, "+?") != NULL || strstr(text, "??") != NULL) {
        return;
    }
    (void)snprintf(whole, sizeof(whole), "^(%s)$", text);
    if (regcomp(&other, whole, REG_EXTENDED | REG_NOSUB) != 0) {
        return;
    }
    if ((regexec(&other, name, 0, NULL, 0) == 0) != found) {
        abort();
    }
    regfree(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *newline = bytes == 0 ? NULL : memchr(data, '\n', bytes);
    const char *why = NULL;
    if (newline == NULL || memchr(data, 0, bytes) != NULL || bytes > 2048 ||
        !hulse_utf8_good(data, bytes)) {
        return 0;
    }
    const size_t text_bytes = (size_t)(newline - data);
    char *text = exact_text(data, text_bytes);
    char *name = exact_text(newline + 1, bytes - text_bytes - 1);
    struct name_regex *r = hulse_name_regex_create(text, &why);
    if (r != NULL) {
        compare(text, name, hulse_name_regex_match(r, name));
        hulse_name_regex_destroy(&r);
    } else if (why == NULL) {
        abort();
    }
    free(text);
    free(name);
    return 0;
}
