/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - arguments of hulsed, and the wiring of its parts.
 *
 * Exit codes (interfaces 2): 0 stopped as asked, 64 usage, 65 a damaged store, 69 a store that a daemon
 * has, 74 input/output, 75 the daemon to replace does not go, 77 it does not listen to us or
 * privileges that cannot be dropped, 78 configuration.
 */
#include "daemon/admin/answer.h"
#include "daemon/app/plane.h"
#include "daemon/config/body.h"
#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/control/helper.h"
#include "daemon/control/schema_rules.h"
#include "daemon/control/signals.h"
#include "daemon/control/watchdog.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/core/privileges.h"
#include "daemon/flow/flow.h"
#include "daemon/program/brokers.h"
#include "daemon/program/exit.h"
#include "daemon/program/stopped_store.h"
#include "daemon/program/take_over.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HULSE_JEMALLOC
/*
 * Read by jemalloc before main(). Workers have arenas of their own; the few others share two, not
 * four for each CPU of the host, of which a container may use one. What is large is no exception: its pages are given
 * back after a time as others' are, not with each message.
 */
__attribute__((visibility("default"))) const char *malloc_conf =
    "narenas:2,max_background_threads:1,oversize_threshold:0";
#endif

enum action {
    ACTION_RUN = 0,
    ACTION_CHECK,
    ACTION_PRINT_CONFIG,
    ACTION_SCHEMA,
    ACTION_REFERENCE,
    ACTION_STORE,
    ACTION_VERSION,
    ACTION_HELP
};

/* What getopt_long() gives for an option without a letter. */
enum option_code {
    OPTION_CONFIG = 256,
    OPTION_ENV_FILE,
    OPTION_SET,
    OPTION_REPLACE,
    OPTION_CHECK,
    OPTION_PRINT_CONFIG,
    OPTION_SCHEMA,
    OPTION_REFERENCE,
    OPTION_STORE,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"env-file", required_argument, NULL, OPTION_ENV_FILE},
    {"set", required_argument, NULL, OPTION_SET},
    {"replace", no_argument, NULL, OPTION_REPLACE},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
    {"schema", no_argument, NULL, OPTION_SCHEMA},
    /* For docs/reference-config.md; not in the help. */
    {"print-reference", no_argument, NULL, OPTION_REFERENCE},
    {"store", required_argument, NULL, OPTION_STORE},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *out)
{
    (void)fprintf(out,
                  "usage: hulsed [--config FILE] [--env-file FILE] [--set PATH=VALUE]...\n"
                  "              [--replace] [--check] [--print-config] [--schema] [--version]\n"
                  "              [--help]\n"
                  "       hulsed --store check DIR\n"
                  "       hulsed --store backup DIR TO\n");
}

static void print_help(void)
{
    print_usage(stdout);
    (void)printf(
        "\n"
        "  --config FILE     the configuration; default: hulse/hulse.yaml in\n"
        "                    $XDG_CONFIG_HOME, else /etc/hulse/hulse.yaml, if there is one\n"
        "  --env-file FILE   variables, one NAME=VALUE a line\n"
        "  --set PATH=VALUE  sets one key; may be repeated, the last one counts\n"
        "  --replace         takes over from the daemon that has these sockets, if there is one:\n"
        "                    it drains at once, and this one goes on with its sessions\n"
        "  --check           validates the configuration, looks whether its stores could be\n"
        "                    opened, and exits 0 or 78\n"
        "  --print-config    prints the effective configuration with origins\n"
        "  --schema          prints a JSON Schema of the configuration file\n"
        "  --store check DIR       reads a stopped store's directory through and prints what\n"
        "                          is there; exits 65 when something is damaged\n"
        "  --store backup DIR TO   copies it into an empty directory\n"
        "  --version         prints the version\n"
        "  --help            prints this\n"
        "\n"
        "Rank: default, file, --env-file, environment, --set. Variables: HULSE_SOCKET,\n"
        "HULSE_ADMIN_SOCKET, and for each key HULSE_ and its path, levels joined by __:\n"
        "HULSE_LOG__LEVEL=debug, HULSE_ROLES__ORDERS__SESSIONS_MAX=4; also LOG_LEVEL,\n"
        "SERVICE_NAME and APP_NAME. Lists come from the file alone.\n"
        "\n"
        "Signals: TERM and INT drain and exit 0, a second one exits at once; HUP reads the\n"
        "configuration again; USR1 writes the workers' figures to the log.\n"
        "\n"
        "Exit codes: 0 fine, 64 usage, 74 input/output, 75 the daemon to replace does not go,\n"
        "77 it is another user's or capabilities cannot be dropped, 78 configuration.\n"
        "\n"
        "Keys:\n");
    hulse_config_print_keys(stdout);
}

/* ---- arguments ---- */

/* argv with the sources in it; `sets` has room for all of argv. */
struct arguments {
    struct config_sources sources;
    const char **sets;
    enum action action;
    bool replace;
    const char *store_verb;
    const char *store_directory;
    const char *store_to; /* backup */
};

/* One option. False: the usage was wrong. */
static bool take_option(int code, struct arguments *a)
{
    switch (code) {
    case OPTION_CONFIG:
        a->sources.file = optarg;
        return true;
    case OPTION_ENV_FILE:
        a->sources.env_file = optarg;
        return true;
    case OPTION_SET:
        a->sets[a->sources.set_count++] = optarg;
        return true;
    case OPTION_REPLACE:
        a->replace = true;
        return true;
    case OPTION_CHECK:
        a->action = ACTION_CHECK;
        return true;
    case OPTION_PRINT_CONFIG:
        a->action = ACTION_PRINT_CONFIG;
        return true;
    case OPTION_SCHEMA:
        a->action = ACTION_SCHEMA;
        return true;
    case OPTION_REFERENCE:
        a->action = ACTION_REFERENCE;
        return true;
    case OPTION_STORE:
        a->action = ACTION_STORE;
        a->store_verb = optarg;
        return true;
    case OPTION_VERSION:
        a->action = ACTION_VERSION;
        return true;
    case OPTION_HELP:
        a->action = ACTION_HELP;
        return true;
    default:
        return false;
    }
}

/* `--store check DIR`, `--store backup DIR TO`. */
static int take_store_operands(int argc, char **argv, struct arguments *a)
{
    const bool check = strcmp(a->store_verb, "check") == 0;
    const bool backup = strcmp(a->store_verb, "backup") == 0;

    if ((!check && !backup) || argc - optind != (check ? 1 : 2)) {
        print_usage(stderr);
        return HULSE_EXIT_USAGE;
    }
    a->store_directory = argv[optind];
    a->store_to = backup ? argv[optind + 1] : NULL;
    return HULSE_EXIT_FINE;
}

/* Options in the order given. Gives HULSE_EXIT_FINE or the code to exit with. */
static int read_options(int argc, char **argv, struct arguments *a)
{
    int code = 0;

    /* Before any other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(code, a)) {
            print_usage(stderr);
            return HULSE_EXIT_USAGE;
        }
    }
    if (a->action == ACTION_STORE) {
        return take_store_operands(argc, argv, a);
    }
    if (optind < argc) {
        (void)fprintf(stderr, "hulsed: unexpected argument '%s'\n", argv[optind]);
        print_usage(stderr);
        return HULSE_EXIT_USAGE;
    }
    return HULSE_EXIT_FINE;
}

/* ---- wiring ---- */

/* Another value in every process, never 0. */
static uint64_t make_generation(void)
{
    uint64_t generation = 0;

    if (getrandom(&generation, sizeof(generation), GRND_NONBLOCK) != (ssize_t)sizeof(generation)) {
        generation = hulse_clock_wall_ms() << 20 | (uint64_t)(getpid() & 0xfffff);
    }
    return generation == 0 ? 1 : generation;
}

/* No other thread changes the environment. NOLINTBEGIN(concurrency-mt-unsafe) */
static uint64_t notify_interval_ms(void)
{
    return hulse_watchdog_notify_ms(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
}
/* NOLINTEND(concurrency-mt-unsafe) */

static hulse_status serve(const struct config *config,
                          const struct arguments *a,
                          struct helper *helper,
                          struct error *err)
{
    struct flow flow;
    struct broker_tokens tokens;
    struct http_client http;
    hulse_status st = a->replace ? hulse_take_over(config, err) : HULSE_OK;

    if (st == HULSE_OK) {
        st = hulse_brokers_make(config, &flow, &tokens, &http, err);
    }
    if (st != HULSE_OK) {
        return st;
    }
    const struct control_params params = {
        .config = config,
        .sources = &a->sources,
        .flow = &flow,
        .store = hulse_brokers_store(config, &flow),
        .helper = helper,
        .http = &http,
        .tokens = tokens.all,
        .token_count = tokens.count,
        .logins = tokens.logins,
        .login_count = tokens.login_count,
        .version = HULSE_VERSION,
        /* No other thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .notify_every_ms = notify_interval_ms(),
        .generation = make_generation(),
    };
    st = hulse_control_run(&params, err);
    hulse_brokers_destroy(config, &flow);
    return st;
}

/* Each session holds three descriptors and more; the soft limit is made for other programs. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int exit_code(hulse_status st)
{
    switch (st) {
    case HULSE_INVAL:
        return HULSE_EXIT_CONFIG;
    case HULSE_DENIED:
        return HULSE_PRIVILEGES_EXIT;
    case HULSE_TIMED_OUT:
        return HULSE_EXIT_TIME;
    default:
        return HULSE_EXIT_IO;
    }
}

static int run_with(const struct config *config, const struct arguments *a, struct helper *helper)
{
    struct error err = {0};
    hulse_status st = HULSE_OK;

    /* Before the log thread, which inherits the mask. */
    hulse_signals_block();
    raise_descriptor_limit();
    hulse_role_set(HULSE_ROLE_CONTROL);
    hulse_mem_init((size_t)hulse_config_memory_max(config));
    hulse_admin_memory_init();
    st = hulse_plane_signals(&err);
    if (st != HULSE_OK) {
        return hulse_exit_with(HULSE_EXIT_IO, err.text);
    }
    if (!hulse_log_start((enum log_level)config->log.level, (enum log_format)config->log.format)) {
        return hulse_exit_with(HULSE_EXIT_IO, "the log thread does not start");
    }
    (void)hulse_log_thread_attach("control");
    st = serve(config, a, helper, &err);
    hulse_log_thread_detach();
    const bool written = hulse_log_stop();
    /* CLOSED: told to stop before there was anything to stop. */
    if (st != HULSE_OK && st != HULSE_CLOSED) {
        return written ? hulse_exit_with(exit_code(st), err.text) : exit_code(st);
    }
    return HULSE_EXIT_FINE;
}

/* As those of the configuration itself are said. */
static void say_problem(struct config_place place, const char *text)
{
    struct config_problem problem = {.line = place.line, .column = place.column};
    char line[sizeof(problem.file) + sizeof(problem.text) + 64];

    (void)snprintf(problem.file, sizeof(problem.file), "%s", place.file == NULL ? "" : place.file);
    (void)snprintf(problem.text, sizeof(problem.text), "%s", text);
    hulse_problem_format(&problem, "hulsed: ", line, sizeof(line));
    (void)fprintf(stderr, "%s\n", line);
}

/* What the configuration alone does not say. */
static int check_brokers(const struct config *config)
{
    struct error err = {0};
    const char *path = NULL;
    int code = HULSE_EXIT_FINE;

    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *b = &config->brokers[i];
        if (hulse_brokers_look(config, b, &path, &err) != HULSE_OK) {
            say_problem(hulse_body_place_of(config, KEY_BROKER, i, path), err.text);
            code = HULSE_EXIT_CONFIG;
        }
    }
    return code;
}

/* What needs a configuration; `helper` only to run. */
static int act(const struct arguments *a, const struct config *config, struct helper *helper)
{
    switch (a->action) {
    case ACTION_CHECK:
        return check_brokers(config);
    case ACTION_PRINT_CONFIG:
        hulse_config_print(config, stdout);
        return HULSE_EXIT_FINE;
    default:
        return run_with(config, a, helper);
    }
}

/* `problems` is large and stays out of the way afterwards. */
static int load_and_act(const struct arguments *a, struct helper *helper)
{
    struct config_problems *problems = malloc(sizeof(*problems));
    struct config *config = NULL;

    if (problems == NULL) {
        return hulse_exit_with(HULSE_EXIT_IO, "no memory");
    }
    config = hulse_config_load(&a->sources, problems);
    if (config != NULL) {
        hulse_schema_rules_check(config, problems);
        if (problems->errors > 0) {
            hulse_config_destroy(&config);
        }
    }
    hulse_problem_print(problems, "hulsed: ", stderr);
    free(problems);
    if (config == NULL) {
        return HULSE_EXIT_CONFIG;
    }
    const int code = act(a, config, helper);
    hulse_config_destroy(&config);
    return code;
}

static int run(const struct arguments *a)
{
    static struct helper helper;
    struct error err = {0};

    /* Before any thread, before limits that are made for the daemon only, and before there is a
       configuration: of its secrets the helper must not have a copy. */
    if (hulse_helper_fork(&helper, &err) != HULSE_OK) {
        return hulse_exit_with(HULSE_EXIT_IO, err.text);
    }
    const int code = load_and_act(a, &helper);
    /* Unless control has done so already. */
    hulse_helper_close(&helper);
    return code;
}

/* Some actions need no configuration. */
static int start(const struct arguments *a)
{
    switch (a->action) {
    case ACTION_HELP:
        print_help();
        return HULSE_EXIT_FINE;
    case ACTION_VERSION:
        (void)printf("hulsed %s\n", HULSE_VERSION);
        return HULSE_EXIT_FINE;
    case ACTION_SCHEMA:
        return hulse_config_print_schema(stdout) ? HULSE_EXIT_FINE : HULSE_EXIT_IO;
    case ACTION_REFERENCE:
        hulse_config_print_reference(stdout);
        return HULSE_EXIT_FINE;
    case ACTION_STORE:
        return a->store_to == NULL ? hulse_stopped_store_check(a->store_directory)
                                   : hulse_stopped_store_backup(a->store_directory, a->store_to);
    case ACTION_RUN:
        return run(a);
    default:
        return load_and_act(a, NULL);
    }
}

int main(int argc, char **argv)
{
    struct arguments a = {
        .sources.environment = environ,
        .sets = calloc((size_t)argc + 1, sizeof(char *)),
    };

    if (a.sets == NULL) {
        return hulse_exit_with(HULSE_EXIT_IO, "no memory");
    }
    a.sources.sets = a.sets;
    int code = read_options(argc, argv, &a);
    if (code == HULSE_EXIT_FINE) {
        code = start(&a);
    }
    free(a.sets);
    if (code == HULSE_EXIT_FINE && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        code = hulse_exit_with(HULSE_EXIT_IO, strerrordesc_np(errno));
    }
    return code;
}
