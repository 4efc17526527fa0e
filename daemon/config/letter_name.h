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
/* What is wrong with `consume.dead_letter` of a rule: no topic's name, or the topic's own. */
void hulse_letter_check(const struct config *c, size_t rule, struct config_problems *problems);

#endif
