/* SPDX-License-Identifier: Apache-2.0 */
/* What an application outside this tree does first. Built three ways by tests/package/run. */
#include <hulse/hulse.h>
#include <stddef.h>

int main(void)
{
    hulse_options *options = hulse_options_new();
    const int made = options != NULL;
    hulse_options_free(&options);
    return made && options == NULL ? 0 : 1;
}
