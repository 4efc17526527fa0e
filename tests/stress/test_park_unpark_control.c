/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: serial timeout=180 not=tsan not=asan not=coverage */
/*
 * Goal:   S5, the negative control of S4: without the fences a wake is lost, or S4 is blind.
 * Method: the same source with hulse_doorbell_fence() made a compiler fence, on two CPUs, until the
 *         first lost wake or until the budget of messages is used up. Sanitizers order more than
 *         the program asks for, so the control is not built with them.
 */
#define HULSE_DOORBELL_WITHOUT_FENCES 1
#include "tests/stress/park_unpark.h"

#define BUDGET_MESSAGES 3000000U
#define GRACE_MS 1000

int main(void)
{
    struct park_run run = {.messages = BUDGET_MESSAGES, .grace_ms = GRACE_MS, .stop_at_miss = true};
    int cpus[2] = {0, 0};

    if (park_cpus(cpus) < 2) {
        (void)puts("skipped: one CPU keeps its own order, two are needed");
        return 77;
    }
    run.cpu_daemon = cpus[0];
    run.cpu_app = cpus[1];
    if (park_unpark(&run, "without fences") == 0) {
        (void)fprintf(stderr, "failed: blind: no wake was lost without fences\n");
        return 1;
    }
    return 0;
}
