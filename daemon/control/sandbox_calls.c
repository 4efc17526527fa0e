/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_calls - see the header.
 */
#include "daemon/control/sandbox_calls.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Since Linux 5.17; jemalloc and glibc name their mappings. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* clang-format off */
const char *const hulse_sandbox_allowed[] = {
    /* memory */
    "brk", "get_mempolicy", "madvise", "mbind", "membarrier", "memfd_create", "mincore", "mlock",
    "mlock2", "mlockall", "mmap", "mprotect", "mremap", "msync", "munlock", "munlockall", "munmap",
    "set_mempolicy",
    /* threads and time */
    "alarm", "arch_prctl", "capget", "capset", "clock_getres", "clock_gettime", "clock_nanosleep",
    "exit", "exit_group", "futex", "futex_waitv", "get_robust_list", "getcpu", "getitimer",
    "getrandom", "getrusage", "gettid", "gettimeofday", "nanosleep", "pause", "restart_syscall",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield", "set_robust_list",
    "set_tid_address", "setitimer", "sigaltstack", "signalfd", "signalfd4", "sysinfo", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "uname", "wait4", "waitid",
    /* who it is */
    "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid",
    "getresgid", "getresuid", "getrlimit", "getsid", "getuid",
    /* files */
    "access", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2",
    "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fchmodat", "fchmodat2",
    "fchown", "fchownat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate",
    "getcwd", "getdents", "getdents64", "getxattr", "lchown", "lgetxattr", "link", "linkat",
    "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "pread64",
    "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "sendfile", "splice", "stat",
    "statfs", "statx", "symlink", "symlinkat", "sync_file_range", "syncfs", "tee", "truncate",
    "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd", "eventfd2", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch",
    "pipe", "pipe2", "poll", "ppoll", "pselect6", "select",
    /* sockets; socket() itself has values below */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair",
};
const size_t hulse_sandbox_allowed_count = COUNT_OF(hulse_sandbox_allowed);

const char *const hulse_sandbox_refused[] = {
    /* programs and processes */
    "execve", "execveat", "fork", "vfork", "kcmp", "pidfd_getfd", "pidfd_open",
    "pidfd_send_signal", "process_madvise", "process_mrelease", "process_vm_readv",
    "process_vm_writev", "ptrace", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill",
    /* parts of the kernel with a history */
    "add_key", "bpf", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl",
    "perf_event_open", "request_key", "userfaultfd",
    /* namespaces and mounts */
    "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
    "open_tree", "pivot_root", "setns", "umount", "umount2", "unshare",
    /* rights */
    "personality", "seccomp", "setfsgid", "setfsuid", "setgid", "setgroups", "setregid",
    "setresgid", "setresuid", "setreuid", "setuid",
    /* files past their names, and devices */
    "fanotify_init", "fanotify_mark", "mknod", "mknodat", "name_to_handle_at", "open_by_handle_at",
    /* the system */
    "acct", "adjtimex", "clock_adjtime", "clock_settime", "delete_module", "finit_module",
    "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "lookup_dcookie",
    "modify_ldt", "nfsservctl", "quotactl", "quotactl_fd", "reboot", "setdomainname", "sethostname",
    "settimeofday", "swapoff", "swapon", "syslog", "vhangup",
};
const size_t hulse_sandbox_refused_count = COUNT_OF(hulse_sandbox_refused);

const struct sandbox_value hulse_sandbox_values[] = {
    /* AF_NETLINK: how resolvers find the interfaces. */
    {"socket", 0, AF_UNIX}, {"socket", 0, AF_INET}, {"socket", 0, AF_INET6}, {"socket", 0, AF_NETLINK},
    /* Is it a terminal, how much is there to read, does it block; what an interface is called. */
    {"ioctl", 1, TCGETS}, {"ioctl", 1, TIOCGWINSZ}, {"ioctl", 1, FIONREAD}, {"ioctl", 1, FIONBIO},
    {"ioctl", 1, FIOCLEX}, {"ioctl", 1, FIONCLEX}, {"ioctl", 1, SIOCOUTQ},
    {"ioctl", 1, SIOCGIFNAME}, {"ioctl", 1, SIOCGIFINDEX}, {"ioctl", 1, SIOCGIFCONF},
    {"ioctl", 1, SIOCGIFFLAGS}, {"ioctl", 1, SIOCGIFADDR},
    /* Names of threads and mappings, what a new thread gives up, nothing that loosens it. */
    {"prctl", 0, PR_SET_NAME}, {"prctl", 0, PR_GET_NAME}, {"prctl", 0, PR_SET_VMA},
    {"prctl", 0, PR_SET_NO_NEW_PRIVS}, {"prctl", 0, PR_GET_NO_NEW_PRIVS},
    {"prctl", 0, PR_CAP_AMBIENT}, {"prctl", 0, PR_CAPBSET_READ}, {"prctl", 0, PR_CAPBSET_DROP},
    {"prctl", 0, PR_GET_DUMPABLE},
    {"prctl", 0, PR_GET_SECCOMP},
    /* The caller's own limits. */
    {"prlimit64", 0, 0},
};
const size_t hulse_sandbox_value_count = COUNT_OF(hulse_sandbox_values);
/* clang-format on */
