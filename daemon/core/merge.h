/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge - how the numbers that several threads have of one thing become one.
 */
#ifndef HULSE_CORE_MERGE_H
#define HULSE_CORE_MERGE_H

enum merge { MERGE_SUM = 0, MERGE_LEAST, MERGE_MOST };

#endif
