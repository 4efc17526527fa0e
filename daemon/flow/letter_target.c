/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter_target - see the header.
 */
#include "daemon/flow/letter_target.h"

#include <string.h>

static const char *const keys[LETTER_KINDS] = {
    [LETTER_DEAD] = "consume.dead_letter", [LETTER_RETRY] = "consume.retry_letter"};

struct letter_words
hulse_letter_words_of(const struct flow *flow, const char *of, const char *subscription)
{
    return (struct letter_words){.topic = of,
                                 .subscription = subscription,
                                 .service = flow->service == NULL ? "" : flow->service};
}

hulse_status hulse_letter_target(struct letter_target *out,
                                 const struct flow *flow,
                                 enum letter_kind kind,
                                 const struct letter_owner *owner,
                                 struct error *err)
{
    const size_t bytes = hulse_topic_base_bytes(owner->topic);
    const char *why = "the name is too long";
    char text[HULSE_TOPIC_NAME_MAX];

    memcpy(out->of, owner->topic, bytes);
    out->of[bytes] = '\0';
    out->to = (struct topic_name){.full = ""};
    const struct letter_words words = hulse_letter_words_of(flow, out->of, owner->subscription);
    const bool fits = hulse_tables_letter(flow->tables, owner->rules, kind, &words, text);
    if (fits && text[0] == '\0') {
        return HULSE_OK;
    }
    if (!fits || !hulse_topic_name_parse(&out->to, text, flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s gives no topic's name here: %s", keys[kind], why);
    }
    return HULSE_OK;
}
