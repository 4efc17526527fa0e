# SPDX-License-Identifier: Apache-2.0
"""One application at work: its phases, and what it used meanwhile."""

import json
import select
import subprocess
import time

import process

ANSWER_S = 120
SILENT_S = 60


class Broken(Exception):
    """A figure is not to be believed; says why."""


class Stalled(Broken):
    """It says nothing more, though a phase takes seconds."""


class App:
    """The program of a client in one mode. It says a line after each phase, and goes on when it is told to."""

    def __init__(self, client, url, mode, **arguments):
        words = [f"{name}={value}" for name, value in {"url": url, **arguments}.items()]
        self.what = f"{client.title}: {mode} {' '.join(words)}"
        self.begun_ns = time.monotonic_ns()
        self.process = subprocess.Popen([*client.command, mode, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def hear(self):
        if not select.select([self.process.stdout], [], [], SILENT_S)[0]:
            raise Stalled(f"{self.what}: has said nothing for {SILENT_S} s")
        line = self.process.stdout.readline()
        if not line:
            raise Broken(f"{self.what}: ended with {self.process.wait(ANSWER_S)}")
        return json.loads(line)

    def go_on(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self):
        self.go_on()
        code = self.process.wait(ANSWER_S)
        self.close()
        if code != 0:
            raise Broken(f"{self.what}: ended with {code}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(ANSWER_S)
        self.process.stdin.close()
        self.process.stdout.close()


class Clock:
    """CPU time of an application, the daemon and the broker from here on."""

    def __init__(self, app, client, broker):
        self.pids = {"app": app.pid, "daemon": client.daemon_pid, "broker": broker.process.pid}
        self.begun = self.read()

    def read(self):
        return {name: process.cpu_s(pid) for name, pid in self.pids.items() if pid}

    def us_each(self, messages):
        return {name: (now - self.begun[name]) * 1e6 / messages
                for name, now in self.read().items()}


def measured(client, broker, url, mode, **arguments):
    """Warm-up, then the measured part: what the application found, with CPU by message."""
    app = App(client, url, mode, **arguments)
    try:
        app.hear()
        clock = Clock(app, client, broker)
        app.go_on()
        found = app.hear()
        found["cpu_us"] = clock.us_each(max(found["measured"], 1))
        app.end()
    finally:
        app.close()
    found["what"] = app.what
    return found


def expect(found, **values):
    """Conservation: each of these must be as it is said here."""
    for name, value in values.items():
        if found[name] != value:
            raise Broken(f"{found['what']}: {name} is {found[name]}, not {value}")
