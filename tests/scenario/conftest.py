# SPDX-License-Identifier: Apache-2.0
"""The daemon that scenario tests share, and daemons of a test's own."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

READY_S = 30
STOP_S = 20


def program(name):
    """$HULSE_PREFIX/bin (tests/run installs there), else the build folder, else the path."""
    for folder in (os.path.join(os.environ.get("HULSE_PREFIX", ""), "bin"),
                   os.environ.get("HULSE_BUILD_DIR", "")):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            return path
    found = shutil.which(name)
    assert found, f"no {name} in HULSE_PREFIX/bin, HULSE_BUILD_DIR or PATH"
    return found


def clean_environment(**more):
    """Without what would configure a daemon; sanitizer options stay."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("HULSE_SOCKET", "HULSE_ADMIN_SOCKET")) and "__" not in k
           and k not in ("NOTIFY_SOCKET", "LOG_LEVEL", "SERVICE_NAME", "APP_NAME",
                         "XDG_CONFIG_HOME")}
    env.update({k: str(v) for k, v in more.items()})
    return env


class Hulsed:
    """One daemon in a folder. Starting waits for READY=1; its end is the test's to check."""

    def __init__(self, folder, *sets, args=(), descriptors=None, wait=True, stderr=None, user=None,
                 **env):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "hulse.sock"
        self.admin_socket = self.folder / "admin.sock"
        self.log = self.folder / "hulsed.log"
        self.states = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = self.folder / "notify.sock"
        notify_path.unlink(missing_ok=True)
        self.notify.bind(str(notify_path))
        if user is not None:
            os.chown(self.folder, user, user)
            os.chown(notify_path, user, user)
        arguments = [str(word) for word in args]
        arguments += [word for key in sets for word in ("--set", key)]
        environment = clean_environment(HULSE_SOCKET=self.socket,
                                        HULSE_ADMIN_SOCKET=self.admin_socket,
                                        NOTIFY_SOCKET=notify_path,
                                        **{"HULSE_BROKERS__LOCAL__DIRECTORY": self.folder / "store",
                                           **env})

        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program("hulsed"), *arguments], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=stderr or log, preexec_fn=limit,
                                            user=user, group=user,
                                            extra_groups=None if user is None else [])
        self.pid = self.process.pid
        if wait:
            try:
                assert self.next_state() == "READY=1", self.log.read_text()
            except BaseException:
                self.kill()
                raise

    def next_state(self):
        """The next message to the service manager."""
        self.notify.settimeout(0.05)
        for _ in range(int(READY_S / 0.05)):
            try:
                return self.notify.recv(256).decode()
            except TimeoutError:
                assert self.process.poll() is None, self.log.read_text()
        raise AssertionError("no state in time: " + self.log.read_text())

    def lines(self, event=None, **members):
        """What it logged, as objects; other lines are errors of a sanitizer or of the start."""
        wanted = members if event is None else {"event": event, **members}
        objects = []
        for line in self.log.read_text().splitlines():
            try:
                objects.append(json.loads(line))
            except ValueError:
                objects.append({"event": "", "text": line})
        return [o for o in objects if wanted.items() <= o.items()]

    def await_lines(self, event, count=1, **members):
        """As lines(), once there are so many: another thread writes them."""
        for _ in range(READY_S * 100):
            found = self.lines(event, **members)
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            self.await_stopped()

    def await_stopped(self):
        """A thread that runs on another CPU goes on for a moment."""
        end = time.monotonic() + STOP_S
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T"
                  for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()):
            assert time.monotonic() < end, "it does not stop"
            time.sleep(0.001)

    def wait(self, timeout=STOP_S):
        return self.process.wait(timeout)

    def stop(self):
        self.terminate()
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_S)
        self.notify.close()


@pytest.fixture(scope="session")
def daemon():
    """One daemon for all tests that do not care; it must live through them and stop cleanly."""
    folder = tempfile.mkdtemp(prefix="hulse-scenario-")
    hulsed = Hulsed(folder)
    try:
        yield hulsed
        assert hulsed.process.poll() is None, hulsed.log.read_text()
        assert hulsed.stop() == 0, hulsed.log.read_text()
        assert not hulsed.lines(""), hulsed.log.read_text()
    finally:
        hulsed.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(tmp_path):
    """start(*sets, **env) gives a Hulsed of the test's own, ended with the test."""
    running = []

    def start_one(*sets, folder=None, **more):
        hulsed = Hulsed(folder or tmp_path / "run", *sets, **more)
        running.append(hulsed)
        return hulsed

    yield start_one
    for hulsed in running:
        hulsed.kill()


class Configured:
    """A daemon and its file."""

    def __init__(self, start, tmp_path, text, *sets, **env):
        self.path = tmp_path / "hulse.yaml"
        self.write(text)
        self.daemon = start(*sets, args=["--config", self.path], **env)

    def write(self, text):
        """As an editor does: another file in its place."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.path)


@pytest.fixture
def configured(start, tmp_path):
    return lambda text, *sets, **env: Configured(start, tmp_path, text, *sets, **env)
