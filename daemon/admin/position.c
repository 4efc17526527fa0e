/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position - see the header.
 */
#include "daemon/admin/position.h"

#include "daemon/admin/id_text.h"

#include <string.h>

bool hulse_admin_position_parse(const char *text, struct broker_position *out)
{
    struct broker_position p = {.kind = BROKER_AT_ID};
    struct id_text id;

    if (text == NULL) {
        return false;
    }
    if (strcmp(text, "earliest") == 0) {
        p.kind = BROKER_EARLIEST;
    } else if (strcmp(text, "latest") == 0) {
        p.kind = BROKER_LATEST;
    } else if (hulse_id_text_parse(text, &id)) {
        p.id = (struct broker_id){
            .ledger = id.ledger, .entry = id.entry, .partition = id.partition, .batch = id.batch};
    } else {
        return false;
    }
    *out = p;
    return true;
}
