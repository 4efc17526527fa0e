/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - see usage.h.
 */
#include "bench/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KB_PER_MB 1024.0

/* Value behind "NAME:" in a file of /proc, most of them in kB, or -1. */
static double field(const char *file, const char *name)
{
    char line[256];
    double kb = -1;

    FILE *f = fopen(file, "re");
    if (f == NULL) {
        return -1;
    }
    const size_t bytes = strlen(name);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, bytes) == 0 && line[bytes] == ':') {
            kb = strtod(line + bytes + 1, NULL);
            break;
        }
    }
    (void)fclose(f);
    return kb;
}

bool hulse_bench_usage_memory(pid_t pid, struct usage *out)
{
    char smaps[64];
    char status[64];

    (void)snprintf(smaps, sizeof smaps, "/proc/%d/smaps_rollup", (int)pid);
    (void)snprintf(status, sizeof status, "/proc/%d/status", (int)pid);
    const double rss = field(status, "VmRSS");
    if (rss < 0) {
        return false;
    }
    const double pss = field(smaps, "Pss");
    out->rss_mb = rss / KB_PER_MB;
    out->pss_mb = pss < 0 ? -1 : pss / KB_PER_MB;
    out->anon_shmem_mb = (field(status, "RssAnon") + field(status, "RssShmem")) / KB_PER_MB;
    return true;
}

double hulse_bench_usage_written(pid_t pid)
{
    char io[64];

    (void)snprintf(io, sizeof io, "/proc/%d/io", (int)pid);
    return field(io, "write_bytes");
}

uint64_t hulse_bench_usage_cpu_ns(pid_t pid)
{
    clockid_t clock = 0;
    struct timespec t = {0};

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return ((uint64_t)t.tv_sec * 1000000000ULL) + (uint64_t)t.tv_nsec;
}
