/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - see key.h. The tables are in the order in which --print-config prints them.
 */
#include "daemon/config/key.h"

#include "daemon/config/letter_name.h"
#include "daemon/config/valid.h"
#include "daemon/core/assert.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define US 1000ULL
#define MS (1000ULL * US)
#define SECOND (1000ULL * MS)
#define DAY (86400ULL * SECOND)
#define DAY_MS (DAY / MS)

/* shmlib/ring/layout.h has the same; control asserts it. */
#define RING_BYTES_MIN (64 * KIB)
#define RING_BYTES_MAX (64 * MIB)

#define SERVICE_URL_BYTES 4096U
#define TOKEN_BYTES 16384U

#define PER_SECOND_MAX 1000000000ULL
#define TTL_MS_MAX (3650 * DAY_MS)
#define PATTERNS_MAX 1024U
#define IDS_MAX 1024U

static const char *const spin_names[] = {"auto", "off", "busy", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_names[] = {"json", "text", NULL};
/* In the order of enum config_broker_type. */
static const char *const broker_names[] = {"local", "null", "pulsar", NULL};
/* In the order of enum config_durability. */
static const char *const durability_names[] = {"disk", "memory", NULL};

/* In the order of enum config_tls_version. */
static const char *const tls_names[] = {"1.2", "1.3", NULL};
/* In the order of enum config_routing. */
static const char *const routing_names[] = {"roundrobin", "single", NULL};
/* In the order of enum config_batch_by. */
static const char *const batch_by_names[] = {"arrival", "key", NULL};
/* In the order of enum config_hashing. */
static const char *const hashing_names[] = {"javastring", "murmur3", "boost", NULL};
/* In the order of enum config_compression. */
static const char *const schema_names[] = {
    "none",     "string",          "json",      "avro",       "boolean",    "int8",
    "int16",    "int32",           "int64",     "float",      "double",     "date",
    "time",     "timestamp",       "instant",   "local_date", "local_time", "local_date_time",
    "protobuf", "protobuf_native", "key_value", NULL};
static_assert(sizeof(schema_names) / sizeof(schema_names[0]) == CONFIG_SCHEMA_TYPES + 1,
              "all types have names");
/* The same, and the topic's own. */
static const char *const published_schema_names[] = {
    "none",     "string",          "json",      "avro",       "boolean",    "int8",
    "int16",    "int32",           "int64",     "float",      "double",     "date",
    "time",     "timestamp",       "instant",   "local_date", "local_time", "local_date_time",
    "protobuf", "protobuf_native", "key_value", "auto",       NULL};
static_assert(sizeof(published_schema_names) / sizeof(published_schema_names[0]) ==
                  CONFIG_SCHEMA_AUTO + 2,
              "all types have names");
static const char *const compression_names[] = {"none", "lz4", "zlib", "zstd", "snappy", NULL};

#define AT(member) .offset = offsetof(struct config, member)
#define TEXT_AT(member) AT(member), .bytes = sizeof(((struct config *)NULL)->member)

/* clang-format off */
static const struct key global_keys[] = {
    {"name", KEY_GLOBAL, KEY_STRING, KEY_RESTART, TEXT_AT(name), .valid = hulse_valid_text,
     .help = "this daemon in logs, producer names and metrics; default: the host's name"},

    {"workers.count", KEY_GLOBAL, KEY_COUNT, KEY_AUTO | KEY_RESTART | KEY_SHORT,
     AT(workers.count), .min = 1, .max = 64,
     .fallback = "auto", .help = "worker threads; auto = half the usable CPUs, 1 to 8"},
    {"workers.pin", KEY_GLOBAL, KEY_BOOL, KEY_RESTART, AT(workers.pin), .fallback = "false",
     .help = "one CPU for each worker"},
    {"workers.cpus", KEY_GLOBAL, KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(workers.cpus),
     .valid = hulse_valid_cpus, .fallback = "null",
     .help = "CPUs that the daemon may use; null = all it was given"},

    {"spin.mode", KEY_GLOBAL, KEY_ENUM, KEY_RESTART, AT(spin.mode), .names = spin_names, .fallback = "auto",
     .help = "polling before sleeping: measured, never, or always (needs CPUs of its own)"},
    {"spin.min", KEY_GLOBAL, KEY_DURATION, KEY_RESTART, AT(spin.min_ns), .min = 0, .max = 10 * MS,
     .fallback = "2us", .help = "lower bound of the measured window"},
    {"spin.max", KEY_GLOBAL, KEY_DURATION, KEY_RESTART, AT(spin.max_ns), .min = 0, .max = 10 * MS,
     .fallback = "50us", .help = "upper bound of the measured window"},

    {"session.publish_ring", KEY_GLOBAL, KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.publish_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "512KiB",
     .help = "default ring of a publisher's channel"},
    {"session.deliver_ring", KEY_GLOBAL, KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.deliver_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "512KiB",
     .help = "default ring of a consumer's deliveries"},
    {"session.receipts", KEY_GLOBAL, KEY_COUNT, KEY_POWER2 | KEY_RESTART, AT(session.receipts),
     .min = 2048, .max = 1U << 20, .fallback = "4096",
     .help = "default number of unread receipts of a channel"},
    {"session.verdict_ring", KEY_GLOBAL, KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.verdict_ring),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "128KiB",
     .help = "default ring of a consumer's verdicts"},
    {"session.unacked_max", KEY_GLOBAL, KEY_COUNT, KEY_RESTART, AT(session.unacked_max),
     .min = 1, .max = 1000000, .fallback = "10000",
     .help = "messages of a consumer without a verdict"},
    {"session.ring_max", KEY_GLOBAL, KEY_SIZE, KEY_POWER2 | KEY_RESTART, AT(session.ring_max),
     .min = RING_BYTES_MIN, .max = RING_BYTES_MAX, .fallback = "32MiB",
     .help = "largest ring that an application may ask for"},
    {"session.receipts_max", KEY_GLOBAL, KEY_COUNT, KEY_POWER2 | KEY_RESTART, AT(session.receipts_max),
     .min = 2048, .max = 1U << 20, .fallback = "65536",
     .help = "most unread receipts that an application may ask for"},
    {"session.channels_max", KEY_GLOBAL, KEY_COUNT, KEY_RESTART, AT(session.channels_max),
     .min = 1, .max = 4096, .fallback = "64", .help = "channels of one session"},
    {"session.memory_max", KEY_GLOBAL, KEY_SIZE, KEY_RESTART, AT(session.memory_max),
     .min = MIB, .max = 64 * GIB, .fallback = "256MiB",
     .help = "rings and tables of one session"},
    {"session.sessions_max", KEY_GLOBAL, KEY_COUNT, KEY_RESTART, AT(session.sessions_max),
     .min = 1, .max = 65536, .fallback = "1024", .help = "sessions of the daemon"},

    {"session.rate.messages", KEY_GLOBAL, KEY_NUMBER, KEY_NULL | KEY_SHORT,
     AT(session_rate.messages), .min = 1, .max = PER_SECOND_MAX, .fallback = "null",
     .help = "messages that one application may publish each second"},
    {"session.rate.bytes", KEY_GLOBAL, KEY_SIZE, KEY_NULL, AT(session_rate.bytes),
     .min = KIB, .max = 1024 * GIB, .fallback = "null",
     .help = "payload that one application may publish each second"},

    {"watch", KEY_GLOBAL, KEY_BOOL, KEY_RESTART, AT(watch), .fallback = "false",
     .help = "reload when the file changes"},
    {"memory_max", KEY_GLOBAL, KEY_SIZE, KEY_AUTO | KEY_RESTART, AT(memory_max),
     .min = 16 * MIB, .max = 1024 * GIB, .fallback = "auto",
     .help = "hard cap for everything; auto = a quarter of the cgroup limit, at most 512MiB"},
    {"message_max", KEY_GLOBAL, KEY_SIZE, KEY_RESTART, AT(message_max),
     .min = KIB, .max = 256 * MIB, .fallback = "5MiB",
     .help = "largest payload of one message"},
    {"chunked_max", KEY_GLOBAL, KEY_SIZE, KEY_RESTART, AT(chunked_max),
     .min = KIB, .max = 256 * MIB, .fallback = "64MiB",
     .help = "the same of one in chunks: of topics with publish.chunking, and consumed; at most 3/8 of memory_max"},
    {"topics_max", KEY_GLOBAL, KEY_COUNT, KEY_RESTART, AT(topics_max),
     .min = 1, .max = 10000000, .fallback = "100000", .help = "topics known at a time"},
    {"drain_timeout", KEY_GLOBAL, KEY_DURATION, KEY_RESTART, AT(drain_timeout_ns),
     .min = 0, .max = DAY, .fallback = "25s",
     .help = "time between TERM and exit while sessions are open"},
    {"watchdog_timeout", KEY_GLOBAL, KEY_DURATION, KEY_RESTART, AT(watchdog_timeout_ns),
     .min = 0, .max = DAY, .fallback = "30s",
     .help = "a worker that does not turn for so long ends the daemon; 0s = never"},

    {"sandbox.filter", KEY_GLOBAL, KEY_BOOL, KEY_RESTART, AT(sandbox.filter), .fallback = "true",
     .help = "refuse system calls that the daemon does not need"},
    {"sandbox.dumpable", KEY_GLOBAL, KEY_BOOL, KEY_RESTART, AT(sandbox.dumpable), .fallback = "false",
     .help = "let its user trace it, read its memory and get its core"},

    {"log.level", KEY_GLOBAL, KEY_ENUM, 0, AT(log.level), .names = level_names, .fallback = "info",
     .help = "least severe level that is written"},
    {"log.format", KEY_GLOBAL, KEY_ENUM, KEY_RESTART, AT(log.format), .names = format_names,
     .fallback = "json", .help = "one JSON object per line, or text for people"},

    {"listen.socket", KEY_GLOBAL, KEY_STRING, KEY_RESTART, TEXT_AT(listen.socket), .valid = hulse_valid_path,
     .help = "socket for applications"},
    {"listen.mode", KEY_GLOBAL, KEY_MODE, KEY_RESTART, AT(listen.mode), .fallback = "0660",
     .help = "its file mode"},
    {"listen.group", KEY_GLOBAL, KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(listen.group),
     .valid = hulse_valid_text, .fallback = "null", .help = "its group, by name or number"},
    {"listen.admin_socket", KEY_GLOBAL, KEY_STRING, KEY_RESTART, TEXT_AT(listen.admin_socket),
     .valid = hulse_valid_path, .help = "socket for administration, mode 0600"},

    {"health.topic", KEY_GLOBAL, KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(health.topic),
     .valid = hulse_valid_text, .fallback = "null",
     .help = "topic that `hulse health --deep` looks up at the default broker; null = none"},
    {"health.tenant", KEY_GLOBAL, KEY_STRING, KEY_NULL | KEY_RESTART, TEXT_AT(health.tenant),
     .valid = hulse_valid_text, .fallback = "null",
     .help = "tenant whose namespaces it counts; null = that of default_namespace"},
    {"health.timeout", KEY_GLOBAL, KEY_DURATION, KEY_RESTART, AT(health.timeout_ns),
     .min = 100 * MS, .max = 60000 * MS, .fallback = "5s", .help = "for the answers to both"},

    {"default_broker", KEY_GLOBAL, KEY_STRING, KEY_RESTART, TEXT_AT(default_broker),
     .valid = hulse_valid_name, .fallback = "local",
     .help = "broker of every topic that no rule sends elsewhere; unless it is said, the one of type pulsar"},
    {"default_namespace", KEY_GLOBAL, KEY_STRING, KEY_RESTART, TEXT_AT(default_namespace),
     .valid = hulse_valid_namespace, .fallback = "public/default",
     .help = "completes short topic names"},
};

#undef AT
#define AT(member) .offset = offsetof(struct config_broker, member)

static const struct key broker_keys[] = {
    {"type", KEY_BROKER, KEY_ENUM, KEY_RESTART | KEY_REQUIRED, AT(type), .names = broker_names,
     .help = "local keeps messages in the daemon, null takes and forgets them, pulsar is a cluster"},
    {"directory", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART | KEY_STORE, AT(directory),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "of a local broker's store; null = /var/lib/hulse, without root hulse in XDG_STATE_HOME"},
    {"durability", KEY_BROKER, KEY_ENUM, KEY_RESTART | KEY_STORE, AT(durability), .names = durability_names,
     .fallback = "disk",
     .help = "disk keeps persistent topics in the store; memory has none and refuses them"},
    {"size_max", KEY_BROKER, KEY_SIZE, KEY_RESTART | KEY_STORE, AT(size_max), .min = 512 * MIB,
     .max = UINT64_C(1048576) * GIB, .fallback = "8GiB",
     .help = "files of the store's log; publishers wait when it is full"},
    {"service_url", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(service_url),
     .bytes = SERVICE_URL_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "of a Pulsar cluster: pulsar://HOST[:PORT],... or pulsar+ssl://...; http[s]://... looks "
             "topics up over HTTP"},
    {"admin_url", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(admin_url),
     .bytes = SERVICE_URL_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "of its REST API, for `hulse topics`, `subs`, `schema list`: http[s]://HOST[:PORT],...; null "
             "= service_url, if that is http[s]://"},
    {"listener", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(listener),
     .bytes = HULSE_CONFIG_NAME_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "advertised listener of its brokers; null = their default"},
    {"connect_timeout", KEY_BROKER, KEY_DURATION_MS, KEY_RESTART, AT(connect_timeout_ms),
     .min = 10, .max = 600000, .fallback = "10s", .help = "for each address of a broker"},
    {"operation_timeout", KEY_BROKER, KEY_DURATION_MS, KEY_RESTART, AT(operation_timeout_ms),
     .min = 100, .max = 600000, .fallback = "30s",
     .help = "for an answer of a broker, and for the first time that something is opened"},
    {"keep_alive", KEY_BROKER, KEY_DURATION_MS, KEY_RESTART, AT(keep_alive_ms),
     .min = 100, .max = 600000, .fallback = "30s",
     .help = "a broker that says nothing for twice as long is given up"},
    {"partitions_refresh", KEY_BROKER, KEY_DURATION_MS, KEY_RESTART, AT(partitions_refresh_ms),
     .min = 1000, .max = 3600000, .fallback = "1m",
     .help = "between two looks at how many partitions a topic in use has"},
    {"topics_refresh", KEY_BROKER, KEY_DURATION_MS, KEY_RESTART, AT(topics_refresh_ms),
     .min = 1000, .max = 3600000, .fallback = "1m",
     .help = "between two lists of a namespace whose topics a pattern consumes; brokers that tell what changes are asked too"},
    {"auth.token", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART | KEY_SECRET, AT(auth.token),
     .bytes = TOKEN_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "token that is shown to its brokers"},
    {"auth.token_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.token_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "file with that token; read again when it changes"},
    {"auth.token_command", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.token_command),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "command that prints it; run again before it expires"},
    {"auth.oauth2.issuer", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.oauth2.issuer),
     .bytes = SERVICE_URL_BYTES, .valid = hulse_valid_issuer, .fallback = "null",
     .help = "https://... that gives tokens for client credentials (OAuth 2.0)"},
    {"auth.oauth2.client_id", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.oauth2.client_id),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "whom it knows the daemon as"},
    {"auth.oauth2.client_secret_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.oauth2.client_secret_file), .bytes = HULSE_CONFIG_DIRECTORY_BYTES,
     .valid = hulse_valid_path, .fallback = "null",
     .help = "file with the client's secret, or a JSON key file that has it; read for each token"},
    {"auth.oauth2.audience", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.oauth2.audience),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "whom the token is for, where the issuer wants to know"},
    {"auth.oauth2.scope", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.oauth2.scope),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_text, .fallback = "null",
     .help = "what the token is for, where the issuer wants to know"},
    {"auth.oauth2.ca_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.oauth2.ca_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_authorities, .fallback = "null",
     .help = "authorities that are trusted for the issuer, PEM; null or system = the system's"},
    {"auth.athenz.zts_url", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.athenz.zts_url),
     .bytes = SERVICE_URL_BYTES, .valid = hulse_valid_issuer, .fallback = "null",
     .help = "https://... of the ZTS that gives role tokens (Athenz)"},
    {"auth.athenz.provider_domain", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.athenz.provider_domain), .bytes = HULSE_CONFIG_TEXT_BYTES,
     .valid = hulse_valid_athenz_name, .fallback = "null",
     .help = "domain of the roles, which the brokers accept (their athenzDomainNames)"},
    {"auth.athenz.private_key_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.athenz.private_key_file), .bytes = HULSE_CONFIG_DIRECTORY_BYTES,
     .valid = hulse_valid_path, .fallback = "null",
     .help = "private key of the service, PEM without a passphrase; read for each token"},
    {"auth.athenz.tenant_domain", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.athenz.tenant_domain), .bytes = HULSE_CONFIG_TEXT_BYTES,
     .valid = hulse_valid_athenz_name, .fallback = "null",
     .help = "domain of the service that the daemon is"},
    {"auth.athenz.tenant_service", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.athenz.tenant_service), .bytes = HULSE_CONFIG_TEXT_BYTES,
     .valid = hulse_valid_athenz_name, .fallback = "null", .help = "its name in that domain"},
    {"auth.athenz.key_id", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.athenz.key_id),
     .bytes = HULSE_CONFIG_TEXT_BYTES, .valid = hulse_valid_athenz_name, .fallback = "null",
     .help = "what its public key is called there; null = 0"},
    {"auth.athenz.cert_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.athenz.cert_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "its certificate, PEM, in the place of domain, name and key_id (Copper Argos)"},
    {"auth.athenz.ca_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.athenz.ca_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_authorities, .fallback = "null",
     .help = "authorities that are trusted for the ZTS, PEM; null or system = the system's"},
    {"auth.athenz.principal_header", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.athenz.principal_header), .bytes = HULSE_CONFIG_TEXT_BYTES, .valid = hulse_valid_name,
     .fallback = "null",
     .help = "HTTP header in which the ZTS looks for who asks; null = Athenz-Principal-Auth"},
    {"auth.athenz.role_header", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.athenz.role_header),
     .bytes = HULSE_CONFIG_TEXT_BYTES, .valid = hulse_valid_name, .fallback = "null",
     .help = "HTTP header in which the REST API looks for the role token; null = Athenz-Role-Auth"},
    {"auth.kerberos.principal", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.kerberos.principal), .bytes = HULSE_CONFIG_TEXT_BYTES, .valid = hulse_valid_principal,
     .fallback = "null", .help = "NAME[/HOST][@REALM] that the daemon is (Kerberos)"},
    {"auth.kerberos.keytab_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART,
     AT(auth.kerberos.keytab_file), .bytes = HULSE_CONFIG_DIRECTORY_BYTES,
     .valid = hulse_valid_path, .fallback = "null",
     .help = "file with its key; read for each connection"},
    {"auth.kerberos.service", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.kerberos.service),
     .bytes = HULSE_CONFIG_NAME_BYTES, .valid = hulse_valid_name, .fallback = "null",
     .help = "what its brokers are there, as SERVICE/HOST; null = broker"},
    {"auth.basic.user", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.basic.user),
     .bytes = HULSE_CONFIG_TEXT_BYTES, .valid = hulse_valid_user, .fallback = "null",
     .help = "name that is shown with a password"},
    {"auth.basic.password_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.basic.password_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "file with that password; read again when it changes"},
    {"auth.tls.cert_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.tls.cert_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "certificate of the daemon, PEM; read again when it changes"},
    {"auth.tls.key_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(auth.tls.key_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "its private key, PEM"},
    {"tls.ca_file", KEY_BROKER, KEY_TEXT, KEY_NULL | KEY_RESTART, AT(tls.ca_file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_authorities, .fallback = "null",
     .help = "authorities that are trusted, PEM; null or system = the system's"},
    {"tls.verify_hostname", KEY_BROKER, KEY_BOOL, KEY_RESTART, AT(tls.verify_hostname),
     .fallback = "true", .help = "a certificate must be for the host that was called"},
    {"tls.min_version", KEY_BROKER, KEY_ENUM, KEY_RESTART, AT(tls.min_version), .names = tls_names,
     .fallback = "1.2", .help = "oldest version of TLS that is spoken"},
    {"tls.reconnect_every", KEY_BROKER, KEY_DURATION_MS, KEY_NULL | KEY_RESTART, AT(tls.reconnect_every_ms),
     .min = 1, .max = DAY_MS, .fallback = "null",
     .help = "with new certificate files a worker renews one old connection in so long; null = none"},
};

#undef AT
#define AT(member) .offset = offsetof(struct config_topic_rule, member)

static const struct key topic_keys[] = {
    {"match", KEY_TOPIC, KEY_TEXT, KEY_REQUIRED, AT(match), .bytes = HULSE_CONFIG_PATTERN_BYTES,
     .valid = hulse_valid_text,
     .help = "pattern of full names: * without slash, ** with, ? one character"},
    {"broker", KEY_TOPIC, KEY_TEXT, KEY_NULL, AT(broker), .bytes = HULSE_CONFIG_NAME_BYTES,
     .valid = hulse_valid_name, .fallback = "null", .help = "null = default_broker"},
    {"publish.rate.messages", KEY_TOPIC, KEY_NUMBER, KEY_NULL | KEY_SHORT,
     AT(publish.rate.messages), .min = 1, .max = PER_SECOND_MAX, .fallback = "null",
     .help = "messages that may be published to a topic each second"},
    {"publish.rate.bytes", KEY_TOPIC, KEY_SIZE, KEY_NULL, AT(publish.rate.bytes),
     .min = KIB, .max = 1024 * GIB, .fallback = "null",
     .help = "payload that may be published to a topic each second"},
    {"publish.ttl", KEY_TOPIC, KEY_DURATION_MS, KEY_NULL, AT(publish.ttl_ms),
     .min = 1, .max = TTL_MS_MAX, .fallback = "null",
     .help = "life of messages that were published without one of their own"},
    {"publish.pending_bytes", KEY_TOPIC, KEY_SIZE, 0, AT(publish.pending_bytes),
     .min = KIB, .max = GIB, .fallback = "8MiB",
     .help = "without an answer, or held for a producer that drops the oldest; then publishers wait"},
    {"publish.pending_max", KEY_TOPIC, KEY_COUNT, KEY_NULL, AT(publish.pending_max),
     .min = 1, .max = 1000000, .fallback = "null",
     .help = "messages without an answer before publishers wait; null = pending_bytes alone"},
    {"publish.send_timeout", KEY_TOPIC, KEY_DURATION_MS, 0, AT(publish.send_timeout_ms),
     .min = 0, .max = DAY_MS, .fallback = "30s",
     .help = "a message that has no answer of a Pulsar broker by then fails; 0s = never"},
    {"publish.batch_max", KEY_TOPIC, KEY_COUNT, 0, AT(publish.batch_max),
     .min = 1, .max = 10000, .fallback = "1000",
     .help = "messages in a batch for a Pulsar broker; 1 = no batches"},
    {"publish.batch_bytes", KEY_TOPIC, KEY_SIZE, 0, AT(publish.batch_bytes),
     .min = KIB, .max = 4 * MIB, .fallback = "128KiB", .help = "payload of a batch"},
    {"publish.batch_by", KEY_TOPIC, KEY_ENUM, 0, AT(publish.batch_by), .names = batch_by_names,
     .fallback = "arrival",
     .help = "arrival: whatever messages come; key: of one key, as Key_Shared subscriptions need batches"},
    {"publish.batch_delay", KEY_TOPIC, KEY_DURATION_MS, 0, AT(publish.batch_delay_ms),
     .min = 1, .max = 60000, .fallback = "1ms",
     .help = "until a batch that is not full goes although eager_max are on their way"},
    {"publish.eager_max", KEY_TOPIC, KEY_COUNT, 0, AT(publish.eager_max),
     .min = 1, .max = 1000, .fallback = "4",
     .help = "batches on their way while each next one goes at once"},
    {"publish.compression", KEY_TOPIC, KEY_ENUM, 0, AT(publish.compression),
     .names = compression_names, .fallback = "none", .help = "of batches for a Pulsar broker"},
    {"publish.chunking", KEY_TOPIC, KEY_BOOL, 0, AT(publish.chunking), .fallback = "false",
     .help = "a message above a Pulsar broker's maximum goes in chunks, up to chunked_max"},
    {"publish.routing", KEY_TOPIC, KEY_ENUM, 0, AT(publish.routing), .names = routing_names,
     .fallback = "roundrobin",
     .help = "of messages without a key over the partitions of a topic; single = one for each publisher"},
    {"publish.hashing", KEY_TOPIC, KEY_ENUM, 0, AT(publish.hashing), .names = hashing_names,
     .fallback = "javastring",
     .help = "of a key, for its partition: as the topic's other publishers; boost is that of C++ and Python"},
    {"publish.dedup", KEY_TOPIC, KEY_BOOL, 0, AT(publish.dedup), .fallback = "false",
     .help = "each publisher is a producer of its own, whose messages a topic with deduplication stores once"},
    {"publish.schema.file", KEY_TOPIC, KEY_TEXT, KEY_NULL | KEY_SHORT, AT(publish.schema.file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "definition of the payloads' schema, of Avro, as JSON text or as Pulsar's tools keep it"},
    {"publish.schema.type", KEY_TOPIC, KEY_ENUM, 0, AT(publish.schema.type),
     .names = published_schema_names, .fallback = "none",
     .help = "of the schema; none with a file: what the file says, else avro; auto, without one: the topic's newest, which payloads have to fit"},
    {"publish.validate", KEY_TOPIC, KEY_BOOL, 0, AT(publish.validate), .fallback = "false",
     .help = "a message whose payload does not fit the schema is refused"},
    {"publish.auto_create", KEY_TOPIC, KEY_BOOL, 0, AT(publish.auto_create), .fallback = "true",
     .help = "false: an unknown topic is an error"},
    {"consume.ack_timeout", KEY_TOPIC, KEY_DURATION_MS, 0, AT(consume.ack_timeout_ms),
     .min = 0, .max = DAY_MS, .fallback = "0s",
     .help = "for a verdict, from the moment when the application began with the message; then it comes again; at least 1s, 0s = as long as it takes"},
    {"consume.nack.delay", KEY_TOPIC, KEY_DURATION_MS, 0, AT(consume.nack_delay_ms),
     .min = 0, .max = DAY_MS, .fallback = "1s",
     .help = "time until a refused message comes again"},
    {"consume.nack.multiplier", KEY_TOPIC, KEY_RATIO, 0, AT(consume.nack_multiplier),
     .min = 1000, .max = 100000, .fallback = "2", .help = "of that time, with each refusal"},
    {"consume.nack.delay_max", KEY_TOPIC, KEY_DURATION_MS, 0, AT(consume.nack_delay_max_ms),
     .min = 0, .max = DAY_MS, .fallback = "60s", .help = "its upper bound"},
    {"consume.redeliver_max", KEY_TOPIC, KEY_COUNT, 0, AT(consume.redeliver_max),
     .min = 1, .max = 1000000, .fallback = "3",
     .help = "redeliveries of a refused message before it goes to the dead-letter topic; without one it comes again for ever"},
    {"consume.dead_letter", KEY_TOPIC, KEY_TEXT, KEY_NULL, AT(consume.dead_letter),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_letter, .fallback = "null",
     .help = "topic for refused messages: a name with {topic}, {subscription} and {service}, as {topic}-{subscription}-DLQ; consumers need permission to produce there"},
    {"consume.retry_letter", KEY_TOPIC, KEY_TEXT, KEY_NULL, AT(consume.retry_letter),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_letter, .fallback = "null",
     .help = "topic for messages that an application wants to see later (hulse_retry), as {topic}-{subscription}-RETRY: its consumers consume this one, too, and need permission to produce there and to consume; holds for consumers that are opened from then on"},
    {"consume.dead_letter_subscription", KEY_TOPIC, KEY_TEXT, KEY_NULL,
     AT(consume.dead_letter_subscription), .bytes = HULSE_CONFIG_TEXT_BYTES,
     .valid = hulse_valid_text, .fallback = "null",
     .help = "a subscription that the dead-letter topic gets with its first letter, unless it is there, so that letters are kept until somebody subscribes; of a persistent one"},
    {"consume.chunks.pending_max", KEY_TOPIC, KEY_COUNT, 0, AT(consume.chunks.pending_max),
     .min = 1, .max = 10000, .fallback = "10",
     .help = "messages of which a consumer has some chunks and waits for more; the oldest is given up"},
    {"consume.chunks.expire", KEY_TOPIC, KEY_DURATION_MS, 0, AT(consume.chunks.expire_ms),
     .min = 0, .max = DAY_MS, .fallback = "60s",
     .help = "a message whose chunks have not all come by then is given up; 0s = never"},
    {"consume.chunks.auto_ack", KEY_TOPIC, KEY_BOOL, 0, AT(consume.chunks.auto_ack), .fallback = "false",
     .help = "what is given up is acknowledged, and lost; false: it comes again"},
    {"consume.replicate_subscription_state", KEY_TOPIC, KEY_BOOL, 0,
     AT(consume.replicate_subscription_state), .fallback = "false",
     .help = "how far a new subscription is, is known in the clusters that a topic of Pulsar is replicated to"},
    {"consume.schema.file", KEY_TOPIC, KEY_TEXT, KEY_NULL | KEY_SHORT, AT(consume.schema.file),
     .bytes = HULSE_CONFIG_DIRECTORY_BYTES, .valid = hulse_valid_path, .fallback = "null",
     .help = "as publish.schema.file, of the schema that payloads are read with: a broker refuses a consumer whose does not fit"},
    {"consume.schema.type", KEY_TOPIC, KEY_ENUM, 0, AT(consume.schema.type), .names = schema_names,
     .fallback = "none", .help = "as publish.schema.type"},
    {"policy.ttl", KEY_TOPIC, KEY_DURATION_MS, KEY_NULL, AT(policy.ttl_ms),
     .min = 1, .max = TTL_MS_MAX, .fallback = "null",
     .help = "messages older than this are not delivered"},
};

#undef AT
#define AT(member) .offset = offsetof(struct config_role, member)
#define LIST_AT(member, count) AT(member), .count_offset = offsetof(struct config_role, count)
#define PATTERNS_AT(member, count)                                                                 \
    LIST_AT(member, count), .bytes = HULSE_CONFIG_PATTERN_BYTES, .max = PATTERNS_MAX,              \
        .valid = hulse_valid_text

static const struct key role_keys[] = {
    {"uids", KEY_ROLE, KEY_IDS, 0, LIST_AT(uids, uid_count), .max = IDS_MAX,
     .help = "users whose processes have this role"},
    {"gids", KEY_ROLE, KEY_IDS, 0, LIST_AT(gids, gid_count), .max = IDS_MAX,
     .help = "groups whose processes have this role"},
    {"tokens_file", KEY_ROLE, KEY_TEXT, KEY_NULL, AT(tokens_file), .bytes = PATH_MAX,
     .valid = hulse_valid_path, .fallback = "null",
     .help = "a file of tokens, one a line, each of which gives this role"},
    {"sessions_max", KEY_ROLE, KEY_COUNT, KEY_NULL, AT(sessions_max), .min = 1, .max = 65536,
     .fallback = "null", .help = "sessions of the role at a time"},
    {"memory_max", KEY_ROLE, KEY_SIZE, KEY_NULL, AT(memory_max), .min = MIB, .max = 64 * GIB,
     .fallback = "null", .help = "rings and tables of all its sessions"},
    {"rate.messages", KEY_ROLE, KEY_NUMBER, KEY_NULL | KEY_SHORT, AT(rate.messages),
     .min = 1, .max = PER_SECOND_MAX, .fallback = "null",
     .help = "messages that the role may publish each second"},
    {"rate.bytes", KEY_ROLE, KEY_SIZE, KEY_NULL, AT(rate.bytes), .min = KIB, .max = 1024 * GIB,
     .fallback = "null", .help = "payload that the role may publish each second"},
    {"produce", KEY_ROLE, KEY_TEXTS, 0, PATTERNS_AT(produce, produce_count),
     .help = "patterns of topics that it may publish to"},
    {"consume", KEY_ROLE, KEY_TEXTS, 0, PATTERNS_AT(consume, consume_count),
     .help = "patterns of topics that it may consume"},
    {"admin", KEY_ROLE, KEY_TEXTS, 0, PATTERNS_AT(admin, admin_count),
     .help = "patterns of topics that it may manage"},
    {"topic_name", KEY_ROLE, KEY_TEXT, KEY_NULL, AT(topic_name),
     .bytes = HULSE_CONFIG_PATTERN_BYTES, .valid = hulse_valid_regex, .fallback = "null",
     .help = "regular expression that a topic's full name must match"},
};

static const struct key_list lists[KEY_SCOPES] = {
    [KEY_BROKER] = {"brokers", sizeof(struct config_broker), HULSE_CONFIG_BROKERS_MAX, true,
                    offsetof(struct config, brokers), offsetof(struct config, broker_count),
                    KEY_RESTART, "what keeps the topics; `local` and `null` exist by themselves"},
    [KEY_TOPIC] = {"topics", sizeof(struct config_topic_rule), 100000, false,
                   offsetof(struct config, topics), offsetof(struct config, topic_count), 0,
                   "rules for topics; the first one that matches counts"},
    [KEY_ROLE] = {"roles", sizeof(struct config_role), 1024, true,
                  offsetof(struct config, roles), offsetof(struct config, role_count), 0,
                  "who may do what; nobody but the daemon's own user unless a role says so"},
};
/* clang-format on */

static const struct {
    const struct key *keys;
    size_t count;
} scopes[KEY_SCOPES] = {
    [KEY_GLOBAL] = {global_keys, COUNT_OF(global_keys)},
    [KEY_BROKER] = {broker_keys, COUNT_OF(broker_keys)},
    [KEY_TOPIC] = {topic_keys, COUNT_OF(topic_keys)},
    [KEY_ROLE] = {role_keys, COUNT_OF(role_keys)},
};
static_assert(COUNT_OF(global_keys) <= HULSE_CONFIG_KEYS_MAX,
              "struct config has room for all origins");
static_assert(sizeof(uid_t) == sizeof(gid_t), "KEY_IDS stores both");

size_t hulse_key_count(enum key_scope scope)
{
    return scopes[scope].count;
}

const struct key *hulse_key_at(enum key_scope scope, size_t index)
{
    HULSE_ASSERT(index < scopes[scope].count);
    return &scopes[scope].keys[index];
}

size_t hulse_key_index(const struct key *key)
{
    return (size_t)(key - scopes[key->scope].keys);
}

const struct key_list *hulse_key_list(enum key_scope scope)
{
    HULSE_ASSERT(scope != KEY_GLOBAL);
    return &lists[scope];
}

enum key_scope hulse_key_list_find(const char *name)
{
    for (enum key_scope scope = KEY_GLOBAL + 1; scope < KEY_SCOPES; scope++) {
        if (strcmp(lists[scope].path, name) == 0) {
            return scope;
        }
    }
    return KEY_GLOBAL;
}
