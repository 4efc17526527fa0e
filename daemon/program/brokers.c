/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers - see the header.
 */
#include "daemon/program/brokers.h"

#include "daemon/broker/local/local.h"
#include "daemon/broker/null/null.h"
#include "daemon/broker/pulsar/pulsar.h"
#include "daemon/config/directory.h"
#include "daemon/control/token.h"
#include "daemon/core/assert.h"
#include "daemon/store/directory.h"

#include <assert.h>
#include <string.h>

/* A file is looked at so often, a command is run again so soon when its token does not say how long it lasts. */
#define TOKEN_PERIOD_MS 10000U
/* Of a command, and of an issuer. */
#define TOKEN_TIMEOUT_MS 10000U
/* An issuer that does not say how long its token lasts is asked again so soon. */
#define ISSUER_PERIOD_MS 300000U

static_assert(HULSE_CONFIG_BROKERS_MAX == HULSE_FLOW_BROKERS_MAX, "every broker has its place");

void hulse_brokers_destroy(const struct config *config, struct flow *flow)
{
    for (unsigned i = 0; i < flow->broker_count; i++) {
        switch ((enum config_broker_type)config->brokers[i].type) {
        case CONFIG_BROKER_LOCAL:
            hulse_local_destroy(&flow->brokers[i]);
            break;
        case CONFIG_BROKER_NULL:
            hulse_null_destroy(&flow->brokers[i]);
            break;
        case CONFIG_BROKER_PULSAR:
            hulse_pulsar_destroy(&flow->brokers[i]);
            break;
        }
    }
    flow->broker_count = 0;
}

static struct broker *
make_local(const struct config *config, const struct config_broker *wanted, struct error *err)
{
    struct local_params local;

    hulse_local_params_default(&local);
    local.message_bytes_max = (uint32_t)config->message_max;
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

/* NULL for none. */
static const char *text_of(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* NULL for those of the system. */
static const char *authorities_of(const char *text)
{
    return strcmp(text, "system") == 0 ? NULL : text_of(text);
}

static struct oauth2_params oauth2_of(const struct config_broker *wanted)
{
    return (struct oauth2_params){
        .issuer = wanted->auth.oauth2.issuer,
        .client_id = wanted->auth.oauth2.client_id,
        .client_secret_file = wanted->auth.oauth2.client_secret_file,
        .audience = text_of(wanted->auth.oauth2.audience),
        .scope = text_of(wanted->auth.oauth2.scope),
        .tls = {.ca_file = authorities_of(wanted->auth.oauth2.ca_file)},
    };
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text[0] == '\0' ? otherwise : text;
}

static struct athenz_params athenz_of(const struct config_broker *wanted)
{
    return (struct athenz_params){
        .zts_url = wanted->auth.athenz.zts_url,
        .provider_domain = wanted->auth.athenz.provider_domain,
        .tenant_domain = text_of(wanted->auth.athenz.tenant_domain),
        .tenant_service = text_of(wanted->auth.athenz.tenant_service),
        .private_key_file = wanted->auth.athenz.private_key_file,
        .key_id = text_or(wanted->auth.athenz.key_id, "0"),
        .cert_file = text_of(wanted->auth.athenz.cert_file),
        .ca_file = authorities_of(wanted->auth.athenz.ca_file),
        .principal_header = text_or(wanted->auth.athenz.principal_header, "Athenz-Principal-Auth"),
    };
}

static enum pulsar_auth auth_of(enum credential_kind kind)
{
    return kind == CREDENTIAL_BASIC    ? PULSAR_AUTH_BASIC
           : kind == CREDENTIAL_ATHENZ ? PULSAR_AUTH_ATHENZ
                                       : PULSAR_AUTH_TOKEN;
}

static bool wants_token(const struct config_broker *wanted, struct broker_token *token)
{
    struct credential_params *out = &token->source;

    *out = (struct credential_params){.period_ms = TOKEN_PERIOD_MS, .timeout_ms = TOKEN_TIMEOUT_MS};
    if (wanted->auth.token[0] != '\0') {
        out->kind = CREDENTIAL_TOKEN;
        out->text = wanted->auth.token;
    } else if (wanted->auth.token_file[0] != '\0') {
        out->kind = CREDENTIAL_FILE;
        out->text = wanted->auth.token_file;
    } else if (wanted->auth.token_command[0] != '\0') {
        out->kind = CREDENTIAL_COMMAND;
        out->text = wanted->auth.token_command;
    } else if (wanted->auth.basic.user[0] != '\0') {
        out->kind = CREDENTIAL_BASIC;
        out->text = wanted->auth.basic.password_file;
        out->user = wanted->auth.basic.user;
    } else if (wanted->auth.oauth2.issuer[0] != '\0') {
        token->oauth2 = oauth2_of(wanted);
        out->kind = CREDENTIAL_OAUTH2;
        out->oauth2 = &token->oauth2;
        out->period_ms = ISSUER_PERIOD_MS;
    } else if (wanted->auth.athenz.zts_url[0] != '\0') {
        token->athenz = athenz_of(wanted);
        out->kind = CREDENTIAL_ATHENZ;
        out->athenz = &token->athenz;
        out->period_ms = ISSUER_PERIOD_MS;
    }
    return out->kind != CREDENTIAL_NONE;
}

/* Whose connections are logged in to by a process each. */
static void want_login(const struct config_broker *wanted,
                       struct broker_tokens *tokens,
                       struct pulsar_params *p)
{
    struct kerberos_desk *login = &tokens->logins[tokens->login_count++];
    /* Whoever waits for the connection hears why there is none. */
    const uint64_t half_ms = (wanted->operation_timeout_ms + 1) / 2;

    *login = (struct kerberos_desk){
        .principal = wanted->auth.kerberos.principal,
        .keytab_file = wanted->auth.kerberos.keytab_file,
        .service = text_or(wanted->auth.kerberos.service, "broker"),
        .timeout_ms = half_ms < TOKEN_TIMEOUT_MS ? (uint32_t)half_ms : TOKEN_TIMEOUT_MS,
    };
    p->login = &login->desk;
}

static struct pulsar_tls_params tls_of(const struct config_broker *wanted)
{
    return (struct pulsar_tls_params){
        .ca_file = authorities_of(wanted->tls.ca_file),
        .cert_file = text_of(wanted->auth.tls.cert_file),
        .key_file = text_of(wanted->auth.tls.key_file),
        .any_host = !wanted->tls.verify_hostname,
        .version_1_3_alone = wanted->tls.min_version == CONFIG_TLS_1_3,
        .reconnect_every_ms = (uint32_t)wanted->tls.reconnect_every_ms,
    };
}

/* Which of its keys an error is about. */
static const char *key_of(const struct config_broker *wanted, const struct error *why)
{
    struct error unused = {0};
    bool tls = false;

    if (why->status != HULSE_INVAL) {
        return "";
    }
    return hulse_pulsar_url_check(wanted->service_url, &tls, &unused) != HULSE_OK ? ".service_url"
                                                                                  : ".admin_url";
}

/* What is put together in memory is there a second time as what goes on: a reserve stays for everything else. */
static uint32_t chunked_bytes_max(const struct config *config)
{
    const uint64_t memory = hulse_config_memory_max(config) / 8 * 3;

    return (uint32_t)(config->chunked_max < memory ? config->chunked_max : memory);
}

static struct broker *make_pulsar(const struct config *config,
                                  const struct config_broker *wanted,
                                  struct broker_tokens *tokens,
                                  struct http_client *http,
                                  struct error *err)
{
    struct pulsar_params p;
    struct broker_token *token = &tokens->all[tokens->count];

    hulse_pulsar_params_default(&p);
    p.service_url = wanted->service_url;
    p.admin_url = text_of(wanted->admin_url);
    p.http = http;
    p.listener = text_of(wanted->listener);
    p.daemon_name = config->name;
    p.connect_timeout_ms = (uint32_t)wanted->connect_timeout_ms;
    p.operation_timeout_ms = (uint32_t)wanted->operation_timeout_ms;
    p.keep_alive_ms = (uint32_t)wanted->keep_alive_ms;
    p.partitions_refresh_ms = (uint32_t)wanted->partitions_refresh_ms;
    p.topics_refresh_ms = (uint32_t)wanted->topics_refresh_ms;
    p.message_bytes_max = (uint32_t)config->message_max;
    p.chunked_bytes_max = chunked_bytes_max(config);
    p.tls = tls_of(wanted);
    *token = (struct broker_token){.broker = wanted->name};
    if (wants_token(wanted, token)) {
        p.auth = auth_of(token->source.kind);
        p.role_header = text_or(wanted->auth.athenz.role_header, "Athenz-Role-Auth");
        p.token = &token->slot;
        p.token_trouble = &token->trouble;
        p.refused = hulse_broker_token_refused;
        p.refused_context = token;
        tokens->count++;
    }
    if (wanted->auth.kerberos.principal[0] != '\0') {
        want_login(wanted, tokens, &p);
    }
    struct error why = {0};
    struct broker *b = hulse_pulsar_create(wanted->name, &p, &why);
    if (b == NULL) {
        (void)hulse_fail(
            err, why.status, "brokers.%s%s: %s", wanted->name, key_of(wanted, &why), why.text);
    }
    return b;
}

static struct broker *make_broker(const struct config *config,
                                  const struct config_broker *wanted,
                                  struct broker_tokens *tokens,
                                  struct http_client *http,
                                  struct error *err)
{
    switch ((enum config_broker_type)wanted->type) {
    case CONFIG_BROKER_NULL:
        return hulse_null_create(wanted->name, (uint32_t)config->message_max, err);
    case CONFIG_BROKER_PULSAR:
        return make_pulsar(config, wanted, tokens, http, err);
    case CONFIG_BROKER_LOCAL:
        break;
    }
    return make_local(config, wanted, err);
}

static hulse_status
look_at_store(const struct config *config, const struct config_broker *wanted, struct error *err)
{
    char directory[HULSE_CONFIG_DIRECTORY_BYTES];

    if (!hulse_config_has_store(wanted) ||
        !hulse_config_directory(config, wanted, directory, sizeof(directory))) {
        return HULSE_OK;
    }
    const hulse_status st = hulse_config_directory_check(wanted, directory, err);
    return st == HULSE_OK ? hulse_directory_look(directory, err) : st;
}

/* Its own certificate's files after those of whom it trusts, so that each has its key named. */
static hulse_status
look_at_tls(const struct config_broker *wanted, const char **path, struct error *err)
{
    const struct pulsar_tls_params all = tls_of(wanted);
    struct pulsar_tls_params trusted = all;

    trusted.cert_file = NULL;
    trusted.key_file = NULL;
    *path = "tls.ca_file";
    const hulse_status st = hulse_pulsar_tls_check(&trusted, err);
    if (st != HULSE_OK) {
        return st;
    }
    *path = "auth.tls.cert_file";
    return hulse_pulsar_tls_check(&all, err);
}

typedef hulse_status parse_secret(struct token *out, char *text, size_t bytes, struct error *err);

static hulse_status parse_token(struct token *out, char *text, size_t bytes, struct error *err)
{
    return hulse_token_parse(out, text, bytes, err);
}

static hulse_status parse_password(struct token *out, char *text, size_t bytes, struct error *err)
{
    return hulse_token_parse_password(out, text, bytes, err);
}

static hulse_status look_at_secret(const char *file, parse_secret *parse, struct error *err)
{
    char text[HULSE_TOKEN_BYTES_MAX + 64];
    size_t bytes = 0;
    struct token token;
    hulse_status st = HULSE_OK;

    if (file[0] == '\0') {
        return HULSE_OK;
    }
    st = hulse_token_read(file, text, sizeof(text), &bytes, err);
    if (st == HULSE_OK) {
        st = parse(&token, text, bytes, err);
    }
    explicit_bzero(text, bytes);
    return st;
}

static hulse_status
look_at_athenz(const struct config_broker *wanted, const char **path, struct error *err)
{
    const struct pulsar_tls_params zts = {
        .ca_file = authorities_of(wanted->auth.athenz.ca_file),
    };
    struct pulsar_tls_params tenant = zts;
    hulse_status st = HULSE_OK;

    *path = "auth.athenz.private_key_file";
    if (wanted->auth.athenz.private_key_file[0] != '\0') {
        st = hulse_athenz_key_check(wanted->auth.athenz.private_key_file, err);
    }
    if (st == HULSE_OK && zts.ca_file != NULL) {
        *path = "auth.athenz.ca_file";
        st = hulse_pulsar_tls_check(&zts, err);
    }
    tenant.cert_file = text_of(wanted->auth.athenz.cert_file);
    tenant.key_file = wanted->auth.athenz.private_key_file;
    if (st == HULSE_OK && tenant.cert_file != NULL) {
        *path = "auth.athenz.cert_file";
        st = hulse_pulsar_tls_check(&tenant, err);
    }
    return st;
}

/* Those that are there while the daemon starts; what a command prints or an issuer gives is not known yet. */
static hulse_status
look_at_secrets(const struct config_broker *wanted, const char **path, struct error *err)
{
    const struct pulsar_tls_params issuer = {.ca_file =
                                                 authorities_of(wanted->auth.oauth2.ca_file)};

    *path = "auth.token_file";
    hulse_status st = look_at_secret(wanted->auth.token_file, parse_token, err);
    if (st == HULSE_OK) {
        *path = "auth.basic.password_file";
        st = look_at_secret(wanted->auth.basic.password_file, parse_password, err);
    }
    if (st == HULSE_OK) {
        *path = "auth.oauth2.client_secret_file";
        st = look_at_secret(wanted->auth.oauth2.client_secret_file, hulse_token_parse_client, err);
    }
    if (st == HULSE_OK && issuer.ca_file != NULL) {
        *path = "auth.oauth2.ca_file";
        st = hulse_pulsar_tls_check(&issuer, err);
    }
    if (st == HULSE_OK && wanted->auth.kerberos.keytab_file[0] != '\0') {
        *path = "auth.kerberos.keytab_file";
        st = hulse_kerberos_check(wanted->auth.kerberos.keytab_file, err);
    }
    return st == HULSE_OK ? look_at_athenz(wanted, path, err) : st;
}

static hulse_status
look_at_cluster(const struct config_broker *wanted, const char **path, struct error *err)
{
    bool tls = false;

    *path = "service_url";
    hulse_status st = hulse_pulsar_url_check(wanted->service_url, &tls, err);
    if (st == HULSE_OK && wanted->admin_url[0] != '\0') {
        bool admin_tls = false;
        *path = "admin_url";
        st = hulse_pulsar_admin_url_check(wanted->admin_url, &admin_tls, err);
        tls = tls || admin_tls;
    }
    if (st == HULSE_OK && tls) {
        st = look_at_tls(wanted, path, err);
    }
    return st == HULSE_OK ? look_at_secrets(wanted, path, err) : st;
}

hulse_status hulse_brokers_look(const struct config *config,
                                const struct config_broker *wanted,
                                const char **path,
                                struct error *err)
{
    struct error why = {0};

    *path = "directory";
    const hulse_status st = wanted->type == CONFIG_BROKER_PULSAR
                                ? look_at_cluster(wanted, path, &why)
                                : look_at_store(config, wanted, &why);
    return st == HULSE_OK ? st
                          : hulse_fail(err, st, "brokers.%s.%s: %s", wanted->name, *path, why.text);
}

hulse_status hulse_brokers_make(const struct config *config,
                                struct flow *flow,
                                struct broker_tokens *tokens,
                                struct http_client *http,
                                struct error *err)
{
    tokens->count = 0;
    tokens->login_count = 0;
    *flow = (struct flow){
        .default_namespace = config->default_namespace,
        .service = config->name,
        .message_bytes_max = (uint32_t)config->message_max,
        .chunked_bytes_max = chunked_bytes_max(config),
    };
    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *wanted = &config->brokers[i];
        flow->brokers[i] = make_broker(config, wanted, tokens, http, err);
        if (flow->brokers[i] == NULL) {
            hulse_brokers_destroy(config, flow);
            return err->status;
        }
        flow->broker_count++;
        if (strcmp(wanted->name, config->default_broker) == 0) {
            flow->default_broker = flow->brokers[i];
        }
    }
    return HULSE_OK;
}

struct store *hulse_brokers_store(const struct config *config, const struct flow *flow)
{
    struct store *found = NULL;

    for (size_t i = config->broker_count; i > 0; i--) {
        if (config->brokers[i - 1].type != CONFIG_BROKER_LOCAL) {
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
