/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - see the header.
 */
#include "daemon/control/sandbox.h"

#include "daemon/control/sandbox_calls.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/thread.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

const char *hulse_sandbox_filter_name(enum sandbox_filter filter)
{
    static const char *const names[] = {"on", "off", "unavailable"};

    return names[filter];
}

#ifndef HULSE_SANITIZED

static const bool sanitized = false;

/* Without CLONE_NEWTIME, whose bit is part of the signal's number in this call. */
static const unsigned namespace_flags[] = {CLONE_NEWNS,
                                           CLONE_NEWCGROUP,
                                           CLONE_NEWUTS,
                                           CLONE_NEWIPC,
                                           CLONE_NEWUSER,
                                           CLONE_NEWPID,
                                           CLONE_NEWNET};

/* Libraries of another age know other calls; one without a number here cannot be made either. */
static int add(scmp_filter_ctx rules,
               uint32_t action,
               const char *call,
               unsigned count,
               const struct scmp_arg_cmp *arguments)
{
    const int number = seccomp_syscall_resolve_name(call);

    return number < 0 ? 0 : seccomp_rule_add_array(rules, action, number, count, arguments);
}

static int add_names(scmp_filter_ctx rules)
{
    int failed = 0;

    for (size_t i = 0; i < hulse_sandbox_allowed_count && failed == 0; i++) {
        failed = add(rules, SCMP_ACT_ALLOW, hulse_sandbox_allowed[i], 0, NULL);
    }
    for (size_t i = 0; i < hulse_sandbox_refused_count && failed == 0; i++) {
        failed = add(rules, SCMP_ACT_ERRNO(EPERM), hulse_sandbox_refused[i], 0, NULL);
    }
    return failed;
}

/* As 32 bits: the kernel does not look at the upper half, so the filter must not either. */
static struct scmp_arg_cmp bits(unsigned argument, unsigned mask, unsigned value)
{
    return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);
}

static int add_values(scmp_filter_ctx rules)
{
    int failed = 0;

    for (size_t i = 0; i < hulse_sandbox_value_count && failed == 0; i++) {
        const struct sandbox_value *v = &hulse_sandbox_values[i];
        const struct scmp_arg_cmp is = bits(v->argument, UINT32_MAX, v->value);
        failed = add(rules, SCMP_ACT_ALLOW, v->call, 1, &is);
    }
    return failed;
}

/* Threads yes, processes and namespaces no. The flags of clone3() are in memory, which a filter
   cannot read: it is not in the list, and glibc falls back to clone() when it gets ENOSYS. */
static int add_clone(scmp_filter_ctx rules)
{
    unsigned namespaces = 0;

    for (size_t i = 0; i < sizeof(namespace_flags) / sizeof(namespace_flags[0]); i++) {
        namespaces |= namespace_flags[i];
    }
    const struct scmp_arg_cmp thread = bits(0, CLONE_THREAD | namespaces, CLONE_THREAD);
    const struct scmp_arg_cmp process = bits(0, CLONE_THREAD, 0);
    int failed = add(rules, SCMP_ACT_ALLOW, "clone", 1, &thread);
    if (failed == 0) {
        failed = add(rules, SCMP_ACT_ERRNO(EPERM), "clone", 1, &process);
    }
    for (size_t i = 0; i < sizeof(namespace_flags) / sizeof(namespace_flags[0]) && failed == 0;
         i++) {
        /* With CLONE_THREAD; the rule above has those without. */
        const struct scmp_arg_cmp name =
            bits(0, CLONE_THREAD | namespace_flags[i], CLONE_THREAD | namespace_flags[i]);
        failed = add(rules, SCMP_ACT_ERRNO(EPERM), "clone", 1, &name);
    }
    return failed;
}

/* To the process itself alone: abort() sends one. */
static int add_signals(scmp_filter_ctx rules)
{
    static const char *const calls[] = {"kill", "tgkill"};
    const uint32_t self = (uint32_t)getpid();
    int failed = 0;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && failed == 0; i++) {
        failed = seccomp_rule_add(rules,
                                  SCMP_ACT_ALLOW,
                                  seccomp_syscall_resolve_name(calls[i]),
                                  1,
                                  SCMP_A0_32(SCMP_CMP_EQ, self));
        if (failed == 0) {
            failed = seccomp_rule_add(rules,
                                      SCMP_ACT_ERRNO(EPERM),
                                      seccomp_syscall_resolve_name(calls[i]),
                                      1,
                                      SCMP_A0_32(SCMP_CMP_NE, self));
        }
    }
    return failed;
}

static int fill(scmp_filter_ctx rules)
{
    int failed = seccomp_attr_set(rules, SCMP_FLTATR_CTL_TSYNC, 1);

    /* Before Linux 5.16 a filter also slows every thread down against speculative reads of one
       program inside a process; no foreign code runs in this one. Older libraries cannot say. */
    (void)seccomp_attr_set(rules, SCMP_FLTATR_CTL_SSB, 1);
    /* A tree instead of a list; the frequent calls do not wait for the rare ones. */
    (void)seccomp_attr_set(rules, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    failed = failed != 0 ? failed : add_names(rules);
    failed = failed != 0 ? failed : add_values(rules);
    failed = failed != 0 ? failed : add_clone(rules);
    return failed != 0 ? failed : add_signals(rules);
}

/* 0, or the error number. */
static int make(scmp_filter_ctx *out)
{
    *out = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (*out == NULL) {
        return ENOMEM;
    }
    const int failed = fill(*out);
    if (failed != 0) {
        seccomp_release(*out);
        *out = NULL;
    }
    return failed < 0 ? -failed : failed;
}

/* Takes them. */
static int load(scmp_filter_ctx *rules)
{
    const int failed = seccomp_load(*rules);

    seccomp_release(*rules);
    *rules = NULL;
    return failed < 0 ? -failed : failed;
}

static void *run_make(void *argument)
{
    struct sandbox *s = argument;

    s->failed = make(&s->rules);
    return NULL;
}

void hulse_sandbox_prepare(struct sandbox *s)
{
    s->making = hulse_thread_start(&s->thread, "hulse-sandbox", run_make, s) == 0;
}

static void await_rules(struct sandbox *s)
{
    if (s->making) {
        (void)pthread_join(s->thread, NULL);
        s->making = false;
    }
}

static int load_prepared(struct sandbox *s)
{
    await_rules(s);
    if (s->rules == NULL && s->failed == 0) {
        s->failed = make(&s->rules);
    }
    return s->failed != 0 ? s->failed : load(&s->rules);
}

void hulse_sandbox_forget(struct sandbox *s)
{
    await_rules(s);
    if (s->rules != NULL) {
        seccomp_release(s->rules);
        s->rules = NULL;
    }
}

int hulse_sandbox_filter_load(void)
{
    struct sandbox s = {0};

    return load_prepared(&s);
}

static bool forbid_dump(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

#else

static const bool sanitized = true;

int hulse_sandbox_filter_load(void)
{
    return ENOSYS;
}

void hulse_sandbox_prepare(struct sandbox *s)
{
    (void)s;
}

void hulse_sandbox_forget(struct sandbox *s)
{
    (void)s;
}

static int load_prepared(struct sandbox *s)
{
    (void)s;
    return ENOSYS;
}

/* The leak check at the end traces the process. */
static bool forbid_dump(void)
{
    return true;
}

#endif

enum sandbox_filter hulse_sandbox_enter(struct sandbox *s, bool filter, bool dumpable)
{
    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);

    if (!dumpable && !forbid_dump()) {
        HULSE_LOG_WARNF("sandbox.dumpable", hulse_log_str("why", strerrordesc_np(errno)));
    }
    if (!filter) {
        return SANDBOX_FILTER_OFF;
    }
    if (sanitized) {
        return SANDBOX_FILTER_UNAVAILABLE;
    }
    const int failed = load_prepared(s);
    if (failed != 0) {
        HULSE_LOG_WARNF("sandbox.unavailable", hulse_log_str("why", strerrordesc_np(failed)));
        return SANDBOX_FILTER_UNAVAILABLE;
    }
    return SANDBOX_FILTER_ON;
}
