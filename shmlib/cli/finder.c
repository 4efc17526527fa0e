/* SPDX-License-Identifier: Apache-2.0 */
/* finder - topics that match patterns (contract in finder.h). */
#include "shmlib/cli/finder.h"

#include "daemon/admin/protocol.h"
#include "shmlib/cli/admin_client.h"
#include "shmlib/cli/say.h"

#include <stdlib.h>
#include <string.h>

int hulse_cli_finder_begin(struct hulse_cli_finder *f,
                           struct hulse_cli *cli,
                           int count,
                           char **texts)
{
    const char *why = NULL;

    *f = (struct hulse_cli_finder){.cli = cli};
    if (count > HULSE_CLI_PATTERNS_MAX) {
        return hulse_cli_usage(
            "sub", "%d patterns; at most %d at once", count, HULSE_CLI_PATTERNS_MAX);
    }
    for (int i = 0; i < count; i++) {
        if (!hulse_cli_topic_pattern_parse(texts[i], &f->patterns[i], &why)) {
            return hulse_cli_usage("sub", "--regex %s: %s", texts[i], why);
        }
        f->pattern_count += 1;
    }
    return HULSE_CLI_OK;
}

void hulse_cli_finder_end(struct hulse_cli_finder *f)
{
    for (int i = 0; i < f->pattern_count; i++) {
        hulse_cli_topic_pattern_free(&f->patterns[i]);
    }
    while (f->found_count > 0) {
        hulse_cli_finder_forget(f, f->found_count - 1);
    }
}

void hulse_cli_finder_forget(struct hulse_cli_finder *f, int index)
{
    free(f->found[index]);
    f->found_count -= 1;
    memmove(&f->found[index],
            &f->found[index + 1],
            (size_t)(f->found_count - index) * sizeof(f->found[0]));
}

static bool is_known(const struct hulse_cli_finder *f, const char *topic)
{
    for (int i = 0; i < f->found_count; i++) {
        if (strcmp(f->found[i], topic) == 0) {
            return true;
        }
    }
    return false;
}

static void take(struct hulse_cli_finder *f, const char *topic)
{
    if (is_known(f, topic)) {
        return;
    }
    if (f->found_count == HULSE_CLI_TOPICS_MAX) {
        f->too_many += 1;
        return;
    }
    f->found[f->found_count] = strdup(topic);
    f->found_count += f->found[f->found_count] != NULL ? 1 : 0; /* else the next look has it */
}

/* A broker whose topics are not listed has none that could be found. */
static int judge(json_t *unlisted)
{
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(unlisted, i, entry)
    {
        const char *broker = json_string_value(json_object_get(entry, "broker"));
        const char *why = json_string_value(json_object_get(entry, "why"));
        hulse_cli_error("the topics of the broker %s are not found: %s",
                        broker == NULL ? "" : broker,
                        why == NULL ? "" : why);
    }
    return json_array_size(unlisted) == 0 ? HULSE_CLI_OK : HULSE_CLI_UNREACHABLE;
}

static int look(struct hulse_cli_finder *f, const struct hulse_cli_topic_pattern *p)
{
    json_t *members = json_object();
    json_t *result = NULL;
    size_t i = 0;
    json_t *entry = NULL;

    (void)json_object_set_new(members, "namespace", json_string(p->namespace_name));
    int rc = hulse_cli_admin_ask(f->cli, HULSE_ADMIN_TOPICS_LIST, members, &result);
    if (rc != HULSE_CLI_OK) {
        return rc;
    }
    json_array_foreach(json_object_get(result, "topics"), i, entry)
    {
        const char *name = json_string_value(entry);
        if (name != NULL && hulse_cli_topic_pattern_match(p, name)) {
            take(f, name);
        }
    }
    rc = judge(json_object_get(result, "unlisted"));
    json_decref(result);
    return rc;
}

int hulse_cli_finder_look(struct hulse_cli_finder *f)
{
    const int timeout_ms = f->cli->timeout_ms;
    int rc = HULSE_CLI_OK;

    f->too_many = 0;
    if (timeout_ms < 0 && f->next.at_ms == 0) {
        f->cli->timeout_ms = HULSE_CLI_CLUSTER_MS; /* nothing waits meanwhile */
    }
    for (int i = 0; i < f->pattern_count && rc == HULSE_CLI_OK; i++) {
        rc = look(f, &f->patterns[i]);
    }
    f->cli->timeout_ms = timeout_ms;
    f->next = hulse_cli_deadline_in(HULSE_CLI_LOOK_MS);
    return rc;
}
