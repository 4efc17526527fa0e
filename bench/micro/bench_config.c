/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_config - a configuration of many topic rules: read and checked, and what a reload adds.
 *
 * Conservation: every rule that was written is there, with its own value, in order.
 */
#include "bench/micro/micro.h"
#include "daemon/config/change.h"
#include "daemon/config/config.h"

enum { RULES = 10000, RULES_SMOKE = 100 };

struct scene {
    struct config_sources sources;
    struct config *running;
    uint64_t rules;
};

static struct config_problems problems;
static struct config_change change;

static void write_file(const char *path, uint64_t rules)
{
    FILE *file = fopen(path, "we");

    micro_require(file != NULL, "a file for the rules");
    (void)fprintf(file, "topics:\n");
    for (uint64_t i = 0; i < rules; i++) {
        (void)fprintf(file,
                      "  - match: \"persistent://tenant/namespace/topic-%" PRIu64 "-*\"\n"
                      "    publish: {rate: %" PRIu64 ", ttl: 30s}\n"
                      "    policy: {ttl: 7d}\n",
                      i,
                      i + 1);
    }
    micro_require(fclose(file) == 0, "the rules are written");
}

static struct config *load(const struct scene *s)
{
    struct config *c = hulse_config_load(&s->sources, &problems);

    micro_require(c != NULL && c->topic_count == s->rules, "all rules");
    for (size_t i = 0; i < c->topic_count; i++) {
        micro_require(c->topics[i].publish.rate.messages == i + 1, "each with its value");
    }
    return c;
}

/* One operation is one rule, so a run is whole loads. */
static void load_and_free(void *argument, uint64_t ops)
{
    const struct scene *s = argument;

    for (uint64_t done = 0; done < ops; done += s->rules) {
        struct config *c = load(s);
        hulse_config_destroy(&c);
    }
}

/* All that a reload does but for the hook. */
static void reload(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    for (uint64_t done = 0; done < ops; done += s->rules) {
        struct config *fresh = load(s);
        micro_require(hulse_config_take_over(fresh, s->running, &change), "memory");
        micro_require(change.restart_count == 0 && change.applied_count == 0, "nothing differs");
        hulse_config_destroy(&s->running);
        s->running = fresh;
    }
}

int main(int argc, char **argv)
{
    static char *const no_environment[] = {NULL};
    char path[] = "/tmp/hulse-bench-config-XXXXXX";
    struct micro m;

    micro_begin(&m, "config", argc, argv);
    const int fd = mkstemp(path);
    micro_require(fd >= 0 && close(fd) == 0, "a temporary file");
    struct scene s = {
        .sources = {.file = path, .environment = no_environment},
        .rules = micro_ops(&m, RULES, RULES_SMOKE),
    };
    write_file(path, s.rules);
    s.running = load(&s);
    micro_run(&m, "load_rule", s.rules, load_and_free, &s);
    micro_run(&m, "reload_rule", s.rules, reload, &s);
    hulse_config_destroy(&s.running);
    (void)unlink(path);
    return micro_end(&m);
}
