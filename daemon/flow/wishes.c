/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wishes - see the header.
 */
#include "daemon/flow/wishes.h"

#include <string.h>

size_t hulse_flow_wishes_bytes(const struct broker_wishes *w)
{
    return w == NULL ? 0
                     : w->key_range_count * sizeof(*w->key_ranges) + w->properties.bytes +
                           w->subscription_properties.bytes;
}

static struct broker_span copy_span(char **at, struct broker_span from)
{
    const struct broker_span copy = {.data = (const uint8_t *)*at, .bytes = from.bytes};
    if (from.bytes > 0) {
        memcpy(*at, from.data, from.bytes);
        *at += from.bytes;
    }
    return copy;
}

void hulse_flow_wishes_copy(struct broker_wishes *to, char *at, const struct broker_wishes *from)
{
    const size_t range_bytes = from->key_range_count * sizeof(*from->key_ranges);
    *to = *from;
    if (range_bytes > 0) {
        to->key_ranges = memcpy(at, from->key_ranges, range_bytes);
        at += range_bytes;
    }
    to->properties = copy_span(&at, from->properties);
    to->subscription_properties = copy_span(&at, from->subscription_properties);
}

/* The first of them, in words; NULL: there is none. */
static const char *first(const struct broker_wishes *w)
{
    if (w->compacted) {
        return "compacted topics";
    }
    if (w->replicated) {
        return "replicated subscriptions";
    }
    if (w->key_range_count > 0 || w->any_order) {
        return "key_shared consumers with a policy";
    }
    if (w->priority != 0) {
        return "priorities of consumers";
    }
    return w->properties.bytes > 0 || w->subscription_properties.bytes > 0
               ? "properties of consumers and subscriptions"
               : NULL;
}

hulse_status
hulse_flow_wishes_refuse(const struct broker_wishes *w, const struct broker *b, struct error *err)
{
    const char *what = first(w);
    return what == NULL
               ? HULSE_OK
               : hulse_fail(
                     err, HULSE_UNSUPPORTED, "a broker of type %s has no %s", b->ops->type, what);
}
