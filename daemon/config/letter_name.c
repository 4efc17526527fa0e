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

/* What the template gives with a topic of no bytes, and how often that stands in it; where it stands first. */
struct outline {
    size_t bytes;
    size_t first;
    size_t count;
};

static bool outline_of(struct outline *out, const char *template, const struct letter_words *words)
{
    static const char topic[] = "";
    const struct letter_words empty = {
        .topic = topic, .subscription = words->subscription, .service = words->service};

    *out = (struct outline){0};
    for (const char *at = template; *at != '\0';) {
        const char *value = at;
        const size_t taken = *at == '{' ? word_at(at, &empty, &value) : 0;
        if (taken != 0 && value == topic) {
            out->first = out->count == 0 ? out->bytes : out->first;
            out->count += 1;
        }
        out->bytes += taken == 0 ? 1 : strlen(value);
        at += taken == 0 ? 1 : taken;
    }
    return out->count > 0;
}

bool hulse_letter_topic(char *out,
                        size_t capacity,
                        const char *template,
                        const struct letter_words *words,
                        const char *name)
{
    struct outline o;
    char again[HULSE_CONFIG_PATTERN_BYTES];
    const size_t bytes = strlen(name);

    if (!outline_of(&o, template, words) || bytes <= o.bytes || (bytes - o.bytes) % o.count != 0) {
        return false;
    }
    const size_t topic = (bytes - o.bytes) / o.count;
    if (topic >= capacity) {
        return false;
    }
    memcpy(out, name + o.first, topic);
    out[topic] = '\0';
    const struct letter_words found = {
        .topic = out, .subscription = words->subscription, .service = words->service};
    return hulse_letter_name(again, sizeof(again), template, &found) && strcmp(again, name) == 0;
}

bool hulse_letter_like(const char *template, const char *name)
{
    const char *last = strrchr(template, '}');
    const size_t before = strcspn(template, "{");
    const size_t behind = last == NULL ? 0 : strlen(last + 1);
    const size_t bytes = strlen(name);

    if (last == NULL) {
        return strcmp(template, name) == 0;
    }
    return before + behind > 0 && bytes >= before + behind &&
           strncmp(template, name, before) == 0 && strcmp(name + bytes - behind, last + 1) == 0;
}

/* One of the two templates. */
struct letter_key {
    const char *path;
    const char *template;
    const char *what;
};

static bool is_set(const char *template)
{
    return template != NULL && template[0] != '\0';
}

static void check_one(const struct config *c,
                      size_t rule,
                      const struct letter_key *key,
                      struct config_problems *problems)
{
    /* No template says it: its braces would be a word. */
    static const char sample[] = "persistent://t/n/{topic}";
    const char *match = c->topics[rule].match;
    const bool one = strpbrk(match, "*?") == NULL; /* topic, whose name is known now */
    char name[2 * HULSE_CONFIG_PATTERN_BYTES];
    const struct letter_words words = {
        .topic = one ? match : sample, .subscription = "subscription", .service = c->name};
    const struct config_place place = hulse_body_place_of(c, KEY_TOPIC, rule, key->path);

    if (!hulse_letter_name(name, sizeof(name), key->template, &words) || !is_topic_name(name)) {
        hulse_problem_add(problems,
                          place,
                          "topics.%zu.%s: %s is no name of a topic",
                          rule,
                          key->path,
                          key->template);
    } else if (same_topic(words.topic, name, c->default_namespace)) {
        hulse_problem_add(problems,
                          place,
                          "topics.%zu.%s: a topic is not its own %s topic",
                          rule,
                          key->path,
                          key->what);
    }
}

/* Of the retry topic: it keeps what it gets, and is another one than that of dead letters. */
static void check_retry(const struct config *c,
                        size_t rule,
                        const struct letter_key *key,
                        struct config_problems *problems)
{
    const char *dead = c->topics[rule].consume.dead_letter;
    const struct config_place place = hulse_body_place_of(c, KEY_TOPIC, rule, key->path);

    if (strncmp(key->template, non_persistent, strlen(non_persistent)) == 0) {
        hulse_problem_add(problems,
                          place,
                          "topics.%zu.%s: a non-persistent topic keeps no messages for later",
                          rule,
                          key->path);
    } else if (is_set(dead) && strcmp(dead, key->template) == 0) {
        hulse_problem_add(
            problems, place, "topics.%zu.%s: it is the dead-letter topic", rule, key->path);
    }
}

void hulse_letter_check(const struct config *c, size_t rule, struct config_problems *problems)
{
    const struct letter_key dead = {.path = "consume.dead_letter",
                                    .template = c->topics[rule].consume.dead_letter,
                                    .what = "dead-letter"};
    const struct letter_key retry = {.path = "consume.retry_letter",
                                     .template = c->topics[rule].consume.retry_letter,
                                     .what = "retry"};

    if (is_set(dead.template)) {
        check_one(c, rule, &dead, problems);
    }
    if (is_set(retry.template)) {
        check_one(c, rule, &retry, problems);
        check_retry(c, rule, &retry, problems);
    }
}
