/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - how soon a publisher goes on when its daemon was killed and the next one was started.
 */
#ifndef HULSE_BENCH_RESUME_H
#define HULSE_BENCH_RESUME_H

#include "bench/disk.h"
#include "bench/run.h"

/*
 * Kills the daemon o->kills times under a publisher, then reads everything back. Gives BENCH_OK, or
 * an exit code after having said why.
 */
int hulse_bench_resume(const struct run *run, const struct disk *disk, struct figures *f);

#endif
