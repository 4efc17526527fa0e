/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   grants follow the tables, what must outlive a reading does, topics come and go within
 *         their limit, and a refused reading changes nothing.
 * Method: tables whose wishes are served at once, or when the test says so.
 */
#include "daemon/core/mem.h"
#include "daemon/core/rcu.h"
#include "daemon/table/tables.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "persistent://a/b/c"

static const char *const broker_list[] = {"local"};
static const char *const everything[] = {"**"};
static struct config config;
static struct config_topic_rule rule;
static struct config_role role;
static uid_t own;
static struct tables *tables;
static struct identity me;
static struct inbox_node *waiting; /* posted, not served */
static bool full;
static unsigned answered;
static unsigned abandoned;

static bool post(void *ctx, struct inbox_node *node)
{
    (void)ctx;
    if (full) {
        return false;
    }
    assert_null(waiting);
    waiting = node;
    return true;
}

static void on_answer(struct topic_request *request)
{
    (void)request;
    answered += 1;
}

static void on_abandon(struct topic_request *request)
{
    (void)request;
    abandoned += 1;
}

static int set_up(void **state)
{
    struct error err = {0};

    (void)state;
    own = geteuid();
    me = (struct identity){.uid = own};
    rule = (struct config_topic_rule){.match = "**", .publish = {.ttl_ms = 5, .rate = {2, 0}}};
    role = (struct config_role){
        .name = "me", .uids = &own, .uid_count = 1, .produce = everything, .produce_count = 1};
    config = (struct config){.topics = &rule,
                             .topic_count = 1,
                             .roles = &role,
                             .role_count = 1,
                             .topics_max = 3,
                             .session_rate = {7, 0}};
    const struct tables_params params = {
        .config = &config, .brokers = {.names = broker_list, .count = 1}, .post = post};
    hulse_rcu_thread_begin();
    assert_int_equal(hulse_tables_create(&tables, &params, &err), HULSE_OK);
    waiting = NULL;
    full = false;
    answered = 0;
    abandoned = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hulse_tables_destroy(&tables);
    assert_null(tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

static hulse_status know(const char *topic)
{
    struct topic_request request = {.answer = on_answer, .abandon = on_abandon};

    (void)snprintf(request.name, sizeof(request.name), "%s", topic);
    assert_true(hulse_tables_ask(tables, &request));
    struct inbox_node *node = waiting;
    waiting = NULL;
    node->run(node);
    return request.status;
}

static hulse_status apply(void)
{
    struct error err = {0};

    return hulse_tables_apply(tables, &config, &err);
}

static struct tables_figures figures(void)
{
    struct tables_figures f;

    hulse_tables_figures(tables, &f);
    return f;
}

static void test_a_grant_follows_the_tables(void **state)
{
    struct grant g = {0};

    (void)state;
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_int_equal(g.generation, hulse_tables_generation(tables));
    assert_int_equal(g.permissions, PERMISSION_PRODUCE);
    assert_null(g.topic_state); /* nobody has made it known */
    assert_int_equal(g.topic->ttl_ms, 5);
    assert_non_null(g.role_state);
    assert_true(g.app_rate.message_ticks > 0);
    assert_int_equal(know(TOPIC), HULSE_OK);
    assert_int_equal(answered, 1);
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_non_null(g.topic_state);

    struct topic_state *kept = g.topic_state;
    struct role_state *kept_role = g.role_state;
    hulse_topic_state_count(kept, TOPIC_REFUSED_DENIED);
    rule.publish.ttl_ms = 6;
    role.produce_count = 0;
    const uint64_t before = hulse_tables_generation(tables);
    assert_int_equal(apply(), HULSE_OK);
    assert_int_equal(hulse_tables_generation(tables), before + 1);
    assert_int_not_equal(g.generation, hulse_tables_generation(tables));
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_int_equal(g.permissions, 0);
    assert_int_equal(g.topic->ttl_ms, 6);
    assert_ptr_equal(g.topic_state, kept);
    assert_ptr_equal(g.role_state, kept_role);
    /* Another handle of the topic finds the same state, with what it counted. */
    struct grant other = {0};
    hulse_grant_refresh(&other, tables, &me, TOPIC);
    assert_ptr_equal(other.topic_state, kept);
    assert_int_equal(hulse_topic_state_refused(kept, TOPIC_REFUSED_DENIED), 1);
    hulse_grant_release(&other);
    config.role_count = 0; /* the role goes, its holder stays whole */
    assert_int_equal(apply(), HULSE_OK);
    assert_string_equal(kept_role->name, "me");
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_string_equal(g.role_state->name, HULSE_ROLE_OWNER);
    hulse_grant_release(&g);
    assert_null(g.topic_state);
}

static void test_a_refused_reading_changes_nothing(void **state)
{
    struct grant g = {0};
    const uint64_t before = hulse_tables_generation(tables);

    (void)state;
    rule.broker = "other";
    rule.publish.ttl_ms = 99;
    assert_int_equal(apply(), HULSE_INVAL);
    rule.broker = "";
    role.topic_name = "([";
    assert_int_equal(apply(), HULSE_INVAL);
    role.topic_name = NULL;
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(apply(), HULSE_NO_MEMORY);
    hulse_mem_init(cap);
    assert_int_equal(hulse_tables_generation(tables), before);
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_int_equal(g.topic->ttl_ms, 5);
    hulse_grant_release(&g);
}

/* Entries for which there is no memory stay old and are not believed. */
static void test_an_old_entry_is_not_believed(void **state)
{
    struct grant g = {0};

    (void)state;
    assert_int_equal(know(TOPIC), HULSE_OK);
    config.topic_count = 0;
    config.role_count = 0;
    assert_int_equal(apply(), HULSE_OK); /* the reading with rules is being freed */
    config.topic_count = 1;
    rule.publish.ttl_ms = 77;
    struct error err = {0};
    const size_t cap = hulse_mem_cap();
    hulse_rcu_drain();
    for (size_t spare = 0; spare < 4000; spare += 50) {
        hulse_mem_init(hulse_mem_total() + spare);
        const bool applied = hulse_tables_apply(tables, &config, &err) == HULSE_OK;
        hulse_mem_init(cap);
        hulse_grant_refresh(&g, tables, &me, TOPIC);
        assert_int_equal(g.topic->ttl_ms, applied ? 77 : 0);
        assert_non_null(g.topic_state);
        if (applied) {
            break;
        }
    }
    hulse_grant_release(&g);
}

static void test_topics_come_and_go(void **state)
{
    struct grant g = {0};

    (void)state;
    assert_int_equal(know("persistent://a/b/1"), HULSE_OK);
    assert_int_equal(know("persistent://a/b/2"), HULSE_OK);
    assert_int_equal(know("persistent://a/b/3"), HULSE_OK);
    assert_int_equal(know("persistent://a/b/1"), HULSE_OK); /* is there */
    assert_int_equal(figures().topics, 3);
    assert_int_equal(know("persistent://a/b/4"), HULSE_LIMIT);
    hulse_grant_refresh(&g, tables, &me, "persistent://a/b/2");
    struct topic_state *kept = g.topic_state;
    hulse_tables_sweep(tables);
    assert_int_equal(figures().topics, 3);
    hulse_tables_sweep(tables);
    assert_int_equal(figures().topics, 1); /* the one in use */
    assert_int_equal(know("persistent://a/b/4"), HULSE_OK);
    hulse_grant_release(&g);
    hulse_tables_sweep(tables);                                 /* unused once */
    hulse_grant_refresh(&g, tables, &me, "persistent://a/b/2"); /* used in between */
    assert_ptr_equal(g.topic_state, kept);
    hulse_grant_release(&g);
    hulse_tables_sweep(tables);
    hulse_tables_sweep(tables);
    assert_int_equal(figures().topics, 1);
    hulse_tables_sweep(tables);
    assert_int_equal(figures().topics, 0);
    hulse_grant_refresh(&g, tables, &me, "persistent://a/b/2");
    assert_null(g.topic_state);
    hulse_grant_release(&g);
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(know(TOPIC), HULSE_NO_MEMORY);
    hulse_mem_init(cap);
}

static void test_an_ended_state_cannot_be_held(void **state)
{
    struct topic_state *s = hulse_topic_state_create();

    (void)state;
    assert_true(hulse_topic_state_hold(s));
    assert_true(hulse_topic_state_in_use(s));
    assert_true(hulse_topic_state_in_use(s));
    assert_false(hulse_topic_state_end(s));
    struct topic_state *same = s;
    hulse_topic_state_release(&same);
    assert_false(hulse_topic_state_in_use(s));
    assert_true(hulse_topic_state_hold(s));
    same = s;
    hulse_topic_state_release(&same);
    assert_true(hulse_topic_state_in_use(s)); /* in between */
    assert_false(hulse_topic_state_in_use(s));
    assert_true(hulse_topic_state_end(s));
    assert_false(hulse_topic_state_hold(s));
    hulse_topic_state_release(&s);
}

static void test_refusals_without_memory(void **state)
{
    struct topic_state *s = hulse_topic_state_create();
    const size_t cap = hulse_mem_cap();
    const size_t before = hulse_mem_total();

    (void)state;
    hulse_mem_init(before);
    hulse_topic_state_count(s, TOPIC_REFUSED_DENIED);
    hulse_mem_init(cap);
    assert_int_equal(hulse_topic_state_refused(s, TOPIC_REFUSED_DENIED), 0);
    assert_int_equal(hulse_mem_total(), before);
    hulse_topic_state_count(s, TOPIC_REFUSED_DENIED);
    hulse_topic_state_count(s, TOPIC_REFUSED_DENIED);
    hulse_topic_state_count(s, TOPIC_REFUSALS - 1);
    assert_int_equal(hulse_topic_state_refused(s, TOPIC_REFUSED_DENIED), 2);
    assert_int_equal(hulse_topic_state_refused(s, TOPIC_REFUSALS - 1), 1);
    hulse_topic_state_release(&s);
    assert_int_equal(hulse_mem_total(), before - sizeof(*s));
}

/* Those of a reading that is gone belong to their last holder. */
static void test_settings_outlive_their_reading(void **state)
{
    struct grant g = {0};

    (void)state;
    assert_int_equal(know(TOPIC), HULSE_OK);
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    const struct topic_settings *old = g.topic;
    struct grant same = {0};
    hulse_grant_refresh(&same, tables, &me, TOPIC);
    assert_ptr_equal(same.topic, old); /* once for all */
    hulse_grant_release(&same);
    rule.publish.ttl_ms = 9;
    assert_int_equal(apply(), HULSE_OK);
    hulse_rcu_drain();
    assert_ptr_equal(g.topic, old);
    assert_int_equal(g.topic->ttl_ms, 5);
    const size_t held = hulse_mem_used(HULSE_MEM_TABLE);
    hulse_grant_refresh(&g, tables, &me, TOPIC);
    assert_int_equal(g.topic->ttl_ms, 9);
    assert_true(hulse_mem_used(HULSE_MEM_TABLE) < held);
    hulse_grant_release(&g);
    assert_null(g.topic);
}

static void test_wishes(void **state)
{
    struct topic_request request = {.name = TOPIC, .answer = on_answer, .abandon = on_abandon};

    (void)state;
    full = true;
    assert_false(hulse_tables_ask(tables, &request));
    full = false;
    assert_true(hulse_tables_ask(tables, &request));
    hulse_tables_close(tables);
    waiting->run(waiting);
    assert_int_equal(answered, 0);
    assert_int_equal(abandoned, 1);
    assert_int_equal(figures().topics, 0);
}

static void test_newcomers(void **state)
{
    static const char *const tokens[] = {"secret"};
    struct role_state *found = NULL;
    struct error err = {0};
    struct identity who = {.uid = own + 1};

    (void)state;
    assert_int_equal(hulse_tables_admit(tables, &who, &found, &err), HULSE_OK);
    assert_null(found);
    assert_true(hulse_identity_token(&who, "secret", 6));
    assert_int_equal(hulse_tables_admit(tables, &who, &found, &err), HULSE_DENIED);
    assert_null(found);
    role.tokens = tokens;
    role.token_count = 1;
    assert_int_equal(apply(), HULSE_OK);
    assert_int_equal(hulse_tables_admit(tables, &who, &found, &err), HULSE_OK);
    assert_string_equal(found->name, "me");
    hulse_role_state_release(&found);
    /* A token that was withdrawn takes its holder's permissions along. */
    struct grant g = {0};
    hulse_grant_refresh(&g, tables, &who, TOPIC);
    assert_int_equal(g.permissions, PERMISSION_PRODUCE);
    role.token_count = 0;
    assert_int_equal(apply(), HULSE_OK);
    hulse_grant_refresh(&g, tables, &who, TOPIC);
    assert_int_equal(g.permissions, 0);
    assert_null(g.role_state);
    hulse_grant_release(&g);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_grant_follows_the_tables),
        CASE(test_a_refused_reading_changes_nothing),
        CASE(test_an_old_entry_is_not_believed),
        CASE(test_topics_come_and_go),
        CASE(test_an_ended_state_cannot_be_held),
        CASE(test_refusals_without_memory),
        CASE(test_settings_outlive_their_reading),
        CASE(test_wishes),
        CASE(test_newcomers),
    };
    hulse_mem_init(64U << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
