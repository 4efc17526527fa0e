/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - arguments of hulsed, and the wiring of its parts.
 *
 * Exit codes (interfaces 2): 0 stopped as asked, 64 usage, 74 input/output, 78 configuration.
 */
#include "daemon/admin/answer.h"
#include "daemon/app/plane.h"
#include "daemon/broker/local/local.h"
#include "daemon/broker/null/null.h"
#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/control/signals.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/flow.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_USAGE = 64, EXIT_IO = 74, EXIT_CONFIG = 78 };

enum action { ACTION_RUN = 0, ACTION_CHECK, ACTION_PRINT_CONFIG, ACTION_VERSION, ACTION_HELP };

/* What getopt_long() gives for an option without a letter. */
enum option_code {
    OPTION_CONFIG = 256,
    OPTION_SET,
    OPTION_CHECK,
    OPTION_PRINT_CONFIG,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"set", required_argument, NULL, OPTION_SET},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *out)
{
    (void)fprintf(out,
                  "usage: hulsed [--set PATH=VALUE]... [--check] [--print-config]\n"
                  "              [--version] [--help]\n");
}

static void print_help(void)
{
    print_usage(stdout);
    (void)printf("\n"
                 "  --set PATH=VALUE  sets one key; may be repeated, the last one counts\n"
                 "  --check           validates the configuration and exits 0 or 78\n"
                 "  --print-config    prints the effective configuration with origins\n"
                 "  --version         prints the version\n"
                 "  --help            prints this\n"
                 "\n"
                 "The environment ranks below --set: HULSE_SOCKET, HULSE_ADMIN_SOCKET, and for\n"
                 "each key HULSE_ and its path, levels joined by __: HULSE_LOG__LEVEL=debug.\n"
                 "\n"
                 "Signals: TERM and INT drain and exit 0, a second one exits at once; USR1 writes\n"
                 "the workers' figures to the log.\n"
                 "\n"
                 "Exit codes: 0 fine, 64 usage, 74 input/output, 78 configuration.\n"
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

/* Options in the order given. Gives EXIT_FINE or the code to exit with. */
static int read_options(int argc, char **argv, struct config *config, enum action *action)
{
    struct error err = {0};
    int code = 0;

    /* Before any other thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (code) {
        case OPTION_CONFIG:
            return fail(EXIT_CONFIG,
                        "--config: this version reads no configuration file; use "
                        "--set PATH=VALUE or the environment");
        case OPTION_SET:
            if (hulse_config_set(config, optarg, &err) != HULSE_OK) {
                return fail(EXIT_CONFIG, err.text);
            }
            break;
        case OPTION_CHECK:
            *action = ACTION_CHECK;
            break;
        case OPTION_PRINT_CONFIG:
            *action = ACTION_PRINT_CONFIG;
            break;
        case OPTION_VERSION:
            *action = ACTION_VERSION;
            break;
        case OPTION_HELP:
            *action = ACTION_HELP;
            break;
        default:
            print_usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "hulsed: unexpected argument '%s'\n", argv[optind]);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

/* ---- wiring ---- */

enum { BROKER_LOCAL_INDEX = 0, BROKER_NULL_INDEX, BROKER_COUNT };

static void destroy_brokers(struct flow *flow)
{
    if (flow->brokers[BROKER_LOCAL_INDEX] != NULL) {
        hulse_local_destroy(&flow->brokers[BROKER_LOCAL_INDEX]);
    }
    if (flow->brokers[BROKER_NULL_INDEX] != NULL) {
        hulse_null_destroy(&flow->brokers[BROKER_NULL_INDEX]);
    }
}

/* `local` and `null` always exist; the configuration says which one topics belong to. */
static hulse_status make_brokers(const struct config *config, struct flow *flow, struct error *err)
{
    const uint32_t message_max = (uint32_t)config->message_max;
    struct local_params local;

    *flow = (struct flow){
        .default_namespace = config->default_namespace,
        .message_bytes_max = message_max,
    };
    hulse_local_params_default(&local);
    local.message_bytes_max = message_max;
    flow->brokers[BROKER_LOCAL_INDEX] = hulse_local_create("local", &local, err);
    flow->brokers[BROKER_NULL_INDEX] = hulse_null_create("null", message_max, err);
    if (flow->brokers[BROKER_LOCAL_INDEX] == NULL || flow->brokers[BROKER_NULL_INDEX] == NULL) {
        destroy_brokers(flow);
        return err->status;
    }
    flow->broker_count = BROKER_COUNT;
    flow->default_broker =
        flow->brokers[config->default_broker == CONFIG_BROKER_NULL ? BROKER_NULL_INDEX
                                                                   : BROKER_LOCAL_INDEX];
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

static hulse_status serve(const struct config *config, struct error *err)
{
    struct flow flow;
    hulse_status st = make_brokers(config, &flow, err);

    if (st != HULSE_OK) {
        return st;
    }
    const struct control_params params = {
        .config = config,
        .flow = &flow,
        .version = HULSE_VERSION,
        /* No other thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .generation = make_generation(),
    };
    st = hulse_control_run(&params, err);
    destroy_brokers(&flow);
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

static int run(const struct config *config)
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
    st = serve(config, &err);
    hulse_log_thread_detach();
    hulse_log_stop();
    if (st != HULSE_OK) {
        return fail(st == HULSE_INVAL ? EXIT_CONFIG : EXIT_IO, err.text);
    }
    return EXIT_FINE;
}

int main(int argc, char **argv)
{
    static struct config config;
    enum action action = ACTION_RUN;
    struct error err = {0};

    hulse_config_init(&config, environ);
    if (hulse_config_environment(&config, environ, &err) != HULSE_OK) {
        return fail(EXIT_CONFIG, err.text);
    }
    const int code = read_options(argc, argv, &config, &action);
    if (code != EXIT_FINE) {
        return code;
    }
    if (action == ACTION_HELP) {
        print_help();
        return EXIT_FINE;
    }
    if (action == ACTION_VERSION) {
        (void)printf("hulsed %s\n", HULSE_VERSION);
        return EXIT_FINE;
    }
    if (hulse_config_check(&config, &err) != HULSE_OK) {
        return fail(EXIT_CONFIG, err.text);
    }
    if (action == ACTION_PRINT_CONFIG) {
        hulse_config_print(&config, stdout);
    }
    return action == ACTION_RUN ? run(&config) : EXIT_FINE;
}
