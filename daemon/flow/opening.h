/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opening - the wait of a publisher or subscriber for its topic's entry in the tables.
 *
 * Only the control thread makes entries, so who finds none asks and goes on when told. The owner
 * may be closed meanwhile: it cancels, and the answer is thrown away.
 *
 * Threads: the owner's worker.
 */
#ifndef HULSE_FLOW_OPENING_H
#define HULSE_FLOW_OPENING_H

#include "daemon/flow/flow.h"

struct opening;
struct worker;

struct opening_params {
    const struct flow *flow;
    struct worker *worker;
    const char *topic; /* full name */
    void *owner;
    /* Once, perhaps before start returns. OK, LIMIT or NO_MEMORY. */
    void (*go_on)(void *owner, hulse_status status);
};

/*
 * *out is set before go_on comes and NULL afterwards; it lies in the owner. LIMIT: the control
 * thread is too far behind. NO_MEMORY. Then go_on does not come.
 */
hulse_status
hulse_opening_start(struct opening **out, const struct opening_params *params, struct error *err);
/* go_on will not come. *o becomes NULL; harmless on NULL. */
void hulse_opening_cancel(struct opening **o);
/* DENIED unless the grant has that permission; *err says who may not do what. */
hulse_status hulse_opening_allowed(const struct grant *g,
                                   const struct identity *who,
                                   enum permission wanted,
                                   struct error *err);
/* What go_on heard, and what the renewed grant says now: OK, or why it cannot open. */
hulse_status hulse_opening_judge(hulse_status heard,
                                 const struct grant *g,
                                 const struct identity *who,
                                 enum permission wanted,
                                 struct error *err);

#endif
