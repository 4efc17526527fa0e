/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_name - see the header.
 */
#include "daemon/config/letter_name.h"

#include "daemon/config/body.h"
#include "daemon/config/key.h"
#include "daemon/config/valid.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>

static const char persistent[] = "persistent://";
static const char non_persistent[] = "non-persistent://";

/* The word that begins at an opening brace: what it stands for, and its bytes with the braces; 0: none. */
static size_t word_at(const char *at, const struct letter_words *words, const char **value)
{
    static const char *const names[] = {"{topic}", "{subscription}", "{service}"};
    const char *const values[] = {words->topic, words->subscription, words->service};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t bytes = strlen(names[i]);
        if (strncmp(at, names[i], bytes) == 0) {
            *value = values[i];
            return bytes;
        }
    }
    return 0;
}

bool hulse_valid_letter(const char *text, const char **why)
{
    static const struct letter_words words = {.topic = "", .subscription = "", .service = ""};
    const char *value = NULL;

    if (!hulse_valid_text(text, why)) {
        return false;
    }
    *why = "{topic}, {subscription} and {service} are the words of a topic's template";
    for (const char *at = text; *at != '\0'; at++) {
        const size_t bytes = *at == '{' ? word_at(at, &words, &value) : 0;
        if (bytes == 0 && (*at == '{' || *at == '}')) {
            return false;
        }
        at += bytes == 0 ? 0 : bytes - 1;
    }
    return true;
}

bool hulse_letter_name(char *out,
                       size_t capacity,
                       const char *template,
                       const struct letter_words *words)
{
    size_t used = 0;

    HULSE_ASSERT(capacity > 0);
    for (const char *at = template; *at != '\0';) {
        const char *value = at;
        size_t taken = *at == '{' ? word_at(at, words, &value) : 0;
        const size_t bytes = taken == 0 ? 1 : strlen(value);
        taken = taken == 0 ? 1 : taken;
        if (bytes >= capacity - used) {
            return false;
        }
        memcpy(out + used, value, bytes);
        used += bytes;
        at += taken;
    }
    out[used] = '\0';
    return true;
}

/* A short name, or tenant/namespace/name with or without a scheme: what daemon/table takes for a topic's name. */
static bool is_topic_name(const char *text)
{
    const size_t scheme = strncmp(text, persistent, strlen(persistent)) == 0 ? strlen(persistent)
                          : strncmp(text, non_persistent, strlen(non_persistent)) == 0
                              ? strlen(non_persistent)
                              : 0;
    const char *rest = text + scheme;
    unsigned slashes = 0;

    for (const char *at = rest; *at != '\0'; at++) {
        if (*at == '/') {
            const bool empty = at == rest || at[1] == '/' || at[1] == '\0';
            slashes += 1;
            if (empty) {
                return false;
            }
        }
    }
    return rest[0] != '\0' && (slashes == 2 || (slashes == 0 && scheme == 0));
}

/* Both are the same topic, one of them perhaps in its short form. */
static bool same_topic(const char *full, const char *name, const char *default_namespace)
{
    char completed[3 * HULSE_CONFIG_PATTERN_BYTES];

    if (strstr(name, "://") != NULL) {
        return strcmp(full, name) == 0;
    }
    if (strchr(name, '/') != NULL) {
        (void)snprintf(completed, sizeof(completed), "%s%s", persistent, name);
    } else {
        (void)snprintf(
            completed, sizeof(completed), "%s%s/%s", persistent, default_namespace, name);
    }
    return strcmp(full, completed) == 0;
}

void hulse_letter_check(const struct config *c, size_t rule, struct config_problems *problems)
{
    /* No template says it: its braces would be a word. */
    static const char sample[] = "persistent://t/n/{topic}";
    const char *template = c->topics[rule].consume.dead_letter;
    const char *match = c->topics[rule].match;
    const bool one = strpbrk(match, "*?") == NULL; /* topic, whose name is known now */
    char name[2 * HULSE_CONFIG_PATTERN_BYTES];
    const struct letter_words words = {
        .topic = one ? match : sample, .subscription = "subscription", .service = c->name};
    const struct config_place place =
        hulse_body_place_of(c, KEY_TOPIC, rule, "consume.dead_letter");

    if (template == NULL || template[0] == '\0') {
        return;
    }
    if (!hulse_letter_name(name, sizeof(name), template, &words) || !is_topic_name(name)) {
        hulse_problem_add(problems,
                          place,
                          "topics.%zu.consume.dead_letter: %s is no name of a topic",
                          rule,
                          template);
    } else if (same_topic(words.topic, name, c->default_namespace)) {
        hulse_problem_add(
            problems,
            place,
            "topics.%zu.consume.dead_letter: a topic is not its own dead-letter topic",
            rule);
    }
}
