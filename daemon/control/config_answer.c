/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_answer - see config_answer.h.
 */
#include "daemon/control/config_answer.h"

#include <stdio.h>
#include <stdlib.h>

json_t *hulse_config_answer(const struct reload *r)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *result = NULL;

    if (out == NULL) {
        return NULL;
    }
    hulse_config_print(r->running, out);
    if (fclose(out) == 0) {
        result = json_pack(
            "{s:I, s:s#}", "generation", (json_int_t)r->generation, "yaml", text, (int)bytes);
    }
    free(text);
    return result;
}

static json_t *list_of(const char *const *paths, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(paths[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *problems_of(const struct config_problems *problems)
{
    json_t *list = json_array();

    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *p = &problems->list[i];
        json_t *object = json_pack("{s:s, s:I, s:I, s:b, s:s}",
                                   "file",
                                   p->file,
                                   "line",
                                   (json_int_t)p->line,
                                   "column",
                                   (json_int_t)p->column,
                                   "warning",
                                   p->warning,
                                   "text",
                                   p->text);
        if (json_array_append_new(list, object) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *hulse_reload_answer(struct reload *r)
{
    const bool accepted = hulse_reload_run(r, "request");
    const struct config_change *c = &r->change;

    return json_pack("{s:b, s:I, s:o, s:o, s:o}",
                     "accepted",
                     accepted,
                     "generation",
                     (json_int_t)r->generation,
                     "applied",
                     list_of(c->applied, accepted ? c->applied_count : 0),
                     "restart",
                     list_of(c->restart, accepted ? c->restart_count : 0),
                     "problems",
                     problems_of(&r->problems));
}
