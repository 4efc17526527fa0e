/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_name - see the header.
 */
#include "daemon/flow/retry_name.h"

#include "daemon/flow/letter_target.h"

#include <string.h>

/* `base` is what its rule makes of that topic. */
static bool is_retry_of(const struct flow *flow,
                        const char *base,
                        const char *subscription,
                        struct retry_name *out)
{
    const struct letter_words words = hulse_letter_words_of(flow, base, subscription);
    struct topic_name name;
    const char *why = NULL;

    return hulse_tables_retry_of(flow->tables, base, &words, out->of, &out->like) &&
           hulse_topic_name_parse(&name, out->of, flow->default_namespace, &why) &&
           strcmp(name.full, out->of) == 0;
}

hulse_status hulse_retry_name(struct retry_name *out,
                              const struct flow *flow,
                              const char *topic,
                              const char *subscription,
                              struct error *err)
{
    const struct letter_owner owner = {
        .rules = topic, .topic = topic, .subscription = subscription};
    struct letter_target target;

    *out = (struct retry_name){.place = RETRY_NOWHERE};
    if (subscription[0] == '\0' || !hulse_topic_keeps(topic)) {
        return HULSE_OK;
    }
    const hulse_status st = hulse_letter_target(&target, flow, LETTER_RETRY, &owner, err);
    if (st != HULSE_OK || target.to.full[0] == '\0') {
        return st;
    }
    if (!hulse_topic_keeps(target.to.full)) {
        return hulse_fail(
            err, HULSE_INVAL, "consume.retry_letter: %s keeps no messages", target.to.full);
    }
    /* The template may say nothing of the topic. */
    const bool same = strcmp(target.to.full, target.of) == 0;
    out->place =
        same || is_retry_of(flow, target.of, subscription, out) ? RETRY_ITSELF : RETRY_BESIDE;
    if (same || out->place == RETRY_BESIDE) {
        memcpy(out->of, target.of, strlen(target.of) + 1);
    }
    const char *const there = out->place == RETRY_ITSELF ? target.of : target.to.full;
    memcpy(out->topic, there, strlen(there) + 1);
    return HULSE_OK;
}
