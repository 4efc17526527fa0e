/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_url - see the header.
 */
#include "daemon/broker/pulsar/connection/service_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORT_MAX 65535U

/* What differs between the ways into a cluster. */
struct url_kind {
    const char *name; /* with its article */
    const char *scheme;
    const char *scheme_tls;
    uint16_t port;
    uint16_t port_tls;
};

static const struct url_kind service_kind = {
    "a service URL", "pulsar://", "pulsar+ssl://", 6650, 6651};
static const struct url_kind admin_kind = {"an admin URL", "http://", "https://", 8080, 8443};

struct text {
    const char *data;
    size_t bytes;
};

/* Takes what stands before the first of `ends`, and that one too. */
static struct text take_until(struct text *rest, const char *ends)
{
    size_t bytes = 0;

    while (bytes < rest->bytes && strchr(ends, rest->data[bytes]) == NULL) {
        bytes++;
    }
    const struct text taken = {.data = rest->data, .bytes = bytes};
    const size_t gone = bytes < rest->bytes ? bytes + 1 : bytes;
    rest->data += gone;
    rest->bytes -= gone;
    return taken;
}

static hulse_status bad(struct error *err, const char *url, const char *what, struct text where)
{
    return hulse_fail(err,
                      HULSE_INVAL,
                      "%s in the URL: \"%.*s\" of \"%.100s\"",
                      what,
                      (int)(where.bytes < 60 ? where.bytes : 60),
                      where.data,
                      url);
}

static bool take_name(struct pulsar_host *out, struct text name)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    if (name.bytes == 0 || name.bytes >= sizeof(out->name)) {
        return false;
    }
    memcpy(out->name, name.data, name.bytes);
    out->name[name.bytes] = '\0';
    if (strspn(out->name, "0123456789.") == name.bytes) {
        struct in_addr v4;
        return inet_pton(AF_INET, out->name, &v4) == 1; /* no name has only digits */
    }
    return strspn(out->name, chars) == name.bytes && out->name[0] != '.' && out->name[0] != '-';
}

/* Without its brackets. */
static bool take_ipv6(struct pulsar_host *out, struct text address)
{
    struct in6_addr v6;

    if (address.bytes == 0 || address.bytes >= INET6_ADDRSTRLEN) {
        return false;
    }
    memcpy(out->name, address.data, address.bytes);
    out->name[address.bytes] = '\0';
    return inet_pton(AF_INET6, out->name, &v6) == 1;
}

static bool take_port(uint16_t *out, struct text digits)
{
    uint32_t port = 0;

    if (digits.bytes == 0 || digits.bytes > 5) {
        return false;
    }
    for (size_t i = 0; i < digits.bytes; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        port = 10 * port + (uint32_t)(digits.data[i] - '0');
    }
    *out = (uint16_t)port;
    return port > 0 && port <= PORT_MAX;
}

static hulse_status
take_host(const char *url, struct text text, struct pulsar_host *out, struct error *err)
{
    const struct text whole = text;
    bool fine = false;

    if (text.bytes > 0 && text.data[0] == '[') {
        text.data++;
        text.bytes--;
        const struct text address = take_until(&text, "]");
        fine = address.data + address.bytes < whole.data + whole.bytes && take_ipv6(out, address);
    } else {
        const struct text name = {.data = text.data, .bytes = take_until(&text, ":").bytes};
        text.data = name.data + name.bytes;
        text.bytes = (size_t)(whole.data + whole.bytes - text.data);
        fine = take_name(out, name);
    }
    if (!fine) {
        return bad(err, url, whole.bytes == 0 ? "a host is missing" : "not a host", whole);
    }
    if (text.bytes == 0) {
        return HULSE_OK;
    }
    if (text.data[0] != ':' ||
        !take_port(&out->port, (struct text){.data = text.data + 1, .bytes = text.bytes - 1})) {
        return bad(err, url, "not a port (1 to 65535)", text);
    }
    return HULSE_OK;
}

static hulse_status take_scheme(const struct url_kind *kind,
                                const char *url,
                                struct text *rest,
                                struct service_url *out,
                                struct error *err)
{
    if (strncasecmp(url, kind->scheme, strlen(kind->scheme)) == 0) {
        out->tls = false;
        rest->data = url + strlen(kind->scheme);
    } else if (strncasecmp(url, kind->scheme_tls, strlen(kind->scheme_tls)) == 0) {
        out->tls = true;
        rest->data = url + strlen(kind->scheme_tls);
    } else {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "%s begins with %s or %s: \"%.100s\"",
                          kind->name,
                          kind->scheme,
                          kind->scheme_tls,
                          url);
    }
    rest->bytes = strlen(rest->data);
    return HULSE_OK;
}

static hulse_status
parse(const struct url_kind *kind, const char *text, struct service_url *out, struct error *err)
{
    struct text rest = {.data = ""};
    struct service_url url = {0};

    hulse_status st = take_scheme(kind, text, &rest, &url, err);
    if (st != HULSE_OK) {
        return st;
    }
    url.http = kind == &admin_kind;
    struct text hosts = take_until(&rest, "/?#");
    if (memchr(hosts.data, '@', hosts.bytes) != NULL) {
        /* Not repeated: it may be a password. */
        return hulse_fail(err, HULSE_INVAL, "%s has no user and no password", kind->name);
    }
    bool more = true;
    while (more) {
        const char *const end = hosts.data + hosts.bytes;
        const struct text one = take_until(&hosts, ",;");
        more = one.data + one.bytes < end;
        if (url.host_count == PULSAR_HOSTS_MAX) {
            return hulse_fail(
                err, HULSE_INVAL, "%s has at most %u hosts", kind->name, PULSAR_HOSTS_MAX);
        }
        struct pulsar_host *host = &url.hosts[url.host_count++];
        host->port = url.tls ? kind->port_tls : kind->port;
        st = take_host(text, one, host, err);
        if (st != HULSE_OK) {
            return st;
        }
    }
    *out = url;
    return HULSE_OK;
}

hulse_status hulse_service_url_parse(const char *text, struct service_url *out, struct error *err)
{
    return parse(&service_kind, text, out, err);
}

hulse_status hulse_admin_url_parse(const char *text, struct service_url *out, struct error *err)
{
    return parse(&admin_kind, text, out, err);
}

void hulse_pulsar_host_print(const struct pulsar_host *h, char out[PULSAR_HOST_TEXT_BYTES])
{
    const bool v6 = strchr(h->name, ':') != NULL;

    (void)snprintf(out,
                   PULSAR_HOST_TEXT_BYTES,
                   "%s%s%s:%u",
                   v6 ? "[" : "",
                   h->name,
                   v6 ? "]" : "",
                   (unsigned)h->port);
}

bool hulse_pulsar_host_same(const struct pulsar_host *a, const struct pulsar_host *b)
{
    return a->port == b->port && strcasecmp(a->name, b->name) == 0;
}
