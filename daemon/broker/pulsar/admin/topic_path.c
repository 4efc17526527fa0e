/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_path - see the header.
 */
#include "daemon/broker/pulsar/admin/topic_path.h"

#include <stdio.h>
#include <string.h>

void hulse_rest_path_init(struct rest_path *p)
{
    p->text[0] = '\0';
    p->bytes = 0;
    p->whole = true;
}

static void put(struct rest_path *p, const char *text, size_t bytes)
{
    if (!p->whole || bytes >= sizeof(p->text) - p->bytes) {
        p->whole = false;
        return;
    }
    memcpy(p->text + p->bytes, text, bytes);
    p->bytes += bytes;
    p->text[p->bytes] = '\0';
}

void hulse_rest_path_add(struct rest_path *p, const char *text)
{
    put(p, text, strlen(text));
}

/* RFC 3986, 2.3. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void put_encoded(struct rest_path *p, const char *text, size_t bytes, bool all)
{
    for (size_t i = 0; i < bytes; i++) {
        char code[4];
        if (is_unreserved(text[i]) && !all) {
            put(p, &text[i], 1);
        } else {
            (void)snprintf(code, sizeof(code), "%%%02X", (unsigned)(unsigned char)text[i]);
            put(p, code, 3);
        }
    }
}

void hulse_rest_path_segment(struct rest_path *p, const char *text, size_t bytes)
{
    /* A segment of dots alone would be taken for a way up (RFC 3986, 5.2.4). */
    const bool dots = bytes > 0 && bytes <= 2 && strspn(text, ".") >= bytes;

    put(p, "/", 1);
    put_encoded(p, text, bytes, dots);
}

void hulse_rest_path_query(struct rest_path *p, const char *name, const char *value)
{
    put(p, strchr(p->text, '?') == NULL ? "?" : "&", 1);
    hulse_rest_path_add(p, name);
    put(p, "=", 1);
    put_encoded(p, value, strlen(value), false);
}

bool hulse_rest_path_topic(struct rest_path *p, const char *root, const char *full_name)
{
    const char *domain_end = strstr(full_name, "://");
    const char *tenant = domain_end == NULL ? NULL : domain_end + 3;
    const char *tenant_end = tenant == NULL ? NULL : strchr(tenant, '/');
    const char *space_end = tenant_end == NULL ? NULL : strchr(tenant_end + 1, '/');

    if (space_end == NULL || space_end[1] == '\0') {
        return false;
    }
    if (root != NULL) {
        hulse_rest_path_segment(p, root, strlen(root));
    } else {
        hulse_rest_path_segment(p, full_name, (size_t)(domain_end - full_name));
    }
    hulse_rest_path_segment(p, tenant, (size_t)(tenant_end - tenant));
    hulse_rest_path_segment(p, tenant_end + 1, (size_t)(space_end - tenant_end - 1));
    hulse_rest_path_segment(p, space_end + 1, strlen(space_end + 1));
    return p->whole;
}

void hulse_rest_path_namespace(struct rest_path *p, const char *name)
{
    const char *slash = strchr(name, '/');
    const size_t tenant = slash == NULL ? strlen(name) : (size_t)(slash - name);

    hulse_rest_path_segment(p, name, tenant);
    if (slash != NULL) {
        hulse_rest_path_segment(p, slash + 1, strlen(slash + 1));
    }
}
