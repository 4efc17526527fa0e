/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_figures - what the store of the local broker says of itself, as named numbers.
 */
#include "daemon/broker/local/internal.h"
#include "daemon/store/store.h"

#include <string.h>

uint32_t hulse_local_store_figures(const struct broker *b, struct broker_figure *out)
{
    struct store *store = hulse_local_store(b);
    struct store_figures f;
    if (store == NULL) {
        return 0;
    }
    hulse_store_figures(store, &f);
    const struct broker_figure figures[] = {
        {"bytes", f.log_bytes},
        {"bytes_max", f.size_max},
        {"segments", f.segments},
        {"full", f.full ? 1 : 0},
        {"parked", f.parked},
        {"records", f.records},
        {"groups", f.groups},
        {"written_bytes", f.bytes},
        {"group_records_p50", f.group_records.p50},
        {"group_records_p99", f.group_records.p99},
        {"group_records_max", f.group_records.max},
        {"sync_us_p50", f.sync_us.p50},
        {"sync_us_p99", f.sync_us.p99},
        {"sync_us_max", f.sync_us.max},
        {"moved_messages", f.moved_messages},
        {"moved_bytes", f.moved_bytes},
        {"moves_given_up", f.moves_given_up},
        {"reads", f.reads},
        {"checkpoints", f.checkpoints},
        {"checkpoint_age_ms", f.checkpoint_age_ms},
        {"replay_bytes", f.replay_bytes},
        {"damaged_records", f.found.damaged_records},
        {"damaged_bytes", f.found.damaged_bytes},
        {"missing_segments", f.found.missing_segments},
        {"homeless_records", f.found.homeless_records},
        {"lost_messages", f.found.lost_messages},
        {"unreadable_messages", f.lost},
    };
    static_assert(sizeof(figures) / sizeof(figures[0]) <= BROKER_FIGURES_MAX, "they fit");
    memcpy(out, figures, sizeof(figures));
    return (uint32_t)(sizeof(figures) / sizeof(figures[0]));
}
