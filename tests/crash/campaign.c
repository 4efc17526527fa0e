/* SPDX-License-Identifier: Apache-2.0 */
/*
 * campaign - see campaign.h.
 */
#include "tests/crash/campaign.h"

#include "tests/crash/audit.h"
#include "tests/crash/ledger.h"
#include "tests/crash/scene.h"
#include "tests/support/daemon_process.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A publisher goes on until the kills are over; so much more it may send meanwhile. */
#define MESSAGES_FACTOR 2U
#define MESSAGES_SPARE 200000U
#define AHEAD 4000U
#define AHEAD_BYTES (32U << 20)
/* With a slow consumer that has caught up; a store that is full has twice as many and more. */
#define SEGMENTS_LEFT 8U

struct campaign {
    const struct campaign_wishes *wishes;
    struct daemon_process daemon;
    struct scene scene;
    struct audit audit;
    struct ledger publisher_ledger;
    struct ledger consumer_ledger;
    uint64_t publisher_read; /* entries that the audit has */
    uint64_t consumer_read;
    pid_t publisher;
    pid_t consumer;
    pid_t churner;
    unsigned dice;
    uint64_t kills[3]; /* of daemon, publisher, consumer */
    const char *why;   /* the first thing that went wrong beside the audit */
};

static bool fail(struct campaign *c, const char *why)
{
    if (c->why == NULL) {
        c->why = why;
    }
    return false;
}

static unsigned below(struct campaign *c, unsigned limit)
{
    return (unsigned)rand_r(&c->dice) % limit;
}

/* ---- processes ---- */

static pid_t start_app(const struct campaign *c, void (*body)(const struct scene *))
{
    (void)fflush(NULL);
    const pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(&c->scene);
    }
    return pid;
}

static bool start_publisher(struct campaign *c)
{
    atomic_store(&c->scene.page->publisher_ready, 0);
    atomic_store(&c->scene.page->published, 0);
    atomic_store(&c->scene.page->go, 0);
    c->publisher = start_app(c, hulse_crash_publish);
    return c->publisher > 0 || fail(c, "fork");
}

static bool start_consumer(struct campaign *c)
{
    atomic_store(&c->scene.page->consumer_ready, 0);
    c->consumer = start_app(c, hulse_crash_consume);
    return c->consumer > 0 || fail(c, "fork");
}

static bool start_churner(struct campaign *c)
{
    c->churner = start_app(c, hulse_crash_churn);
    return c->churner > 0 || fail(c, "fork");
}

/* True while it runs; *pid becomes 0 when it has ended, which is fine only with exit code 0. */
static bool runs(struct campaign *c, pid_t *pid, const char *who)
{
    int status = 0;

    if (*pid == 0 || waitpid(*pid, &status, WNOHANG) == 0) {
        return *pid != 0;
    }
    *pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)fail(c, who);
    }
    return false;
}

static bool kill_app(struct campaign *c, pid_t *pid, const char *who)
{
    int status = 0;

    if (!runs(c, pid, who)) {
        return c->why == NULL;
    }
    (void)kill(*pid, SIGKILL);
    (void)waitpid(*pid, &status, 0);
    *pid = 0;
    return WIFSIGNALED(status) || WEXITSTATUS(status) == 0 || fail(c, who);
}

static bool kill_daemon(struct campaign *c)
{
    const struct campaign_wishes *w = c->wishes;

    if (!hulse_test_daemon_alive(&c->daemon)) {
        return fail(c, "the daemon has ended by itself");
    }
    hulse_test_daemon_kill(&c->daemon);
    c->kills[0]++;
    return w->after_kill == NULL || w->after_kill(w->ctx, c->daemon.dir) || fail(c, "after_kill");
}

/* ---- what goes on ---- */

static void feed(struct campaign *c)
{
    struct ledger_entry entry;

    while (hulse_ledger_read(&c->publisher_ledger, c->publisher_read, &entry)) {
        hulse_audit_feed(&c->audit, &entry);
        c->publisher_read++;
    }
    while (hulse_ledger_read(&c->consumer_ledger, c->consumer_read, &entry)) {
        hulse_audit_feed(&c->audit, &entry);
        c->consumer_read++;
    }
}

/* Looks at everything; false when something has gone wrong. */
static bool look(struct campaign *c)
{
    feed(c);
    (void)runs(c, &c->publisher, "the publisher failed");
    (void)runs(c, &c->consumer, "the consumer failed");
    (void)runs(c, &c->churner, "the churner failed");
    if (c->daemon.pid != 0 && !hulse_test_daemon_alive(&c->daemon)) {
        (void)fail(c, "the daemon has ended by itself");
    }
    return c->why == NULL;
}

static bool rest(struct campaign *c, uint32_t ms)
{
    const uint64_t until = hulse_scene_now_ms() + ms;

    do {
        if (!look(c)) {
            return false;
        }
        hulse_scene_pause_us(500);
    } while (hulse_scene_now_ms() < until);
    return true;
}

/* Waits for a word of the page. */
static bool await_word(struct campaign *c, _Atomic(uint32_t) *word, const char *what)
{
    const uint64_t until = hulse_scene_now_ms() + c->wishes->patience_ms;

    while (atomic_load(word) == 0) {
        if (!look(c)) {
            return false;
        }
        if (hulse_scene_now_ms() >= until) {
            return fail(c, what);
        }
        hulse_scene_pause_us(200);
    }
    return true;
}

/* Waits for an app's end as long as the ledgers grow. */
static bool await_end(struct campaign *c, const pid_t *pid, const char *what)
{
    uint64_t until = hulse_scene_now_ms() + c->wishes->patience_ms;
    uint64_t seen = 0;

    while (*pid != 0) {
        if (!look(c)) {
            return false;
        }
        if (c->publisher_read + c->consumer_read != seen) {
            seen = c->publisher_read + c->consumer_read;
            until = hulse_scene_now_ms() + c->wishes->patience_ms;
        }
        if (hulse_scene_now_ms() >= until) {
            return fail(c, what);
        }
        hulse_scene_pause_us(500);
    }
    return true;
}

/* Everything that is owed; what is missing after that the audit names. */
static bool await_arrivals(struct campaign *c)
{
    uint64_t until = hulse_scene_now_ms() + c->wishes->patience_ms;
    uint64_t seen = 0;

    while (c->audit.awaited > 0 && hulse_scene_now_ms() < until) {
        if (!look(c)) {
            return false;
        }
        if (c->consumer_read != seen) {
            seen = c->consumer_read;
            until = hulse_scene_now_ms() + c->wishes->patience_ms;
        }
        hulse_scene_pause_us(500);
    }
    return true;
}

/* ---- kills ---- */

static bool restart_daemon(struct campaign *c)
{
    hulse_test_daemon_launch(&c->daemon);
    /* Some daemons die while they start. */
    if (below(c, 8) == 0) {
        return rest(c, below(c, 20));
    }
    return hulse_test_daemon_ready(&c->daemon) || fail(c, "the daemon did not become ready");
}

/*
 * A daemon that stands still for a moment leaves the ring full for whoever dies next: it takes
 * records faster than a process can die.
 */
static bool freeze(struct campaign *c)
{
    (void)kill(c->daemon.pid, SIGSTOP);
    return rest(c, below(c, 4));
}

static bool strike_at(struct campaign *c, unsigned victim)
{
    const bool both = victim == CAMPAIGN_BOTH;

    if (victim == CAMPAIGN_PUBLISHER || both) {
        c->kills[1]++;
        if (!kill_app(c, &c->publisher, "the publisher failed")) {
            return false;
        }
    }
    if (victim == CAMPAIGN_DAEMON || both) {
        if (!kill_daemon(c) || !rest(c, below(c, 4)) || !restart_daemon(c)) {
            return false;
        }
    }
    if (victim == CAMPAIGN_CONSUMER) {
        c->kills[2]++;
        return kill_app(c, &c->consumer, "the consumer failed");
    }
    return true;
}

static bool strike(struct campaign *c, unsigned victim)
{
    const uint64_t deaths = c->kills[0];
    const bool frozen = below(c, 2) == 0;

    if ((frozen && !freeze(c)) || !strike_at(c, victim)) {
        return false;
    }
    if (frozen && c->kills[0] == deaths) {
        (void)kill(c->daemon.pid, SIGCONT);
    }
    switch (victim) {
    case CAMPAIGN_DAEMON:
        return true;
    case CAMPAIGN_CONSUMER:
        return start_consumer(c);
    default:
        return start_publisher(c);
    }
}

static unsigned draw(struct campaign *c)
{
    unsigned victim = 0;

    do {
        victim = 1U << below(c, 4);
    } while ((victim & c->wishes->victims) == 0);
    return victim;
}

/*
 * Kills are spread over the messages, or most of them would meet applications that still wait for
 * the daemon before. One in four does just that.
 */
static bool await_share(struct campaign *c, unsigned number)
{
    const struct campaign_wishes *w = c->wishes;
    const uint64_t share = w->messages * number / w->kills;
    uint64_t until = hulse_scene_now_ms() + w->patience_ms;
    uint64_t seen = 0;

    if (below(c, 4) == 0) {
        return true;
    }
    while (c->audit.verdicts[HULSE_OUTCOME_STORED] < share) {
        if (!look(c)) {
            return false;
        }
        if (c->publisher_read != seen) {
            seen = c->publisher_read;
            until = hulse_scene_now_ms() + w->patience_ms;
        }
        if (hulse_scene_now_ms() >= until) {
            return fail(c, "nothing is published");
        }
        hulse_scene_pause_us(500);
    }
    return true;
}

static bool kill_and_go_on(struct campaign *c)
{
    if (!start_publisher(c)) {
        return false;
    }
    for (unsigned i = 0; i < c->wishes->kills; i++) {
        if (!await_share(c, i) || !rest(c, below(c, c->wishes->pause_ms_max)) ||
            !strike(c, draw(c))) {
            return false;
        }
    }
    if (!hulse_test_daemon_ready(&c->daemon)) {
        return fail(c, "the daemon did not become ready");
    }
    if (c->wishes->share != 0 && !hulse_test_daemon_stat_reaches(&c->daemon, "moved_messages", 1)) {
        return fail(c, "nothing is moved out of segments that are mostly dead");
    }
    atomic_store(&c->scene.page->enough, 1);
    return await_end(c, &c->publisher, "the publisher does not end");
}

/* S8: the daemon dies while the publisher makes no call, and is back before it ends. */
static bool kill_while_idle(struct campaign *c)
{
    for (unsigned i = 0; i < c->wishes->kills; i++) {
        if (!start_publisher(c) ||
            !await_word(c, &c->scene.page->published, "the publisher does not publish") ||
            !rest(c, below(c, 3)) || !kill_daemon(c) || !rest(c, below(c, 4))) {
            return false;
        }
        hulse_test_daemon_launch(&c->daemon);
        if (!hulse_test_daemon_ready(&c->daemon)) {
            return fail(c, "the daemon did not become ready");
        }
        atomic_store(&c->scene.page->go, 1);
        if (!await_end(c, &c->publisher, "the publisher does not end")) {
            return false;
        }
    }
    return true;
}

/* What the slow consumer has kept from being used again. */
static bool await_space(struct campaign *c)
{
    const uint64_t until = hulse_scene_now_ms() + c->wishes->patience_ms;

    while (hulse_test_daemon_stat(&c->daemon, "segments") > SEGMENTS_LEFT) {
        if (!rest(c, 20)) {
            return false;
        }
        if (hulse_scene_now_ms() >= until) {
            return fail(c, "the space does not come back");
        }
    }
    return true;
}

/* ---- start and end ---- */

static bool make_scene(struct campaign *c)
{
    const struct campaign_wishes *w = c->wishes;
    struct scene_wishes *s = &c->scene.wishes;

    *s = (struct scene_wishes){
        .topic = w->topic,
        .socket = c->daemon.socket,
        .messages = w->messages,
        .messages_max = w->idle ? (uint64_t)w->kills * w->window + 1
                                : w->messages * MESSAGES_FACTOR + MESSAGES_SPARE,
        .body_bytes = w->body_bytes,
        .window = w->window,
        .ahead =
            w->window + (AHEAD < AHEAD_BYTES / w->body_bytes ? AHEAD : AHEAD_BYTES / w->body_bytes),
        .patience_ms = w->patience_ms,
        .share = w->share,
        .idle = w->idle,
        .slow = w->share != 0,
    };
    if (s->slow) {
        s->ahead = (uint32_t)s->messages_max;
    }
    (void)snprintf(s->publisher_path, sizeof(s->publisher_path), "%s/published", c->daemon.dir);
    (void)snprintf(s->consumer_path, sizeof(s->consumer_path), "%s/consumed", c->daemon.dir);
    const struct audit_rules rules = {
        .messages_max = s->messages_max,
        .exact = w->exact,
        .copies_max = (uint64_t)w->kills * w->window,
        .committed_survives = (w->victims & (CAMPAIGN_DAEMON | CAMPAIGN_BOTH)) == 0 && !w->idle,
        .acknowledged = true,
        .receipts_have_ids = true,
    };
    c->scene.page = mmap(
        NULL, sizeof(*c->scene.page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return (c->scene.page != MAP_FAILED && hulse_audit_init(&c->audit, &rules) &&
            hulse_ledger_open(&c->publisher_ledger, s->publisher_path, 4 * s->messages_max) &&
            hulse_ledger_open(&c->consumer_ledger, s->consumer_path, 6 * s->messages_max)) ||
           fail(c, "no memory, or no room for the ledgers");
}

static bool run(struct campaign *c)
{
    hulse_test_daemon_launch(&c->daemon);
    if (!hulse_test_daemon_ready(&c->daemon)) {
        return fail(c, "the daemon did not become ready");
    }
    if (!make_scene(c) || !start_consumer(c) ||
        !await_word(c, &c->scene.page->consumer_ready, "the consumer does not open")) {
        return false;
    }
    if (c->wishes->share != 0 && !start_churner(c)) {
        return false;
    }
    if (!(c->wishes->idle ? kill_while_idle(c) : kill_and_go_on(c))) {
        return false;
    }
    if (!await_arrivals(c) || (c->wishes->share != 0 && !await_space(c))) {
        return false;
    }
    atomic_store(&c->scene.page->finish, 1);
    if (!await_end(c, &c->consumer, "the consumer does not end") ||
        !await_end(c, &c->churner, "the churner does not end")) {
        return false;
    }
    feed(c);
    return true;
}

static void end(struct campaign *c)
{
    (void)kill_app(c, &c->publisher, "");
    (void)kill_app(c, &c->consumer, "");
    (void)kill_app(c, &c->churner, "");
    hulse_ledger_close(&c->publisher_ledger);
    hulse_ledger_close(&c->consumer_ledger);
    hulse_audit_fini(&c->audit);
    if (c->scene.page != NULL && c->scene.page != MAP_FAILED) {
        (void)munmap(c->scene.page, sizeof(*c->scene.page));
    }
}

bool hulse_campaign_run(const struct campaign_wishes *wishes)
{
    struct campaign c = {.wishes = wishes,
                         .dice = wishes->seed,
                         .publisher_ledger = {.fd = -1},
                         .consumer_ledger = {.fd = -1}};

    hulse_test_daemon_prepare(&c.daemon, wishes->settings);
    c.daemon.environment = wishes->environment;
    bool ok = run(&c);
    if (c.audit.marks != NULL) {
        /* Of a run that broke off nothing is owed; what contradicts itself still counts. */
        ok = hulse_audit_finish(&c.audit) && ok;
        ok = wishes->loses ? c.audit.faults[AUDIT_LOST] > 0 : ok;
        (void)printf("  kills: daemon %" PRIu64 ", publisher %" PRIu64 ", consumer %" PRIu64 "\n",
                     c.kills[0],
                     c.kills[1],
                     c.kills[2]);
        hulse_audit_print(&c.audit, stdout);
    }
    if (c.why != NULL) {
        (void)printf("  FAULT %s", c.why);
        if (c.scene.page != NULL && atomic_load(&c.scene.page->wrong_line) != 0) {
            (void)printf(" (line %u, %s)",
                         atomic_load(&c.scene.page->wrong_line),
                         hulse_status_text(atomic_load(&c.scene.page->wrong_status)));
        }
        (void)printf("\n");
    }
    end(&c);
    if (wishes->keeps) {
        (void)printf("  kept: %s\n", c.daemon.dir);
        hulse_test_daemon_kill(&c.daemon);
        return ok;
    }
    /* One whose start the campaign broke off need not be ready to end well. */
    return hulse_test_daemon_stop(&c.daemon) && ok;
}
