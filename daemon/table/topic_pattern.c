/* SPDX-License-Identifier: Apache-2.0 */
/* topic_pattern - see the header. */
#include "daemon/table/topic_pattern.h"

#include <stdio.h>
#include <string.h>

static const char persistent[] = "persistent://";
static const char non_persistent[] = "non-persistent://";
/* What tenants and namespaces are made of. */
static const char literal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=:.";

/* Behind its scheme; *mode is what that says. NULL: it says something else than is asked for, or nothing known. */
static const char *behind_scheme(const char *text, enum topic_pattern_mode *mode)
{
    const bool stays = strncmp(text, persistent, sizeof(persistent) - 1) == 0;
    const bool goes = strncmp(text, non_persistent, sizeof(non_persistent) - 1) == 0;

    if (stays) {
        return *mode == TOPIC_PATTERN_NON_PERSISTENT ? NULL : text + sizeof(persistent) - 1;
    }
    if (goes) {
        *mode = *mode == TOPIC_PATTERN_PERSISTENT ? TOPIC_PATTERN_NON_PERSISTENT : *mode;
        return text + sizeof(non_persistent) - 1;
    }
    return strstr(text, "://") != NULL ? NULL : text;
}

/* Where the expression begins; NULL: tenant and namespace are not named. */
static const char *behind_namespace(const char *text)
{
    const size_t tenant = strspn(text, literal);
    const char *space = text + tenant + 1;

    if (tenant == 0 || text[tenant] != '/') {
        return NULL;
    }
    const size_t bytes = strspn(space, literal);
    return bytes == 0 || space[bytes] != '/' ? NULL : space + bytes + 1;
}

bool hulse_topic_pattern_parse(struct topic_pattern *out,
                               const char *text,
                               enum topic_pattern_mode mode,
                               const char *default_namespace,
                               const char **why)
{
    *out = (struct topic_pattern){.mode = mode};
    if (strnlen(text, TOPIC_PATTERN_BYTES_MAX + 1) > TOPIC_PATTERN_BYTES_MAX) {
        *why = "a pattern of topics of more than 1023 bytes";
        return false;
    }
    const char *place = behind_scheme(text, &out->mode);
    if (place == NULL) {
        *why = "a scheme that does not go with the kind of topics asked for";
        return false;
    }
    const char *regex = place == text && strchr(text, '/') == NULL ? text : behind_namespace(place);
    if (regex == NULL) {
        *why = "only the part behind TENANT/NAMESPACE/ is a regular expression";
        return false;
    }
    if (regex[0] == '\0') {
        *why = "a regular expression is missing";
        return false;
    }
    if (regex == text) {
        (void)snprintf(out->space, sizeof(out->space), "%s", default_namespace);
    } else {
        (void)snprintf(out->space, sizeof(out->space), "%.*s", (int)(regex - place - 1), place);
    }
    out->regex = hulse_name_regex_create(regex, why);
    if (out->regex == NULL) {
        return false;
    }
    /* What is alternative is so to the whole of it. */
    const bool grouped = strchr(regex, '|') != NULL;
    (void)snprintf(out->remote,
                   sizeof(out->remote),
                   "%s/%s%.512s%s",
                   out->space,
                   grouped ? "(?:" : "",
                   regex,
                   grouped ? ")" : "");
    return true;
}

void hulse_topic_pattern_free(struct topic_pattern *p)
{
    if (p->regex != NULL) {
        hulse_name_regex_destroy(&p->regex);
    }
}

bool hulse_topic_pattern_match(const struct topic_pattern *p, const char *topic)
{
    const size_t bytes = strlen(p->space);
    const bool stays = strncmp(topic, persistent, sizeof(persistent) - 1) == 0;
    const char *name = strstr(topic, "://");

    if (name == NULL || (p->mode == TOPIC_PATTERN_PERSISTENT && !stays) ||
        (p->mode == TOPIC_PATTERN_NON_PERSISTENT && stays)) {
        return false;
    }
    name += 3;
    return strncmp(name, p->space, bytes) == 0 && name[bytes] == '/' &&
           strncmp(name + bytes + 1, "__", 2) != 0 &&
           hulse_name_regex_match(p->regex, name + bytes + 1);
}
