/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=180 */
/*
 * Goal:   S4: no wake is ever lost, in either direction, on two CPUs and on one.
 * Method: park_unpark.h; half of the messages on each placement. HULSE_STRESS_MESSAGES or the first
 *         argument sets the count (a million for a long run).
 */
#include "tests/stress/park_unpark.h"

#define MESSAGES_DEFAULT 100000U
#define GRACE_MS 5000

int main(int argc, char **argv)
{
    const char *count = argc > 1 ? argv[1] : getenv("HULSE_STRESS_MESSAGES");
    const uint64_t messages = count != NULL ? strtoull(count, NULL, 10) : MESSAGES_DEFAULT;
    struct park_run run = {.messages = messages / 2, .grace_ms = GRACE_MS};
    int cpus[2] = {0, 0};
    uint64_t missed = 0;

    if (park_cpus(cpus) == 2) {
        run.cpu_daemon = cpus[0];
        run.cpu_app = cpus[1];
        missed += park_unpark(&run, "two CPUs");
    }
    run.cpu_daemon = cpus[0];
    run.cpu_app = cpus[0];
    missed += park_unpark(&run, "one CPU");
    if (missed != 0) {
        (void)fprintf(stderr, "failed: %llu wakes lost\n", (unsigned long long)missed);
        return 1;
    }
    return 0;
}
