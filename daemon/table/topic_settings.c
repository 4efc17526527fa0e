/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_settings - see the header.
 */
#include "daemon/table/topic_settings.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/table/topic_rules.h"

#include <stdatomic.h>

struct shared {
    struct topic_settings settings; /* first: what its holders have */
    _Atomic(uint32_t) holders;
};

static struct shared *shared_of(const struct topic_settings *s)
{
    return (struct shared *)(uintptr_t)s;
}

const struct topic_settings *hulse_topic_settings_share(const struct topic_settings *from)
{
    struct shared *s = hulse_mem_alloc(HULSE_MEM_TABLE, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->settings = *from;
    atomic_init(&s->holders, 1);
    return &s->settings;
}

const struct topic_settings *hulse_topic_settings_hold(const struct topic_settings *s)
{
    /* Relaxed because somebody's hold keeps it meanwhile. */
    const uint32_t before =
        atomic_fetch_add_explicit(&shared_of(s)->holders, 1, memory_order_relaxed);

    HULSE_ASSERT(before > 0 && before < UINT32_MAX);
    return s;
}

void hulse_topic_settings_release(const struct topic_settings **settings)
{
    struct shared *s = shared_of(*settings);

    *settings = NULL;
    /* SYNC(topic_settings.end) release: what each holder read comes before the end. */
    if (s == NULL || atomic_fetch_sub_explicit(&s->holders, 1, memory_order_release) != 1) {
        return;
    }
    /* SYNC(topic_settings.end) acquire: the last one frees it behind that. */
    (void)atomic_load_explicit(&s->holders, memory_order_acquire);
    hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s));
}
