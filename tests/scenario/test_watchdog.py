# SPDX-License-Identifier: Apache-2.0
"""Goal:   a worker that does not turn any more ends the daemon, so that another can go on; the service
        manager is told that all is well as long as it is.
Method: one thread of a real daemon is held by ptrace, the rest goes on."""

import ctypes
import fcntl
import os
import pathlib
import signal
import time

from command import Subscriber, new_topic

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000  # __WALL: threads, too
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def hold(thread):
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        assert LIBC.ptrace(request, thread, None, None) == 0, ctypes.get_errno()


def reap(thread):
    """A thread that is traced stays until its tracer has heard of its end."""
    while True:
        _, status = os.waitpid(thread, WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            return


def thread_named(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


def test_a_stuck_worker_ends_the_daemon(start):
    daemon = start("watchdog_timeout=2s", "workers=2", "sandbox.dumpable=true")
    thread = thread_named(daemon.pid, "hulse-worker1")
    hold(thread)
    reap(thread)
    assert daemon.wait(60) == -signal.SIGABRT
    stuck = daemon.lines("worker.stuck")
    assert len(stuck) == 1
    assert (stuck[0]["worker"], stuck[0]["level"]) == (1, "error")
    assert stuck[0]["late_ms"] > 2000


def test_the_service_manager_hears_that_all_is_well(start):
    daemon = start("workers=1", WATCHDOG_USEC="400000")
    assert [daemon.next_state() for _ in range(3)] == ["WATCHDOG=1"] * 3
    assert daemon.stop() == 0


def test_a_daemon_that_was_stopped_goes_on(start):
    daemon = start("watchdog_timeout=1s", "workers=1")
    # Longer than its workers may be: none of them is to blame.
    daemon.terminate(signal.SIGSTOP)
    time.sleep(2.5)
    daemon.terminate(signal.SIGCONT)
    time.sleep(1.5)
    assert daemon.lines("worker.stuck") == []
    assert daemon.stop() == 0


def full_pipe():
    """What nobody reads: its write end takes not one byte more."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"." * size)
    return reader, writer


def test_a_stuck_worker_ends_the_daemon_though_nobody_reads_its_log(start):
    reader, writer = full_pipe()
    daemon = start("watchdog_timeout=2s", "workers=2", "sandbox.dumpable=true", stderr=writer)
    thread = thread_named(daemon.pid, "hulse-worker1")
    hold(thread)
    reap(thread)
    assert daemon.wait(60) == -signal.SIGABRT
    os.close(reader)
    os.close(writer)


def test_a_daemon_ends_though_nobody_reads_its_log(start):
    reader, writer = full_pipe()
    daemon = start(stderr=writer)
    daemon.terminate()
    assert daemon.wait(60) == 0
    daemon = start("drain_timeout=1h", stderr=writer)
    with Subscriber(daemon, new_topic(), "-s", "s"):
        daemon.terminate()
        assert daemon.next_state() == "STOPPING=1"
        daemon.terminate()
        assert daemon.wait(60) == 0
    os.close(reader)
    os.close(writer)


def test_a_worker_that_never_ends_does_not_keep_the_daemon(start):
    """The alarm is blocked by whoever started it, and nobody reads its last word."""
    reader, writer = full_pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        daemon = start("watchdog_timeout=0", "workers=2", "sandbox.dumpable=true", stderr=writer)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    thread = thread_named(daemon.pid, "hulse-worker1")
    hold(thread)
    daemon.terminate()
    reap(thread)
    assert daemon.wait(60) == 74
    os.close(reader)
    os.close(writer)
