/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever a broker lists as topics, what is told is a sequence of names that can be walked, none of them empty, too long or
 *         a partition's twice in a row; and each can be judged by a pattern.
 * Input:  names, divided by newlines.
 */
#include "daemon/broker/pulsar/topics/topic_names.h"
#include "daemon/table/topic_name.h"
#include "daemon/table/topic_pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void judge(const char *name)
{
    struct topic_pattern p;
    struct topic_name parsed;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&parsed, name, "public/default", &why) ||
        strcmp(parsed.full, name) != 0) {
        return;
    }
    if (!hulse_topic_pattern_parse(
            &p, "public/default/[a-z]+.*", TOPIC_PATTERN_ALL, "public/default", &why)) {
        abort();
    }
    (void)hulse_topic_pattern_match(&p, name);
    hulse_topic_pattern_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *names[NAMES_MAX];
    char *rest = NULL;
    size_t count = 0;
    struct topic_names n = {0};
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    for (char *name = strtok_r(text, "\n", &rest); name != NULL && count < NAMES_MAX;
         name = strtok_r(NULL, "\n", &rest)) {
        names[count] = name;
        count += 1;
    }
    if (!hulse_topic_names_add(&n, count, names)) {
        abort();
    }
    const char *at = n.names;
    for (uint32_t i = 0; i < n.count; i++) {
        const size_t each = strlen(at);
        if (each == 0 || each >= HULSE_TOPIC_NAME_MAX) {
            abort();
        }
        judge(at);
        at += each + 1;
    }
    if (n.count > 0 && at != n.names + n.bytes) {
        abort();
    }
    hulse_topic_names_free(&n);
    free(text);
    return 0;
}
