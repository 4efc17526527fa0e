/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assert - checks of our own invariants, always compiled in, and the role of a thread.
 *
 * Nothing that came from a socket, a file or shared memory reaches an assertion.
 *
 * Threads: any. The role is thread-local and set once, when the thread starts.
 */
#ifndef HULSE_CORE_ASSERT_H
#define HULSE_CORE_ASSERT_H

/* Which kind of thread this is; a function with a `Thread:` line asserts it. */
enum role { HULSE_ROLE_NONE = 0, HULSE_ROLE_CONTROL, HULSE_ROLE_WORKER, HULSE_ROLE_LOG };

/* Prints the place and the expression on stderr and aborts. */
_Noreturn void hulse_assert_failed(const char *file, int line, const char *what);

enum role hulse_role(void);
void hulse_role_set(enum role role);

#define HULSE_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            hulse_assert_failed(__FILE__, __LINE__, #condition);                                   \
        }                                                                                          \
    } while (0)

#define HULSE_ASSERT_ROLE(expected) HULSE_ASSERT(hulse_role() == (expected))

/* Costs more than a few loads: only in debug and sanitizer builds. */
#ifdef HULSE_DEBUG
#define HULSE_DASSERT(condition) HULSE_ASSERT(condition)
#else
#define HULSE_DASSERT(condition)                                                                   \
    do {                                                                                           \
        if (0 && (condition)) {                                                                    \
        }                                                                                          \
    } while (0)
#endif

/* The struct that embeds `member` at `pointer`. */
#define HULSE_CONTAINER(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
