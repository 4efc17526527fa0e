/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_name - see the header.
 */
#include "daemon/flow/retry_name.h"

#include <string.h>

/* `base` is what its rule makes of that topic. */
static bool is_retry_of(const struct flow *flow,
                        const char *base,
                        const struct letter_words *words,
                        struct retry_name *out)
{
    struct topic_name name;
    const char *why = NULL;

    return hulse_tables_retry_of(flow->tables, base, words, out->of, &out->like) &&
           hulse_topic_name_parse(&name, out->of, flow->default_namespace, &why) &&
           strcmp(name.full, out->of) == 0;
}

hulse_status hulse_retry_name(struct retry_name *out,
                              const struct flow *flow,
                              const char *topic,
                              const char *subscription,
                              struct error *err)
{
    char base[HULSE_TOPIC_NAME_MAX];
    char text[HULSE_TOPIC_NAME_MAX];
    struct topic_name name;
    const char *why = "the name is too long";
    const size_t bytes = hulse_topic_base_bytes(topic);

    *out = (struct retry_name){.place = RETRY_NOWHERE};
    if (subscription[0] == '\0' || !hulse_topic_keeps(topic)) {
        return HULSE_OK;
    }
    memcpy(base, topic, bytes);
    base[bytes] = '\0';
    const struct letter_words words = {.topic = base,
                                       .subscription = subscription,
                                       .service = flow->service == NULL ? "" : flow->service};
    const bool fits = hulse_tables_letter(flow->tables, topic, LETTER_RETRY, &words, text);
    if (fits && text[0] == '\0') {
        return HULSE_OK;
    }
    if (!fits || !hulse_topic_name_parse(&name, text, flow->default_namespace, &why)) {
        return hulse_fail(
            err, HULSE_INVAL, "consume.retry_letter gives no topic's name here: %s", why);
    }
    if (!hulse_topic_keeps(name.full)) {
        return hulse_fail(
            err, HULSE_INVAL, "consume.retry_letter: %s keeps no messages", name.full);
    }
    if (strcmp(name.full, base) == 0) {
        memcpy(out->of, base, bytes + 1);
        out->place = RETRY_ITSELF; /* the template says nothing of the topic */
    } else if (is_retry_of(flow, base, &words, out)) {
        out->place = RETRY_ITSELF;
    } else {
        memcpy(out->of, base, bytes + 1);
        out->place = RETRY_BESIDE;
    }
    memcpy(out->topic,
           out->place == RETRY_ITSELF ? base : name.full,
           (out->place == RETRY_ITSELF ? bytes : strlen(name.full)) + 1);
    return HULSE_OK;
}
