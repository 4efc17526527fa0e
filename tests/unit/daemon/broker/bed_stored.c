/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/broker/bed_stored.h"

#include "tests/support/folder.h"
#include "tests/unit/daemon/broker/bed.h"

static char directory[BED_DIRECTORY_BYTES];
static struct local_params params;

struct local_params *hulse_stored_begin(void)
{
    hulse_bed_directory(directory);
    hulse_local_params_default(&params);
    params.directory = directory;
    params.segment_bytes = BED_SEGMENT_BYTES;
    params.size_max = BED_STORE_BYTES;
    return &params;
}

struct broker *hulse_stored_open(struct error *err)
{
    return hulse_local_create("local", &params, err);
}

struct broker *hulse_stored_reopen(struct broker **b, struct error *err)
{
    hulse_local_destroy(b);
    return hulse_stored_open(err);
}

void hulse_stored_end(void)
{
    (void)hulse_test_folder_remove(directory);
}
