/* SPDX-License-Identifier: Apache-2.0 */
/*
 * valid - see valid.h.
 */
#include "daemon/config/valid.h"

#include "daemon/config/cpu_list.h"
#include "daemon/core/utf8.h"

#include <regex.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES_MAX 64U
#define REPEATS_MAX 10000U

bool hulse_valid_text(const char *text, const char **why)
{
    *why = "UTF-8 without control characters is expected";
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return false;
        }
    }
    return hulse_utf8_good(text, strlen(text));
}

bool hulse_valid_path(const char *text, const char **why)
{
    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "an absolute path that does not end in a slash is expected";
    return text[0] == '/' && text[strlen(text) - 1] != '/';
}

bool hulse_valid_authorities(const char *text, const char **why)
{
    return strcmp(text, "system") == 0 || hulse_valid_path(text, why);
}

bool hulse_valid_issuer(const char *text, const char **why)
{
    const size_t scheme = strncasecmp(text, "https://", 8) == 0  ? 8
                          : strncasecmp(text, "http://", 7) == 0 ? 7
                                                                 : 0;

    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "https://HOST[:PORT][/PATH] is expected";
    return scheme != 0 && text[scheme] != '\0' && strchr("/:", text[scheme]) == NULL &&
           strpbrk(text, "@?# ") == NULL;
}

bool hulse_valid_athenz_name(const char *text, const char **why)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.";
    const size_t bytes = strlen(text);

    *why = "letters, digits, -, _ and . are expected";
    return bytes > 0 && strspn(text, allowed) == bytes;
}

bool hulse_valid_principal(const char *text, const char **why)
{
    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "NAME[/HOST][@REALM] is expected";
    return text[0] != '\0' && strchr("-/@", text[0]) == NULL && strchr(text, ' ') == NULL;
}

bool hulse_valid_user(const char *text, const char **why)
{
    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "a name without a colon is expected";
    return strchr(text, ':') == NULL;
}

bool hulse_valid_cpus(const char *text, const char **why)
{
    cpu_set_t set;

    return hulse_cpu_list_parse(text, &set, why);
}

bool hulse_valid_namespace(const char *text, const char **why)
{
    const char *slash = strchr(text, '/');

    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "TENANT/NAMESPACE is expected";
    return slash != NULL && slash != text && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
           strchr(text, ' ') == NULL;
}

bool hulse_valid_name(const char *text, const char **why)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    const size_t bytes = strlen(text);

    *why = "1 to 64 letters, digits, - and _ are expected";
    return bytes >= 1 && bytes <= NAME_BYTES_MAX && strspn(text, allowed) == bytes;
}

/* How often x{n,m} is written out; 0: too often. `at`: behind the brace. */
static uint64_t times_of(const char *at)
{
    uint64_t largest = 1;
    uint64_t number = 0;
    bool open_end = false;

    for (; (*at >= '0' && *at <= '9') || *at == ','; at++) {
        open_end = *at == ',';
        number = open_end ? 0 : number * 10 + (uint64_t)(*at - '0');
        if (number > REPEATS_MAX) {
            return 0;
        }
        largest = number > largest ? number : largest;
    }
    return open_end ? largest + 1 : largest;
}

/*
 * libc writes x{2,9} out nine times, (x{9}){9} eighty-one times, and x+ as xx*: the product of all repeats is what the compiled
 * expression takes. A + behind a single character doubles nothing but that.
 */
static bool repeats_fit(const char *text)
{
    uint64_t product = 1;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '{') {
            product *= times_of(at + 1);
        } else if (*at == '+' && at > text && strchr(")*+?}", at[-1]) != NULL) {
            product *= 2;
        }
        if (product == 0 || product > REPEATS_MAX) {
            return false;
        }
    }
    return true;
}

bool hulse_valid_regex(const char *text, const char **why)
{
    regex_t compiled;

    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "the repeats {n} and + of the expression multiply to more than 10000";
    if (!repeats_fit(text)) {
        return false;
    }
    *why = "a POSIX extended regular expression is expected";
    if (regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB) != 0) {
        return false;
    }
    regfree(&compiled);
    return true;
}
