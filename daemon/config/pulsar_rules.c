/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar_rules - see the header.
 */
#include "daemon/config/pulsar_rules.h"

#include "daemon/config/body.h"
#include "daemon/config/key.h"
#include "daemon/core/assert.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void hulse_config_choose_broker(struct config *c, struct config_problems *problems)
{
    const char *found = NULL;

    if (c->origins[hulse_key_index(hulse_key_find(KEY_GLOBAL, "default_broker"))].kind !=
        CONFIG_ORIGIN_DEFAULT) {
        return;
    }
    for (size_t i = 0; i < c->broker_count; i++) {
        if (c->brokers[i].type != CONFIG_BROKER_PULSAR) {
            continue;
        }
        if (found != NULL) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "type"),
                              "default_broker is missing: brokers.%s and brokers.%s are both of "
                              "type pulsar",
                              found,
                              c->brokers[i].name);
            break;
        }
        found = c->brokers[i].name;
    }
    if (found != NULL) {
        (void)snprintf(c->default_broker, sizeof(c->default_broker), "%s", found);
    }
}

struct pair {
    const char *path;
    const char *text;
};

static void complain(const struct config *c,
                     size_t index,
                     const char *path,
                     struct config_problems *problems,
                     const char *what)
{
    hulse_problem_add(problems,
                      hulse_body_place_of(c, KEY_BROKER, index, path),
                      "brokers.%s: %s",
                      c->brokers[index].name,
                      what);
}

/* All of them are given, or none. The first that is given has the place. */
static void check_together(const struct config *c,
                           size_t index,
                           const struct pair *pairs,
                           size_t count,
                           const char *what,
                           struct config_problems *problems)
{
    const struct pair *given = NULL;
    bool all = true;

    for (size_t i = 0; i < count; i++) {
        given = given == NULL && pairs[i].text[0] != '\0' ? &pairs[i] : given;
        all = all && pairs[i].text[0] != '\0';
    }
    if (given != NULL && !all) {
        complain(c, index, given->path, problems, what);
    }
}

/* What is shown to its brokers has one source. */
static void check_one(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    const struct pair sources[] = {
        {"auth.token", b->auth.token},
        {"auth.token_file", b->auth.token_file},
        {"auth.token_command", b->auth.token_command},
        {"auth.oauth2.issuer", b->auth.oauth2.issuer},
        {"auth.basic.user", b->auth.basic.user},
        {"auth.athenz.zts_url", b->auth.athenz.zts_url},
        {"auth.kerberos.principal", b->auth.kerberos.principal},
    };
    const char *first = NULL;

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (sources[i].text[0] != '\0' && first != NULL) {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, index, sources[i].path),
                              "brokers.%s: %s and %s are both given",
                              b->name,
                              first,
                              sources[i].path);
        } else if (sources[i].text[0] != '\0') {
            first = sources[i].path;
        }
    }
}

static void check_oauth2(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    const struct pair needed[] = {
        {"auth.oauth2.issuer", b->auth.oauth2.issuer},
        {"auth.oauth2.client_id", b->auth.oauth2.client_id},
        {"auth.oauth2.client_secret_file", b->auth.oauth2.client_secret_file},
    };
    const struct pair more[] = {
        {"auth.oauth2.audience", b->auth.oauth2.audience},
        {"auth.oauth2.scope", b->auth.oauth2.scope},
        {"auth.oauth2.ca_file", b->auth.oauth2.ca_file},
    };

    check_together(c,
                   index,
                   needed,
                   3,
                   "auth.oauth2 needs issuer, client_id and client_secret_file",
                   problems);
    for (size_t i = 0; b->auth.oauth2.issuer[0] == '\0' && i < 3; i++) {
        if (more[i].text[0] != '\0') {
            complain(c, index, more[i].path, problems, "auth.oauth2 needs an issuer");
        }
    }
    if (strncasecmp(b->auth.oauth2.issuer, "http://", 7) == 0) {
        hulse_problem_warn(problems,
                           hulse_body_place_of(c, KEY_BROKER, index, "auth.oauth2.issuer"),
                           "brokers.%s: the client's secret goes to auth.oauth2.issuer without TLS",
                           b->name);
    }
}

static void check_athenz(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    const bool certified = b->auth.athenz.cert_file[0] != '\0';
    const struct pair needed[] = {
        {"auth.athenz.zts_url", b->auth.athenz.zts_url},
        {"auth.athenz.provider_domain", b->auth.athenz.provider_domain},
        {"auth.athenz.private_key_file", b->auth.athenz.private_key_file},
        {"auth.athenz.tenant_domain", b->auth.athenz.tenant_domain},
        {"auth.athenz.tenant_service", b->auth.athenz.tenant_service},
    };
    const struct pair more[] = {
        {"auth.athenz.cert_file", b->auth.athenz.cert_file},
        {"auth.athenz.ca_file", b->auth.athenz.ca_file},
        {"auth.athenz.key_id", b->auth.athenz.key_id},
        {"auth.athenz.principal_header", b->auth.athenz.principal_header},
        {"auth.athenz.role_header", b->auth.athenz.role_header},
    };

    check_together(c,
                   index,
                   needed,
                   certified ? 3 : 5,
                   "auth.athenz needs zts_url, provider_domain, private_key_file and, without "
                   "cert_file, tenant_domain and tenant_service",
                   problems);
    for (size_t i = 0; b->auth.athenz.zts_url[0] == '\0' && i < sizeof(more) / sizeof(more[0]);
         i++) {
        if (more[i].text[0] != '\0') {
            complain(c, index, more[i].path, problems, "auth.athenz needs a zts_url");
        }
    }
    for (size_t i = 3; certified && i < 5; i++) {
        if (needed[i].text[0] != '\0') {
            complain(c,
                     index,
                     needed[i].path,
                     problems,
                     "with auth.athenz.cert_file the certificate says who the daemon is");
        }
    }
    if (strncasecmp(b->auth.athenz.zts_url, "http://", 7) != 0) {
        return;
    }
    if (certified) {
        complain(c,
                 index,
                 "auth.athenz.zts_url",
                 problems,
                 "auth.athenz.cert_file needs a zts_url with https://");
    } else {
        hulse_problem_warn(problems,
                           hulse_body_place_of(c, KEY_BROKER, index, "auth.athenz.zts_url"),
                           "brokers.%s: tokens come from auth.athenz.zts_url without TLS",
                           b->name);
    }
}

static void check_kerberos(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    const struct pair needed[] = {
        {"auth.kerberos.principal", b->auth.kerberos.principal},
        {"auth.kerberos.keytab_file", b->auth.kerberos.keytab_file},
    };

    check_together(c, index, needed, 2, "auth.kerberos needs principal and keytab_file", problems);
    if (b->auth.kerberos.principal[0] == '\0' && b->auth.kerberos.service[0] != '\0') {
        complain(c, index, "auth.kerberos.service", problems, "auth.kerberos needs a principal");
    }
    if (b->auth.kerberos.principal[0] != '\0' && strncasecmp(b->service_url, "http", 4) == 0) {
        complain(
            c,
            index,
            "service_url",
            problems,
            "there is no login by auth.kerberos over HTTP; it needs pulsar:// or pulsar+ssl://");
    }
    if (b->auth.kerberos.principal[0] != '\0' && b->admin_url[0] != '\0') {
        hulse_problem_warn(problems,
                           hulse_body_place_of(c, KEY_BROKER, index, "admin_url"),
                           "brokers.%s: there is no login by auth.kerberos to admin_url, which "
                           "gets none",
                           b->name);
    }
}

static void check_auth(const struct config *c, size_t index, struct config_problems *problems)
{
    const struct config_broker *b = &c->brokers[index];
    const struct pair tls[] = {
        {"auth.tls.cert_file", b->auth.tls.cert_file},
        {"auth.tls.key_file", b->auth.tls.key_file},
    };
    const struct pair basic[] = {
        {"auth.basic.user", b->auth.basic.user},
        {"auth.basic.password_file", b->auth.basic.password_file},
    };

    check_one(c, index, problems);
    check_oauth2(c, index, problems);
    check_athenz(c, index, problems);
    check_kerberos(c, index, problems);
    check_together(c, index, tls, 2, "auth.tls needs cert_file and key_file", problems);
    check_together(c, index, basic, 2, "auth.basic needs user and password_file", problems);
}

/* A key that only the other types have. */
static void check_foreign(const struct config *c, size_t index, struct config_problems *problems)
{
    const bool pulsar = c->brokers[index].type == CONFIG_BROKER_PULSAR;
    struct config_broker defaults;

    hulse_config_broker_defaults(&defaults);

    for (size_t i = 0; i < hulse_key_count(KEY_BROKER); i++) {
        const struct key *key = hulse_key_at(KEY_BROKER, i);
        const struct config_origin *origin = hulse_body_origin(c, KEY_BROKER, index, key);
        const bool of_stores = (key->flags & KEY_STORE) != 0;
        if (strcmp(key->path, "type") != 0 && of_stores == pulsar &&
            !hulse_key_equal(key, &c->brokers[index], &defaults)) {
            hulse_problem_add(problems,
                              hulse_body_place(origin),
                              "brokers.%s.%s: only a broker of type %s has it",
                              c->brokers[index].name,
                              key->path,
                              pulsar ? "local" : "pulsar");
        }
    }
}

void hulse_pulsar_rules_check(const struct config *c, struct config_problems *problems)
{
    for (size_t i = 0; i < c->broker_count; i++) {
        const struct config_broker *b = &c->brokers[i];
        check_foreign(c, i, problems);
        if (b->type != CONFIG_BROKER_PULSAR) {
            continue;
        }
        if (b->service_url[0] == '\0') {
            hulse_problem_add(problems,
                              hulse_body_place_of(c, KEY_BROKER, i, "type"),
                              "brokers.%s: service_url is missing",
                              b->name);
        }
        check_auth(c, i, problems);
    }
    for (size_t i = 0; i < c->topic_count; i++) {
        if (c->topics[i].publish.dedup && c->topics[i].publish.send_timeout_ms != 0) {
            hulse_problem_warn(problems,
                               hulse_body_place_of(c, KEY_TOPIC, i, "publish.dedup"),
                               "topics.%zu: with publish.dedup a message that failed by "
                               "send_timeout may be stored all the same; 0s waits for the verdict",
                               i);
        }
    }
}
