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
#include "daemon/broker/local/local.h"
#include "daemon/broker/null/null.h"
#include "daemon/config/config.h"
#include "daemon/config/directory.h"
#include "daemon/control/control.h"
#include "daemon/control/helper.h"
#include "daemon/control/listen.h"
#include "daemon/control/replace.h"
#include "daemon/control/signals.h"
#include "daemon/control/watchdog.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/core/privileges.h"
#include "daemon/flow/flow.h"
#include "daemon/store/look.h"
#include "daemon/store/store.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HULSE_JEMALLOC
/*
 * Read by jemalloc before main(). Workers have arenas of their own; the few others share two, not
 * four for each CPU of the host, of which a container may use one.
 */
__attribute__((visibility("default"))) const char *malloc_conf =
    "narenas:2,max_background_threads:1";
#endif

enum {
    EXIT_FINE = 0,
    EXIT_USAGE = 64,
    EXIT_BAD_DATA = 65,
    EXIT_UNAVAILABLE = 69,
    EXIT_IO = 74,
    EXIT_TIME = 75,
    EXIT_CONFIG = 78
};

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
        "  --check           validates the configuration and exits 0 or 78\n"
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

static int fail(int code, const char *text)
{
    (void)fprintf(stderr, "hulsed: %s\n", text);
    return code;
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
        return EXIT_USAGE;
    }
    a->store_directory = argv[optind];
    a->store_to = backup ? argv[optind + 1] : NULL;
    return EXIT_FINE;
}

/* Options in the order given. Gives EXIT_FINE or the code to exit with. */
static int read_options(int argc, char **argv, struct arguments *a)
{
    int code = 0;

    /* Before any other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(code, a)) {
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (a->action == ACTION_STORE) {
        return take_store_operands(argc, argv, a);
    }
    if (optind < argc) {
        (void)fprintf(stderr, "hulsed: unexpected argument '%s'\n", argv[optind]);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

/* ---- wiring ---- */

static_assert(HULSE_CONFIG_BROKERS_MAX == HULSE_FLOW_BROKERS_MAX, "every broker has its place");

static void destroy_brokers(const struct config *config, struct flow *flow)
{
    for (unsigned i = 0; i < flow->broker_count; i++) {
        if (config->brokers[i].type == CONFIG_BROKER_LOCAL) {
            hulse_local_destroy(&flow->brokers[i]);
        } else {
            hulse_null_destroy(&flow->brokers[i]);
        }
    }
    flow->broker_count = 0;
}

static struct broker *
make_broker(const struct config *config, const struct config_broker *wanted, struct error *err)
{
    const uint32_t message_max = (uint32_t)config->message_max;
    struct local_params local;

    if (wanted->type == CONFIG_BROKER_NULL) {
        return hulse_null_create(wanted->name, message_max, err);
    }
    hulse_local_params_default(&local);
    local.message_bytes_max = message_max;
    char directory[HULSE_CONFIG_DIRECTORY_BYTES];
    if (hulse_config_has_store(wanted)) {
        const bool known = hulse_config_directory(config, wanted, directory, sizeof(directory));
        HULSE_ASSERT(known); /* the configuration was checked */
        if (hulse_config_directory_make(wanted, directory, err) != HULSE_OK) {
            return NULL;
        }
        local.directory = directory;
        local.size_max = wanted->size_max;
    }
    return hulse_local_create(wanted->name, &local, err);
}

/* In the order of the configuration, which has checked that the default one is among them. */
static hulse_status make_brokers(const struct config *config, struct flow *flow, struct error *err)
{
    *flow = (struct flow){
        .default_namespace = config->default_namespace,
        .message_bytes_max = (uint32_t)config->message_max,
    };
    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *wanted = &config->brokers[i];
        flow->brokers[i] = make_broker(config, wanted, err);
        if (flow->brokers[i] == NULL) {
            destroy_brokers(config, flow);
            return err->status;
        }
        flow->broker_count++;
        if (strcmp(wanted->name, config->default_broker) == 0) {
            flow->default_broker = flow->brokers[i];
        }
    }
    return HULSE_OK;
}

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

/* Locks that a daemon with this configuration has as long as it runs. */
struct own_locks {
    char app[HULSE_LISTEN_LOCK_PATH_BYTES];
    char admin[HULSE_LISTEN_LOCK_PATH_BYTES];
    char stores[HULSE_CONFIG_BROKERS_MAX][HULSE_CONFIG_DIRECTORY_BYTES + sizeof(STORE_LOCK_NAME)];
    const char *list[2 + HULSE_CONFIG_BROKERS_MAX];
    size_t count;
};

static void find_locks(const struct config *config, struct own_locks *out)
{
    hulse_listen_lock_path(config->listen.socket, out->app);
    hulse_listen_lock_path(config->listen.admin_socket, out->admin);
    out->list[0] = out->app;
    out->list[1] = out->admin;
    out->count = 2;
    for (size_t i = 0; i < config->broker_count; i++) {
        char directory[HULSE_CONFIG_DIRECTORY_BYTES];
        char *path = out->stores[i];
        if (hulse_config_has_store(&config->brokers[i]) &&
            hulse_config_directory(config, &config->brokers[i], directory, sizeof(directory))) {
            (void)snprintf(path, sizeof(out->stores[i]), "%s/%s", directory, STORE_LOCK_NAME);
            out->list[out->count++] = path;
        }
    }
}

/*
 * Makes the daemon that has our sockets go. Before the brokers are made: their stores are closed
 * behind the sockets.
 */
static hulse_status take_over(const struct config *config, struct error *err)
{
    struct own_locks locks;
    const hulse_status st = hulse_control_able(config, err);

    find_locks(config, &locks);
    const struct replace_params params = {
        .admin_socket = config->listen.admin_socket,
        .locks = locks.list,
        .lock_count = locks.count,
        .wait_ms = HULSE_REPLACE_WAIT_MS,
    };
    return st == HULSE_OK ? hulse_replace_run(&params, err) : st;
}

/* The default broker's, else the first that there is; NULL: there is none. */
static struct store *store_of(const struct config *config, const struct flow *flow)
{
    struct store *found = NULL;

    for (size_t i = config->broker_count; i > 0; i--) {
        if (config->brokers[i - 1].type == CONFIG_BROKER_NULL) {
            continue;
        }
        struct broker *b = flow->brokers[i - 1];
        struct store *store = hulse_local_store(b);
        if (store != NULL && b == flow->default_broker) {
            return store;
        }
        found = store != NULL ? store : found;
    }
    return found;
}

static hulse_status serve(const struct config *config,
                          const struct arguments *a,
                          struct helper *helper,
                          struct error *err)
{
    struct flow flow;
    hulse_status st = a->replace ? take_over(config, err) : HULSE_OK;

    if (st == HULSE_OK) {
        st = make_brokers(config, &flow, err);
    }
    if (st != HULSE_OK) {
        return st;
    }
    const struct control_params params = {
        .config = config,
        .sources = &a->sources,
        .flow = &flow,
        .store = store_of(config, &flow),
        .helper = helper,
        .version = HULSE_VERSION,
        /* No other thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .notify_every_ms = notify_interval_ms(),
        .generation = make_generation(),
    };
    st = hulse_control_run(&params, err);
    destroy_brokers(config, &flow);
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
        return EXIT_CONFIG;
    case HULSE_DENIED:
        return HULSE_PRIVILEGES_EXIT;
    case HULSE_TIMED_OUT:
        return EXIT_TIME;
    default:
        return EXIT_IO;
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
        return fail(EXIT_IO, err.text);
    }
    if (!hulse_log_start((enum log_level)config->log.level, (enum log_format)config->log.format)) {
        return fail(EXIT_IO, "the log thread does not start");
    }
    (void)hulse_log_thread_attach("control");
    st = serve(config, a, helper, &err);
    hulse_log_thread_detach();
    const bool written = hulse_log_stop();
    /* CLOSED: told to stop before there was anything to stop. */
    if (st != HULSE_OK && st != HULSE_CLOSED) {
        return written ? fail(exit_code(st), err.text) : exit_code(st);
    }
    return EXIT_FINE;
}

/* What only --check looks at: the running daemon has its directories. */
static int check_directories(const struct config *config)
{
    char directory[HULSE_CONFIG_DIRECTORY_BYTES];
    struct error err = {0};
    int code = EXIT_FINE;

    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *b = &config->brokers[i];
        if (hulse_config_has_store(b) &&
            hulse_config_directory(config, b, directory, sizeof(directory)) &&
            hulse_config_directory_check(directory, &err) != HULSE_OK) {
            (void)fprintf(stderr, "hulsed: brokers.%s.directory: %s\n", b->name, err.text);
            code = EXIT_CONFIG;
        }
    }
    return code;
}

/* What needs a configuration; `helper` only to run. */
static int act(const struct arguments *a, const struct config *config, struct helper *helper)
{
    switch (a->action) {
    case ACTION_CHECK:
        return check_directories(config);
    case ACTION_PRINT_CONFIG:
        hulse_config_print(config, stdout);
        return EXIT_FINE;
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
        return fail(EXIT_IO, "no memory");
    }
    config = hulse_config_load(&a->sources, problems);
    hulse_problem_print(problems, "hulsed: ", stderr);
    free(problems);
    if (config == NULL) {
        return EXIT_CONFIG;
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
        return fail(EXIT_IO, err.text);
    }
    const int code = load_and_act(a, &helper);
    /* Unless control has done so already. */
    hulse_helper_close(&helper);
    return code;
}

/* ---- a stopped store ---- */

static int store_exit_code(hulse_status st)
{
    switch (st) {
    case HULSE_BUSY:
        return EXIT_UNAVAILABLE;
    case HULSE_DENIED:
        return HULSE_PRIVILEGES_EXIT;
    case HULSE_INVAL:
    case HULSE_UNSUPPORTED:
        return EXIT_BAD_DATA;
    default:
        return EXIT_IO;
    }
}

static int check_store(const char *directory)
{
    struct store_findings found;
    struct store_finding list[STORE_FINDINGS_MAX];
    struct error err = {0};
    const hulse_status st = hulse_store_check(directory, &found, &err);

    if (st != HULSE_OK) {
        return fail(store_exit_code(st), err.text);
    }
    const size_t count = hulse_store_findings_list(&found, list);
    for (size_t i = 0; i < count; i++) {
        (void)printf("%-18s %" PRIu64 "\n", list[i].name, list[i].count);
    }
    return hulse_store_findings_good(&found) ? EXIT_FINE
                                             : fail(EXIT_BAD_DATA, "the store is damaged");
}

static int back_up_store(const char *directory, const char *to)
{
    struct store_backup done;
    struct error err = {0};
    const hulse_status st = hulse_store_backup(directory, to, &done, &err);

    if (st != HULSE_OK) {
        return fail(store_exit_code(st), err.text);
    }
    (void)printf(
        "%-18s %" PRIu64 "\n%-18s %" PRIu64 "\n", "segments", done.segments, "bytes", done.bytes);
    return EXIT_FINE;
}

/* Some actions need no configuration. */
static int start(const struct arguments *a)
{
    switch (a->action) {
    case ACTION_HELP:
        print_help();
        return EXIT_FINE;
    case ACTION_VERSION:
        (void)printf("hulsed %s\n", HULSE_VERSION);
        return EXIT_FINE;
    case ACTION_SCHEMA:
        return hulse_config_print_schema(stdout) ? EXIT_FINE : EXIT_IO;
    case ACTION_REFERENCE:
        hulse_config_print_reference(stdout);
        return EXIT_FINE;
    case ACTION_STORE:
        return a->store_to == NULL ? check_store(a->store_directory)
                                   : back_up_store(a->store_directory, a->store_to);
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
        return fail(EXIT_IO, "no memory");
    }
    a.sources.sets = a.sets;
    int code = read_options(argc, argv, &a);
    if (code == EXIT_FINE) {
        code = start(&a);
    }
    free(a.sets);
    if (code == EXIT_FINE && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        code = fail(EXIT_IO, strerrordesc_np(errno));
    }
    return code;
}
