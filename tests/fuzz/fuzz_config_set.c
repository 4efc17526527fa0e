/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any text as PATH=VALUE is stored or refused with a reason and then changes nothing;
 *         what is stored prints as a text that stores the same; so do numbers of every kind.
 * Method: the input as an assignment, and its part behind `=` as a count, size, duration and ratio.
 */
#include "daemon/config/slot.h"
#include "daemon/config/value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_numbers(const char *text)
{
    const char *why = NULL;
    char printed[64];
    uint64_t value = 0;
    uint64_t again = 0;

    if (hulse_value_size(text, &value, &why)) {
        hulse_value_print_size(printed, sizeof(printed), value);
        must(hulse_value_size(printed, &again, &why) && again == value);
    }
    if (hulse_value_duration(text, &value, &why)) {
        hulse_value_print_duration(printed, sizeof(printed), value);
        must(hulse_value_duration(printed, &again, &why) && again == value);
    }
    if (hulse_value_ratio(text, &value, &why)) {
        hulse_value_print_ratio(printed, sizeof(printed), value);
        must(hulse_value_ratio(printed, &again, &why) && again == value);
    }
    if (!hulse_value_count(text, &value, &why)) {
        must(why != NULL);
    }
}

/* What a path led to, printed and stored again. */
static void check_stored(struct config *c, const char *assignment)
{
    static char printed[8192];
    static char path[HULSE_SLOT_PATH_BYTES];
    struct config_slot slot;

    (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(assignment, "="), assignment);
    must(hulse_slot_find(c, "", path, &slot, NULL) == HULSE_OK);
    must(hulse_slot_origin(c, &slot)->kind == CONFIG_ORIGIN_FLAG);
    hulse_key_print(slot.key, hulse_slot_base(c, &slot), printed, sizeof(printed));
    if (slot.key->type == KEY_TEXT) {
        return; /* a copy elsewhere; the print is the text itself */
    }
    struct config copy = *c;
    void *base = slot.key->scope == KEY_GLOBAL ? &copy : hulse_slot_base(c, &slot);
    must(hulse_key_store(slot.key, base, NULL, printed, NULL) == HULSE_OK);
    must(slot.key->scope != KEY_GLOBAL || hulse_key_equal(slot.key, &copy, c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char *const no_environment[] = {NULL};
    struct config c;
    struct error err = {0};
    char *text = malloc(bytes + 1);

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    hulse_config_init(&c, no_environment);
    struct config before = c;
    if (hulse_config_set(&c, text, &err) == HULSE_OK) {
        check_stored(&c, text);
    } else {
        must(strlen(err.text) > 0);
        must(memcmp(&before, &c, offsetof(struct config, brokers)) == 0);
    }
    const char *equals = strchr(text, '=');
    check_numbers(equals == NULL ? text : equals + 1);
    hulse_config_fini(&c);
    free(text);
    return 0;
}
