/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=360 */
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
 *          NAME, --workers N (of the daemon), --seed N, --pause-ms N, --patience-ms N, --copies
 *          (second copies are allowed, at most a window for each kill), --keep, --no-sync (the
 *          negative control: a form that loses power has to find loss). HULSE_TEST_SEED works as
 *          --seed. The forms that lose power are left out under sanitizers, whose libraries have to
 *          come first; so is the one that fills a store.
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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define PERSISTENT "persistent://public/default/crash-recovery"
#define NON_PERSISTENT "non-persistent://public/default/crash-recovery"
#define EVERYBODY (CAMPAIGN_DAEMON | CAMPAIGN_PUBLISHER | CAMPAIGN_CONSUMER | CAMPAIGN_BOTH)
/* Of a store that forgets, nothing more arrives once something is lost. */
#define FORGETFUL_PATIENCE_MS 3000U

/* So small that all that is published would not go in, but for what is dead. */
#define SLOW_SIZE_MAX "brokers.local.size_max=1280MiB"
#define SLOW_SHARE (1U << 20)
#define SLOW_MESSAGES_MAX 1200U

struct form {
    const char *name;
    const char *what;
    const char *topic;
    unsigned victims;
    unsigned kills; /* when nothing else is said */
    bool idle;
    bool power; /* what no finished sync covers is gone after a kill of the daemon */
    bool slow;  /* what waits for the consumer lies among much that is dead */
};

static const struct form forms[] = {
    {"publisher", "S1", NON_PERSISTENT, CAMPAIGN_PUBLISHER, 30, false, false, false},
    {"consumer", "S1, the other side", PERSISTENT, CAMPAIGN_CONSUMER, 30, false, false, false},
    {"daemon", "S2", PERSISTENT, CAMPAIGN_DAEMON, 15, false, false, false},
    {"idle", "S8", PERSISTENT, CAMPAIGN_DAEMON, 6, true, false, false},
    {"both",
     "the daemon and the publisher at once",
     PERSISTENT,
     CAMPAIGN_BOTH,
     15,
     false,
     false,
     false},
    {"any", "each of them, in any order", PERSISTENT, EVERYBODY, 25, false, false, false},
    {"power", "S7", PERSISTENT, CAMPAIGN_DAEMON, 8, false, true, false},
    {"slow",
     "a slow topic pins the space of others",
     PERSISTENT,
     CAMPAIGN_DAEMON,
     8,
     false,
     false,
     true},
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
    {"workers", required_argument, NULL, 'W'},

    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *form;
    bool no_sync;
    unsigned workers;
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
    case 'W':
        a->workers = number(optarg);
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
    static char workers[32];
    static const char *settings[3];
    struct campaign_wishes w = a->wishes;

    w.topic = w.topic == NULL ? form->topic : w.topic;
    w.kills = w.kills == 0 ? form->kills : w.kills;
    w.victims = form->victims;
    w.idle = form->idle;
    (void)snprintf(workers, sizeof(workers), "workers.count=%u", a->workers);
    unsigned count = 0;
    if (a->workers != 0) {
        settings[count++] = workers;
    }
    if (form->slow) {
        settings[count++] = SLOW_SIZE_MAX;
        w.share = SLOW_SHARE;
        w.messages = w.messages < SLOW_MESSAGES_MAX ? w.messages : SLOW_MESSAGES_MAX;
    }
    settings[count] = NULL;
    w.settings = settings;
    if (form->power) {
        w.environment = power_environment(a->no_sync);
        w.after_kill = cut_back;
        w.loses = a->no_sync;
    }
    (void)printf("%s (%s%s): seed %u, %u kills, at least %llu messages of %u bytes, window %u\n",
                 form->name,
                 form->what,
                 w.loses ? ", with syncs that do nothing" : "",
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

/* Every form in short, and the control of the one that needs it. */
static bool run_all(const struct arguments *a)
{
    struct arguments forgetful = *a;
    bool ok = true;

    for (unsigned i = 0; i < FORMS; i++) {
        if ((forms[i].power || forms[i].slow) && SANITIZED) {
            continue;
        }
        ok = run_form(&forms[i], a) && ok;
        if (forms[i].power) {
            forgetful.no_sync = true;
            forgetful.wishes.patience_ms = FORGETFUL_PATIENCE_MS;
            ok = run_form(&forms[i], &forgetful) && ok;
        }
    }
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

    /* No other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(&a, code)) {
            return 64;
        }
    }
    if (a.wishes.body_bytes < 1 || a.wishes.body_bytes > SCENE_BODY_MAX) {
        (void)fprintf(stderr, "--size 1 to %u\n", SCENE_BODY_MAX);
        return 64;
    }
    if (a.form == NULL) {
        return run_all(&a) ? 0 : 1;
    }
    for (unsigned i = 0; i < FORMS; i++) {
        if (strcmp(a.form, forms[i].name) == 0) {
            return run_form(&forms[i], &a) ? 0 : 1;
        }
    }
    (void)fprintf(stderr, "no form '%s'\n", a.form);
    return 64;
}
