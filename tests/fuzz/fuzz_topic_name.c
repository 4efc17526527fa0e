/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_topic_name - any text as a topic name: judged without reading beyond it, and what is
 * accepted is whole, within its limit and parses to itself.
 */
#include "daemon/core/assert.h"
#include "daemon/table/topic_name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct topic_name *name)
{
    HULSE_ASSERT(memchr(name->full, '\0', sizeof(name->full)) != NULL);
    HULSE_ASSERT(name->tenant_at < name->namespace_at && name->namespace_at < name->name_at);
    HULSE_ASSERT(name->name_at < strlen(name->full));
    HULSE_ASSERT(strchr(name->full + name->name_at, '/') == NULL);
    for (const char *c = name->full; *c != '\0'; c++) {
        HULSE_ASSERT((uint8_t)*c >= 0x20 && *c != 0x7f);
    }
}

static void check_again(const struct topic_name *name)
{
    struct topic_name again;
    const char *why = NULL;
    HULSE_ASSERT(hulse_topic_name_parse(&again, name->full, NULL, &why));
    HULSE_ASSERT(strcmp(name->full, again.full) == 0 && name->persistent == again.persistent);
    HULSE_ASSERT(name->tenant_at == again.tenant_at && name->name_at == again.name_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct topic_name name;
    const char *why = NULL;
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (hulse_topic_name_parse(&name, text, "public/default", &why)) {
        HULSE_ASSERT(why == NULL);
        check_parts(&name);
        check_again(&name);
    } else {
        HULSE_ASSERT(why != NULL);
    }
    free(text);
    return 0;
}
