/* SPDX-License-Identifier: Apache-2.0 */
/* topic_pattern - topics of one namespace by a regular expression (contract in topic_pattern.h). */
#include "shmlib/cli/topic_pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_space[] = "persistent://public/default/";
/* What tenants and namespaces are made of. */
static const char literal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=:.";

/* Where the expression begins; NULL: its namespace is not named. */
static const char *behind_namespace(const char *text)
{
    const char *scheme = strstr(text, "://");
    const char *tenant = scheme != NULL ? scheme + 3 : text;
    const size_t tenant_bytes = strspn(tenant, literal);
    const char *space = tenant + tenant_bytes + 1;

    if (strchr(text, '/') == NULL) {
        return text;
    }
    if (scheme != NULL && strncmp(text, "persistent://", 13) != 0 &&
        strncmp(text, "non-persistent://", 17) != 0) {
        return NULL;
    }
    if (tenant_bytes == 0 || tenant[tenant_bytes] != '/') {
        return NULL;
    }
    const size_t space_bytes = strspn(space, literal);
    return space_bytes == 0 || space[space_bytes] != '/' ? NULL : space + space_bytes + 1;
}

/* What could cost more than the length of a name. */
static const char *costly(const char *regex)
{
    bool escaped = false;

    for (const char *at = regex; *at != '\0'; at++) {
        if (escaped && *at >= '0' && *at <= '9') {
            return "back references are not for topics";
        }
        if (!escaped && *at == '{') {
            return "repetition counts are not for topics";
        }
        escaped = !escaped && *at == '\\';
    }
    return regex[0] == '\0' ? "a regular expression is missing" : NULL;
}

static bool compile(const char *regex, regex_t *out)
{
    char whole[HULSE_CLI_PATTERN_BYTES_MAX + sizeof("^()$")];

    (void)snprintf(whole, sizeof(whole), "^(%s)$", regex);
    return regcomp(out, whole, REG_EXTENDED | REG_NOSUB) == 0;
}

/* "persistent://" in front of it where nothing is. */
static char *space_of(const char *text, const char *regex)
{
    char *space = NULL;
    const int bytes = (int)(regex - text);

    if (bytes == 0) {
        return strdup(default_space);
    }
    const char *scheme = strstr(text, "://") == NULL ? "persistent://" : "";
    return asprintf(&space, "%s%.*s", scheme, bytes, text) < 0 ? NULL : space;
}

bool hulse_cli_topic_pattern_parse(const char *text,
                                   struct hulse_cli_topic_pattern *out,
                                   const char **why)
{
    const char *regex = behind_namespace(text);

    if (regex == NULL) {
        *why = "only the part behind TENANT/NAMESPACE/ is a regular expression";
        return false;
    }
    *why = strlen(text) > HULSE_CLI_PATTERN_BYTES_MAX ? "it is too long" : costly(regex);
    if (*why != NULL) {
        return false;
    }
    if (!compile(regex, &out->regex)) {
        *why = "not a regular expression (POSIX, extended)";
        return false;
    }
    out->space = space_of(text, regex);
    out->namespace_name = out->space == NULL ? NULL : strdup(strstr(out->space, "://") + 3);
    if (out->namespace_name == NULL) {
        hulse_cli_topic_pattern_free(out);
        *why = "no memory";
        return false;
    }
    out->namespace_name[strlen(out->namespace_name) - 1] = '\0';
    return true;
}

void hulse_cli_topic_pattern_free(struct hulse_cli_topic_pattern *p)
{
    regfree(&p->regex);
    free(p->space);
    free(p->namespace_name);
    *p = (struct hulse_cli_topic_pattern){0};
}

bool hulse_cli_topic_pattern_match(const struct hulse_cli_topic_pattern *p, const char *topic)
{
    const size_t bytes = strlen(p->space);

    return strncmp(topic, p->space, bytes) == 0 && strncmp(topic + bytes, "__", 2) != 0 &&
           regexec(&p->regex, topic + bytes, 0, NULL, 0) == 0;
}
