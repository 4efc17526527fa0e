# SPDX-License-Identifier: Apache-2.0
"""The `hulse` command as the scenario tests use it: one run, or a subscriber in the background."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time

from conftest import program as installed

NUMBERS = itertools.count(1)


def program():
    return installed("hulse")


def environment(daemon):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HULSE_S") and
           not k.startswith("HULSE_ADMIN")}
    if daemon is not None:
        env["HULSE_SOCKET"] = str(daemon.socket)
        env["HULSE_ADMIN_SOCKET"] = str(daemon.admin_socket)
    return env


def new_topic(word="topic"):
    """A topic of its own for each test; they share a daemon."""
    return f"non-persistent://public/default/{word}-{os.getpid()}-{next(NUMBERS)}"


def run(daemon, *args, input=None, timeout=30, **more):
    """Runs `hulse ARGS` to its end; input and output are bytes."""
    data = input.encode() if isinstance(input, str) else input
    if data is None and "stdin" not in more:
        more["stdin"] = subprocess.DEVNULL
    return subprocess.run([program(), *map(str, args)], input=data, timeout=timeout, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(daemon),
                          **more)


def ok(result):
    """The standard output of a run that ended with 0."""
    assert result.returncode == 0, f"exit {result.returncode}: {result.stderr.decode()}"
    return result.stdout


def publish(daemon, topic, *messages):
    """Each message as it is, whatever bytes it has."""
    for message in messages:
        ok(run(daemon, "pub", topic, "--file", "-", input=message))


def stats(daemon):
    return json.loads(ok(run(daemon, "stats", "--json")))


def broker_stats(daemon, name="main"):
    """Of one broker, in `hulse stats`."""
    return next(b for b in stats(daemon)["brokers"] if b["name"] == name)


class Background:
    """A `hulse` that runs until it ends by itself, is asked to, or the block is left."""

    def __init__(self, daemon, *args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                 path=None):
        self.errors = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen([path or program(), *map(str, args)], stdin=stdin,
                                        stdout=stdout, stderr=subprocess.PIPE,
                                        env=environment(daemon))
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()

    def read_errors(self):
        for line in self.process.stderr:
            with self.changed:
                self.errors.append(line.decode(errors="replace"))
                self.changed.notify_all()
        with self.changed:
            self.errors.append(None)
            self.changed.notify_all()

    def stderr(self):
        return "".join(line for line in self.errors if line)

    def await_error_line(self, start, count=1, timeout=20):
        """Until that many lines on standard error begin with `start`."""
        def seen():
            return sum(1 for line in self.errors if line and line.startswith(start)) >= count

        with self.changed:
            self.changed.wait_for(lambda: seen() or None in self.errors, timeout)
            assert seen(), f"no line {start!r}: {self.stderr()}"

    def line(self):
        """The next line of standard output, without its newline."""
        got = self.process.stdout.readline()
        assert got.endswith(b"\n"), f"ended after {got!r}: {self.stderr()}"
        return got[:-1]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=30):
        """Standard output that was not read yet, and the exit code."""
        rest = self.process.stdout.read() if self.process.stdout else b""
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        return rest, code

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.reader.join(10)
        for stream in (self.process.stdout, self.process.stdin):
            if stream:
                stream.close()


class Subscriber(Background):
    """`hulse sub`, from the moment when messages can arrive."""

    def __init__(self, daemon, *args, topics=1, **more):
        super().__init__(daemon, "sub", *args, **more)
        try:
            self.await_error_line("subscribed ", topics)
        except BaseException:
            self.__exit__()
            raise


class Feed:
    """Numbers, one a line, into a pipe until it is told that it is enough."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.count = 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with self.pipe:
            while not self.enough.is_set():
                self.pipe.write(b"%d\n" % self.count)
                self.pipe.flush()
                self.count += 1
                if self.count % 50 == 0:
                    time.sleep(0.005)

    def end(self):
        self.enough.set()
        self.thread.join()
        return self.count
