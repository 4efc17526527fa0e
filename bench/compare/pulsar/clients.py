# SPDX-License-Identifier: Apache-2.0
"""The clients that are compared: how each one's application is built and started."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import peers

HERE = pathlib.Path(__file__).resolve().parent
HOUSE = HERE.parents[2]
READY_S = 30
STOP_S = 30


class Client:
    """An official client: its application is all that it needs."""

    daemon_pid = None

    def __init__(self, title, command, delays=("default",), heavy=False, stalls=False):
        """`delays` of a batch: "1" is one millisecond, where that is not the default. `heavy`: a
        process takes seconds of CPU to start. `stalls`: with messages in chunks it stands still now and then."""
        self.title = title
        self.command = [str(word) for word in command]
        self.delays = delays
        self.heavy = heavy
        self.stalls = stalls

    def begin(self, broker):
        return broker.service_url

    def end(self):
        pass


class Hulse(Client):
    """A daemon of its own for each row."""

    def __init__(self, folder, installed):
        self.daemon = installed / "hulsed"
        if not self.daemon.is_file():
            raise peers.Missing(f"{self.daemon}: build it first (cmake --preset release && "
                                "cmake --build --preset release)")
        program = folder / "hulse"
        peers.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O2",
                   f"-I{HOUSE / 'include'}", HERE / "hulse.c", installed / "libhulse.a", "-lpthread",
                   "-o", program])
        version = peers.run([self.daemon, "--version"]).split()[-1]
        super().__init__(f"Hulse {version}", [program])
        self.process = None

    def begin(self, broker):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hulse-pulsar-"))
        path = self.folder / "notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(READY_S)
            sets = {"brokers.main.type": "pulsar", "brokers.main.service_url": broker.service_url,
                    "listen.socket": self.folder / "hulse.sock",
                    "listen.admin_socket": self.folder / "admin.sock", "log.level": "warn",
                    "brokers.local.directory": self.folder / "store",
                    # /proc/PID/smaps_rollup, without being root.
                    "sandbox.dumpable": "true"}
            config = self.folder / "hulse.yaml"
            config.write_text(json.dumps({"topics": [{"match": "**-chunks", "publish": {
                "chunking": True, "pending_bytes": "64MiB"}}]}))
            words = ["--config", config] + [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [self.daemon, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, "NOTIFY_SOCKET": str(path)})
            assert notify.recv(64) == b"READY=1", (self.folder / "log").read_text()
        self.daemon_pid = self.process.pid
        return str(self.folder / "hulse.sock")

    def end(self):
        self.daemon_pid = None
        if self.process is None:
            return
        self.process.terminate()
        code = self.process.wait(STOP_S)
        self.process = None
        said = (self.folder / "log").read_text(errors="replace").strip()
        shutil.rmtree(self.folder)
        assert code == 0, f"hulsed ended with {code}: {said}"
        for line in said.splitlines():
            if "daemon.root" not in line:  # this one's caller is root: that is known
                print(f"hulsed: {line}", file=sys.stderr, flush=True)


def python():
    """Of the house's environment, else of this interpreter's."""
    here = HOUSE / "build" / "venv" / "bin" / "python"
    interpreter = here if here.exists() else peers.tool("python3")
    version = peers.run([interpreter, "-c", "import pulsar; print(pulsar.__version__)"]).split()[-1]
    return Client(f"Python {version} (C++ core)", [interpreter, HERE / "python" / "load"],
                  ("default", "1"), stalls=True)


def go():
    version, command = peers.go()
    return Client(f"Go {version}", command, ("default", "1"))


def java(libraries):
    version, command = peers.java(libraries)
    return Client(f"Java {version}", [*command, "Load"], heavy=True)
