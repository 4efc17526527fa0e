/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_name - topic names made from a template: {topic}, {subscription} and {service} stand for what they say.
 *
 * Threads: any; pure functions.
 * Trust:   the template is the operator's, checked when the configuration is read; what is put in may be an application's.
 */
#ifndef HULSE_CONFIG_LETTER_NAME_H
#define HULSE_CONFIG_LETTER_NAME_H

#include "daemon/config/config.h"
#include "daemon/config/problem.h"

struct letter_words {
    const char *topic; /* full name, of a partition without its suffix */
    const char *subscription;
    const char *service;
};

/* As those of valid.h: a template whose braces are all known words. */
bool hulse_valid_letter(const char *text, const char **why);
/* Fills in what the words are; terminated. False: it does not fit `capacity`. The template is a valid one. */
bool hulse_letter_name(char *out,
                       size_t capacity,
                       const char *template,
                       const struct letter_words *words);
/*
 * The topic for which the template gives `name`; `words->topic` is not looked at. False: for none, or it says nothing of
 * its topic. Of a template without {topic} it is any: false.
 */
bool hulse_letter_topic(char *out,
                        size_t capacity,
                        const char *template,
                        const struct letter_words *words,
                        const char *name);
/* `name` begins and ends as what the template gives, whatever its words are. Of one that begins and ends with words: false. */
bool hulse_letter_like(const char *template, const char *name);
/*
 * What is wrong with `consume.dead_letter` and `consume.retry_letter` of a rule: no topic's name, the topic's own, both the
 * same, or a retry topic that keeps nothing.
 */
void hulse_letter_check(const struct config *c, size_t rule, struct config_problems *problems);

#endif
