/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   nothing that was promised is lost when applications or the daemon are killed at any
 *         instant; order per producer is kept, one verdict for each message, no second copy where
 *         none is allowed (ipc C5: S1, S2, S7, S8).
 * Method: the real daemon, a publisher with a window of messages without verdict, and a consumer.
 *         A driver kills and restarts; ledgers that survive all of them are audited.
 *
 *   test_recovery                         the short forms
 *   test_recovery --form daemon --kills 300 --messages 3000000 --seed 7
 *
 * Options: --form NAME (see `forms`), --kills N, --messages N, --size BYTES, --window N, --topic
 *          NAME, --seed N, --pause-ms N, --patience-ms N, --copies (second copies are allowed, at
 *          most a window for each kill), --keep, --no-sync (a form that loses power must then find
 *          loss). HULSE_TEST_SEED works as --seed.
 */
#include "tests/crash/campaign.h"
#include "tests/crash/cut.h"
#include "tests/crash/power/shadow.h"
#include "tests/crash/scene.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERSISTENT "persistent://public/default/crash-recovery"
#define NON_PERSISTENT "non-persistent://public/default/crash-recovery"

struct form {
    const char *name;
    const char *what;
    const char *topic;
    unsigned victims;
    unsigned kills;
    bool idle;
    bool power; /* what no finished sync covers is gone after a kill of the daemon */
    bool in_ci; /* part of the run without arguments */
};

/* Forms that kill the daemon need persistent topics and sessions that resume. */
static const struct form forms[] = {
    {"publisher", "S1", NON_PERSISTENT, CAMPAIGN_PUBLISHER, 40, false, false, true},
    {"daemon", "S2", PERSISTENT, CAMPAIGN_DAEMON, 30, false, false, false},
    {"idle", "S8", PERSISTENT, CAMPAIGN_DAEMON, 20, true, false, false},
    {"consumer", "S1, the other side", PERSISTENT, CAMPAIGN_CONSUMER, 40, false, false, false},
    {"both",
     "the daemon and the publisher at once",
     PERSISTENT,
     CAMPAIGN_BOTH,
     30,
     false,
     false,
     false},
    {"power", "S7", PERSISTENT, CAMPAIGN_DAEMON, 20, false, true, false},
    {"any",
     "each of them, in any order",
     PERSISTENT,
     CAMPAIGN_DAEMON | CAMPAIGN_PUBLISHER | CAMPAIGN_CONSUMER | CAMPAIGN_BOTH,
     40,
     false,
     false,
     false},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* Persistent topics live in {dir}/store (see daemon_process.h). */
static bool cut_back(void *ctx, const char *dir)
{
    char data[128];
    char shadow[128];

    (void)ctx;
    (void)snprintf(data, sizeof(data), "%s/store", dir);
    (void)snprintf(shadow, sizeof(shadow), "%s/shadow", dir);
    return hulse_power_cut(data, shadow);
}

static const struct option options[] = {
    {"form", required_argument, NULL, 'f'},
    {"kills", required_argument, NULL, 'k'},
    {"messages", required_argument, NULL, 'm'},
    {"size", required_argument, NULL, 's'},
    {"window", required_argument, NULL, 'w'},
    {"topic", required_argument, NULL, 't'},
    {"seed", required_argument, NULL, 'r'},
    {"pause-ms", required_argument, NULL, 'p'},
    {"patience-ms", required_argument, NULL, 'q'},
    {"copies", no_argument, NULL, 'c'},
    {"keep", no_argument, NULL, 'K'},
    {"no-sync", no_argument, NULL, 'n'},

    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *form;
    bool no_sync;
    struct campaign_wishes wishes; /* 0: the form's own */
};

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool take_option(struct arguments *a, int code)
{
    struct campaign_wishes *w = &a->wishes;

    switch (code) {
    case 'f':
        a->form = optarg;
        break;
    case 'k':
        w->kills = number(optarg);
        break;
    case 'm':
        w->messages = strtoull(optarg, NULL, 10);
        break;
    case 's':
        w->body_bytes = number(optarg);
        break;
    case 'w':
        w->window = number(optarg);
        break;
    case 't':
        w->topic = optarg;
        break;
    case 'r':
        w->seed = number(optarg);
        break;
    case 'p':
        w->pause_ms_max = number(optarg);
        break;
    case 'q':
        w->patience_ms = number(optarg);
        break;
    case 'c':
        w->exact = false;
        break;
    case 'n':
        a->no_sync = true;
        break;
    case 'K':
        w->keeps = true;
        break;
    default:
        return false;
    }
    return true;
}

/* The daemon's environment for a form that loses power. */
static const char *const *power_environment(bool no_sync)
{
    static char preload[600];
    static const char *variables[5];
    /* No thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *build = getenv("HULSE_BUILD_DIR");

    (void)snprintf(preload,
                   sizeof(preload),
                   "LD_PRELOAD=%s/tests/crash/libhulse_power.so",
                   build == NULL ? "build/debug" : build);
    variables[0] = preload;
    variables[1] = POWER_DIR "={dir}/store";
    variables[2] = POWER_SHADOW "={dir}/shadow";
    variables[3] = no_sync ? POWER_NO_SYNC "=1" : NULL;
    return variables;
}

static bool run_form(const struct form *form, const struct arguments *a)
{
    struct campaign_wishes w = a->wishes;

    w.topic = w.topic == NULL ? form->topic : w.topic;
    w.kills = w.kills == 0 ? form->kills : w.kills;
    w.victims = form->victims;
    w.idle = form->idle;
    if (form->power) {
        w.environment = power_environment(a->no_sync);
        w.after_kill = cut_back;
    }
    (void)printf("%s (%s): seed %u, %u kills, at least %llu messages of %u bytes, window %u\n",
                 form->name,
                 form->what,
                 w.seed,
                 w.kills,
                 (unsigned long long)w.messages,
                 w.body_bytes,
                 w.window);
    (void)fflush(stdout);
    const bool ok = hulse_campaign_run(&w);
    (void)printf("%s: %s\n", form->name, ok ? "ok" : "FAILED");
    return ok;
}

int main(int argc, char **argv)
{
    /* No thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *seed = getenv("HULSE_TEST_SEED");
    struct arguments a = {.wishes = {.seed = seed != NULL ? number(seed) : (unsigned)time(NULL),
                                     .messages = 20000,
                                     .body_bytes = 128,
                                     .window = 64,
                                     .pause_ms_max = 60,
                                     .patience_ms = 20000,
                                     .exact = true}};
    int code = 0;
    bool ok = true;
    bool known = false;

    /* No other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(&a, code)) {
            return 64;
        }
    }
    if (a.wishes.body_bytes < sizeof(struct scene_message) ||
        a.wishes.body_bytes > SCENE_BODY_MAX) {
        (void)fprintf(stderr, "--size %zu to %u\n", sizeof(struct scene_message), SCENE_BODY_MAX);
        return 64;
    }
    for (unsigned i = 0; i < FORMS; i++) {
        if (a.form == NULL ? forms[i].in_ci : strcmp(a.form, forms[i].name) == 0) {
            known = true;
            ok = run_form(&forms[i], &a) && ok;
        }
    }
    if (!known) {
        (void)fprintf(stderr, "no form '%s'\n", a.form);
        return 64;
    }
    return ok ? 0 : 1;
}
