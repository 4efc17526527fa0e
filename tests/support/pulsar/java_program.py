# SPDX-License-Identifier: Apache-2.0
"""A Java process of a test's own that serves: how it starts, is ready and ends."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

STOP_S = 60
LOG_TAIL = 60
OPENED = ("java.base/java.lang", "java.base/java.lang.invoke", "java.base/java.lang.reflect",
          "java.base/java.net", "java.base/java.nio", "java.base/java.util",
          "java.base/java.util.zip", "java.base/jdk.internal.misc", "java.base/sun.net",
          "java.base/sun.nio.ch", "java.management/sun.management")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class NotStarted(Exception):
    """The process ended before it was ready."""


def opened():
    """What Pulsar reaches into."""
    return [word for name in OPENED for word in ("--add-opens", f"{name}=ALL-UNNAMED")]


class JavaProgram:
    """command(), ready(), start() and start_new() are the subclass's. It dies with the thread that has started it."""

    def __init__(self, folder, log):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / log
        self.process = None
        self.failed = False  # to start, the last time

    def run_program(self, ready_s):
        assert self.process is None
        parent = os.getpid()

        def die_with_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True,
                                            preexec_fn=die_with_parent)
        self.failed = True
        try:
            self.await_ready(ready_s)
        except BaseException:
            self.kill()
            raise
        self.failed = False

    def await_ready(self, ready_s):
        end = time.monotonic() + ready_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise NotStarted(f"it ended with {self.process.returncode}\n{self.tail()}")
            if self.ready():
                return
            time.sleep(0.1)
        raise AssertionError(f"it was not ready in {ready_s} s\n{self.tail()}")

    def kill(self):
        """At once, as kill -9."""
        if self.process is not None:
            self.process.kill()
            self.end()

    def end(self):
        process, self.process = self.process, None
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not end in {STOP_S} s\n{self.tail()}") from None

    def lines(self, part):
        """What it logged with this in it."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if part in line]

    def tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])


@contextlib.contextmanager
def ended(program):
    """It is killed with the block."""
    try:
        yield program
    finally:
        program.kill()


def running(program):
    """A test that ended early may have left it stopped. What has made it fail once would do it again."""
    if program.process is None:
        if program.failed:
            program.start_new()
        else:
            program.start()
    return program
