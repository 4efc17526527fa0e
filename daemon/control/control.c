/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - see control.h.
 */
#include "daemon/control/control.h"

#include "daemon/admin/answer.h"
#include "daemon/control/admin_server.h"
#include "daemon/control/broker_files.h"
#include "daemon/control/collect.h"
#include "daemon/control/command.h"
#include "daemon/control/crew.h"
#include "daemon/control/door.h"
#include "daemon/control/drain.h"
#include "daemon/control/listen.h"
#include "daemon/control/notify.h"
#include "daemon/control/reload.h"
#include "daemon/control/sandbox.h"
#include "daemon/control/signals.h"
#include "daemon/control/watchdog.h"
#include "daemon/core/allocator.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/privileges.h"
#include "daemon/core/rcu.h"
#include "daemon/flow/schemas.h"
#include "daemon/net/resolver.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INBOX_REQUESTS_MAX 1024U
#define DRAIN_TICK_MS 5U
/* For workers to end once told to. */
#define STOP_DEADLINE_S 5U
#define EXIT_CODE_STUCK 74
#define SWEEP_MS 30000U

struct control {
    const struct control_params *params;
    struct loop loop;
    struct crew crew;
    struct plane_shared plane;
    struct door door;
    struct listen_socket app_socket;
    struct listen_socket admin_socket;
    struct collector collector;
    struct topic_orders orders;
    struct deep_health deep;
    struct store_order store_order;
    struct command_scene scene;
    struct admin_server admin;
    struct signals signals;
    struct reload reload;
    struct collection *dump; /* of USR1, while it is on its way */
    struct drain drain;
    struct timer drain_tick;
    struct watchdog watchdog;
    struct timer sweep;       /* of topics that nobody uses */
    struct resolver resolver; /* of the HTTP client */
    struct credentials credentials;
    struct broker_files files;
    struct sandbox sandbox;
    enum sandbox_filter filter;
    const char *broker_names[HULSE_FLOW_BROKERS_MAX];
};

/* ---- drain ---- */

/* Nobody new from here on; the paths are free for a successor. */
static void close_doors(struct control *c)
{
    hulse_door_close(&c->door);
    hulse_listen_close(&c->app_socket);
}

static void drain_on(struct timer *timer)
{
    struct control *c = HULSE_CONTAINER(timer, struct control, drain_tick);
    const enum drain_step before = c->drain.step;
    const uint64_t now_ms = hulse_loop_now_ms(&c->loop);
    const uint32_t sessions = hulse_crew_sessions(&c->crew);
    const enum drain_step step =
        hulse_drain_advance(&c->drain, now_ms, sessions, hulse_crew_drained(&c->crew));

    if (step == DRAIN_FINISHING && before != DRAIN_FINISHING) {
        HULSE_LOG_STATE("daemon.draining", hulse_log_u64("sessions", sessions));
        close_doors(c);
        hulse_crew_drain(&c->crew);
    }
    if (step != DRAIN_DONE) {
        hulse_timer_start(&c->loop.timers, timer, now_ms + DRAIN_TICK_MS);
    }
}

static void request_stop(struct control *c, uint64_t timeout_ms)
{
    if (!hulse_drain_begin(&c->drain, hulse_loop_now_ms(&c->loop), timeout_ms)) {
        HULSE_LOG_STATE("daemon.aborted", hulse_log_str("why", "second request to stop"));
        hulse_listen_close(&c->app_socket);
        hulse_listen_close(&c->admin_socket);
        (void)hulse_log_stop();
        _exit(0);
    }
    c->scene.draining = true;
    (void)hulse_notify(c->params->notify_socket, "STOPPING=1");
    HULSE_LOG_STATE("daemon.stopping",
                    hulse_log_u64("sessions", hulse_crew_sessions(&c->crew)),
                    hulse_log_u64("timeout_ms", timeout_ms));
    drain_on(&c->drain_tick);
}

static uint64_t drain_timeout_ms(const struct control *c)
{
    return c->params->config->drain_timeout_ns / 1000000U;
}

/* The operator's wish to drain, or a successor's, from the admin socket. */
static void drain_asked(void *ctx, bool now)
{
    struct control *c = ctx;

    if (!c->scene.draining) {
        request_stop(c, now ? 0 : drain_timeout_ms(c));
    } else if (now) {
        hulse_drain_hasten(&c->drain, hulse_loop_now_ms(&c->loop));
    }
}

/* ---- signals ---- */

static void dump_done(void *ctx, struct collection *reports)
{
    struct control *c = ctx;

    c->dump = NULL;
    hulse_command_log(&c->scene, reports);
}

static void handle_signal(void *ctx, int number)
{
    struct control *c = ctx;

    switch (number) {
    case SIGHUP:
        (void)hulse_reload_run(&c->reload, "signal");
        break;
    case SIGUSR1:
        if (c->dump == NULL) {
            c->dump = hulse_collect_start(&c->collector, dump_done, c);
        }
        break;
    default:
        request_stop(c, drain_timeout_ms(c));
        break;
    }
}

/* ---- start and end ---- */

/* What of a configuration can change while the daemon runs. */
static hulse_status apply_config(void *ctx, const struct config *fresh, struct error *err)
{
    struct control *c = ctx;
    const hulse_status st = hulse_tables_apply(c->params->flow->tables, fresh, err);

    if (st == HULSE_OK) {
        hulse_log_level_set((enum log_level)fresh->log.level);
        hulse_plane_tables_changed(&c->plane, c->crew.workers, c->crew.count);
    }
    return st;
}

void hulse_control_limits(const struct config *config, struct plane_limits *out)
{
    *out = (struct plane_limits){
        .publish_ring = (uint32_t)config->session.publish_ring,
        .deliver_ring = (uint32_t)config->session.deliver_ring,
        .verdict_ring = (uint32_t)config->session.verdict_ring,
        .receipts = config->session.receipts,
        .unacked_max = config->session.unacked_max,
        .ring_max = (uint32_t)config->session.ring_max,
        .receipts_max = config->session.receipts_max,
        .channels_max = config->session.channels_max,
        .handles_max = 1024,
        .groups_max = 64,
        .session_bytes_max = config->session.memory_max,
        .sessions_max = config->session.sessions_max,
        /* One maximum message beside 1 MiB, so that the largest always fits (ipc B7). */
        .deliver_overflow_bytes = (1U << 20) + (uint32_t)config->message_max,
        .control_per_second = 1000,
        .bells_per_second = 1000,
    };
}

static hulse_status find_group(const struct config *config, gid_t *out, struct error *err)
{
    *out = HULSE_LISTEN_NO_GROUP;
    return config->listen.group[0] == '\0' ? HULSE_OK
                                           : hulse_listen_group(config->listen.group, out, err);
}

hulse_status hulse_control_able(const struct config *config, struct error *err)
{
    struct crew crew = {0};
    gid_t group = HULSE_LISTEN_NO_GROUP;
    const hulse_status st = hulse_crew_restrict(&crew, config, err);

    return st == HULSE_OK ? find_group(config, &group, err) : st;
}

static hulse_status open_sockets(struct control *c, struct error *err)
{
    const struct config *config = c->params->config;
    struct listen_params app = {
        .path = config->listen.socket,
        .type = SOCK_SEQPACKET,
        .mode = config->listen.mode,
    };
    const struct listen_params admin = {
        .path = config->listen.admin_socket,
        .type = SOCK_STREAM,
        .mode = 0600,
        .group = HULSE_LISTEN_NO_GROUP,
    };
    hulse_status st = find_group(config, &app.group, err);

    if (st == HULSE_OK) {
        st = hulse_listen_open(&c->app_socket, &app, err);
    }
    if (st == HULSE_OK) {
        st = hulse_listen_open(&c->admin_socket, &admin, err);
    }
    return st;
}

/* What needed more rights than the user's has been done: the sockets are open. */
static hulse_status drop_privileges(struct error *err)
{
    const int failed = hulse_privileges_drop();

    if (failed != 0) {
        return hulse_fail(
            err, HULSE_DENIED, "cannot drop capabilities: %s", strerrordesc_np(failed));
    }
    if (geteuid() == 0) {
        HULSE_LOG_WARNF("daemon.root",
                        hulse_log_str("why", "without capabilities it still owns what root owns"),
                        hulse_log_str("advice", "give it a user of its own"));
    }
    return HULSE_OK;
}

static hulse_status begin_accepting(struct control *c, struct error *err)
{
    if (!hulse_door_open(&c->door, c->app_socket.fd) ||
        !hulse_admin_server_open(&c->admin, c->admin_socket.fd)) {
        return hulse_fail(err, HULSE_IO, "epoll: %s", strerrordesc_np(errno));
    }
    return HULSE_OK;
}

static void announce(const struct control *c)
{
    const struct config *config = c->params->config;

    HULSE_LOG_STATE("daemon.ready",
                    hulse_log_u64("pid", (uint64_t)getpid()),
                    hulse_log_str("version", c->params->version),
                    hulse_log_str("socket", config->listen.socket),
                    hulse_log_str("admin_socket", config->listen.admin_socket),
                    hulse_log_u64("workers", c->crew.count),
                    hulse_log_u64("spin_ns", c->crew.spin_ns),
                    hulse_log_str("sandbox", hulse_sandbox_filter_name(c->filter)),
                    hulse_log_str("broker", c->params->flow->default_broker->name));
    (void)hulse_notify(c->params->notify_socket, "READY=1");
}

/* ---- tables ---- */

static bool post_to_control(void *ctx, struct inbox_node *node)
{
    struct control *c = ctx;

    return hulse_inbox_post(&c->loop.inbox, node);
}

static void sweep_tables(struct timer *timer)
{
    struct control *c = HULSE_CONTAINER(timer, struct control, sweep);

    hulse_tables_sweep(c->params->flow->tables);
    if (c->params->flow->schemas != NULL) {
        hulse_schemas_sweep(c->params->flow->schemas, hulse_clock_ns() / 1000000);
    }
    hulse_timer_start(&c->loop.timers, timer, hulse_loop_now_ms(&c->loop) + SWEEP_MS);
}

static hulse_status make_tables(struct control *c, struct error *err)
{
    struct flow *flow = c->params->flow;
    struct tables_params params = {.config = c->params->config, .post = post_to_control, .ctx = c};

    for (unsigned i = 0; i < flow->broker_count; i++) {
        c->broker_names[i] = flow->brokers[i]->name;
        if (flow->brokers[i] == flow->default_broker) {
            params.brokers.default_broker = i;
        }
    }
    params.brokers.names = c->broker_names;
    params.brokers.count = flow->broker_count;
    const hulse_status st = hulse_tables_create(&flow->tables, &params, err);
    if (st == HULSE_OK) {
        flow->schemas = hulse_schemas_create(flow, &c->loop.inbox);
        if (flow->schemas == NULL) {
            return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the schemas of topics");
        }
        c->sweep.fire = sweep_tables;
        sweep_tables(&c->sweep);
    }
    return st;
}

/* ---- the outside: HTTP and tokens ---- */

/* Opens nothing, but changes the environment: before there are threads that read it. */
static void begin_http(struct control *c)
{
    const struct resolver_params system = {0};

    hulse_resolver_init(&c->resolver, &c->loop, &system);
    hulse_http_client_init(c->params->http, &c->loop, &c->resolver);
}

static void token_changed(void *ctx, const char *name)
{
    struct control *c = ctx;
    const struct credential *credential = hulse_credentials_find(&c->credentials, name);
    struct credential_status s;

    hulse_credential_status(credential, &s);
    HULSE_LOG_STATE("broker.token",
                    hulse_log_str("broker", name),
                    hulse_log_u64("generation", s.generation),
                    hulse_log_u64("expires_ms", s.expires_wall_ms));
}

/* Before the workers, because the environment changes. */
static hulse_status make_tokens(struct control *c, struct error *err)
{
    const struct credential_surroundings around = {.loop = &c->loop,
                                                   .helper = c->params->helper,
                                                   .http = c->params->http,
                                                   .changed = token_changed,
                                                   .ctx = c};

    hulse_credentials_init(&c->credentials, &around);
    hulse_kerberos_begin(
        c->params->logins, c->params->login_count, c->params->helper, &c->loop.inbox);
    return hulse_broker_tokens_begin(
        c->params->tokens, c->params->token_count, &c->credentials, &c->loop.inbox, err);
}

/* Its sessions can go on with another process only; what a debugger needs is in the dump. */
static void worker_stuck(void *ctx, uint32_t worker, uint64_t late_ms)
{
    (void)ctx;
    HULSE_LOG_AT(HULSE_LOG_ERROR,
                 0,
                 "worker.stuck",
                 hulse_log_u64("worker", worker),
                 hulse_log_u64("late_ms", late_ms));
    (void)hulse_log_stop();
    abort();
}

static void start_watchdog(struct control *c)
{
    const struct watchdog_params params = {
        .loop = &c->loop,
        .crew = &c->crew,
        .timeout_ms = c->params->config->watchdog_timeout_ns / 1000000U,
        .notify_socket = c->params->notify_socket,
        .notify_every_ms = c->params->notify_every_ms,
        .stuck = worker_stuck,
        .ctx = c,
    };

    hulse_watchdog_start(&c->watchdog, &params);
}

/* Everything that has been initialised, in reverse; harmless on what has not been opened. */
static void end(struct control *c)
{
    close_doors(c);
    hulse_sandbox_forget(&c->sandbox);
    hulse_admin_server_close(&c->admin);
    hulse_store_order_fini(&c->store_order);
    hulse_timer_stop(&c->loop.timers, &c->drain_tick);
    hulse_collect_forget(&c->dump);
    hulse_watchdog_stop(&c->watchdog);
    hulse_broker_files_close(&c->files);
    hulse_signals_deadline(STOP_DEADLINE_S, EXIT_CODE_STUCK);
    hulse_crew_stop(&c->crew);
    hulse_signals_deadline(0, EXIT_CODE_STUCK);
    /* A successor waits for this lock: by now nobody but it looks at a ring. */
    hulse_listen_close(&c->admin_socket);
    hulse_timer_stop(&c->loop.timers, &c->sweep);
    if (c->params->flow->tables != NULL) {
        hulse_tables_close(c->params->flow->tables);
    }
    if (c->params->flow->schemas != NULL) {
        hulse_schemas_close(c->params->flow->schemas);
    }
    hulse_http_client_close(c->params->http);
    hulse_kerberos_close(c->params->logins, c->params->login_count);
    /* The workers' last answers. */
    while (hulse_inbox_run(&c->loop.inbox, INBOX_REQUESTS_MAX) > 0) {
    }
    hulse_kerberos_end(c->params->logins, c->params->login_count);
    hulse_credentials_fini(&c->credentials);
    hulse_http_client_fini(c->params->http);
    hulse_resolver_fini(&c->resolver);
    hulse_schemas_destroy(&c->params->flow->schemas);
    if (c->params->flow->tables != NULL) {
        hulse_tables_destroy(&c->params->flow->tables);
    }
    hulse_collector_fini(&c->collector);
    hulse_topic_orders_fini(&c->orders);
    hulse_topic_lists_fini(&c->admin.lists);
    hulse_deep_health_fini(&c->deep);
    hulse_helper_close(c->params->helper);
    hulse_signals_close(&c->signals);
    hulse_reload_close(&c->reload);
    hulse_door_fini(&c->door);
}

/*
 * The order is that of rights: what needs the operator's first, then whatever runs without them,
 * and at last the world. Threads that a library makes inherit what control has, so the first of
 * them comes after the drop.
 */
static hulse_status start(struct control *c, struct error *err)
{
    hulse_status st = open_sockets(c, err);

    if (st == HULSE_OK) {
        st = hulse_helper_attach(c->params->helper, &c->loop, err);
    }
    if (st == HULSE_OK) {
        st = drop_privileges(err);
    }
    if (st == HULSE_OK && c->params->config->sandbox.filter) {
        hulse_sandbox_prepare(&c->sandbox);
    }
    if (st == HULSE_OK && !hulse_allocator_background()) {
        HULSE_LOG_WARNF("allocator.foreground", hulse_log_str("why", "no thread gives pages back"));
    }
    if (st == HULSE_OK) {
        st = make_tables(c, err);
    }
    if (st == HULSE_OK) {
        st = make_tokens(c, err);
    }
    if (st == HULSE_OK) {
        st = hulse_signals_open(&c->signals, &c->loop, handle_signal, c, err);
    }
    if (st == HULSE_OK) {
        st = hulse_crew_start(&c->crew, &c->plane, err);
    }
    if (st == HULSE_OK) {
        st = hulse_reload_open(&c->reload, err);
    }
    if (st == HULSE_OK) {
        hulse_broker_files_open(&c->files);
        const struct config *config = c->params->config;
        c->filter =
            hulse_sandbox_enter(&c->sandbox, config->sandbox.filter, config->sandbox.dumpable);
        st = begin_accepting(c, err);
    }
    return st;
}

/* The parts know each other; none of them is open. */
static hulse_status wire(struct control *c, struct error *err)
{
    const struct control_params *params = c->params;

    c->app_socket = (struct listen_socket)HULSE_LISTEN_CLOSED;
    c->admin_socket = (struct listen_socket)HULSE_LISTEN_CLOSED;
    c->signals.watch.fd = -1;
    c->drain_tick.fire = drain_on;
    begin_http(c);
    c->plane.flow = params->flow;
    c->plane.generation = params->generation;
    hulse_control_limits(params->config, &c->plane.limits);
    hulse_collector_init(&c->collector, &c->loop, &c->crew);
    hulse_topic_orders_init(&c->orders, &c->loop, params->flow);
    hulse_deep_health_init(&c->deep, &c->loop, params->flow, params->config);
    hulse_store_order_init(&c->store_order, &c->loop, params->store);
    hulse_admin_server_init(
        &c->admin, &c->loop, &c->collector, &c->orders, &c->store_order, &c->scene);
    c->scene = (struct command_scene){
        .crew = &c->crew,
        .flow = params->flow,
        .credentials = &c->credentials,
        .version = params->version,
        .started_ms = hulse_loop_now_ms(&c->loop),
        .reload = &c->reload,
        .deep = &c->deep,
        .drain = drain_asked,
        .ctx = c,
    };
    const struct reload_params reload = {
        .loop = &c->loop,
        .sources = params->sources,
        .initial = params->config,
        .apply = apply_config,
        .ctx = c,
        .notify_socket = params->notify_socket,
    };
    hulse_reload_init(&c->reload, &reload);
    hulse_broker_files_init(&c->files, &c->loop, params->config, params->flow, &c->crew);
    if (!hulse_door_init(&c->door, &c->loop, &c->crew, &c->plane)) {
        return hulse_fail(err, HULSE_IO, "/dev/null: %s", strerrordesc_np(errno));
    }
    return HULSE_OK;
}

static hulse_status run(struct control *c, struct error *err)
{
    hulse_status st = wire(c, err);

    if (st == HULSE_OK) {
        st = start(c, err);
    }
    if (st == HULSE_OK) {
        start_watchdog(c);
        announce(c);
        while (c->drain.step != DRAIN_DONE) {
            (void)hulse_loop_round(&c->loop, -1);
        }
    }
    end(c);
    if (st == HULSE_OK) {
        HULSE_LOG_STATE("daemon.stopped", hulse_log_u64("pid", (uint64_t)getpid()));
    }
    return st;
}

hulse_status hulse_control_run(const struct control_params *params, struct error *err)
{
    /* Cache lines of the plane's words are kept apart, which takes more than malloc promises. */
    struct control *c = aligned_alloc(_Alignof(struct control), sizeof(*c));

    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    if (c == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory");
    }
    memset(c, 0, sizeof(*c));
    c->params = params;
    hulse_rcu_thread_begin();
    hulse_status st = hulse_crew_plan(&c->crew, params->config, err);
    if (st == HULSE_OK && !hulse_loop_init(&c->loop, INBOX_REQUESTS_MAX)) {
        st = hulse_fail(err, HULSE_IO, "epoll: %s", strerrordesc_np(errno));
    } else if (st == HULSE_OK) {
        st = run(c, err);
        hulse_loop_fini(&c->loop);
    }
    hulse_rcu_thread_end();
    free(c);
    return st;
}
