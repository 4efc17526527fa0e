# SPDX-License-Identifier: Apache-2.0
"""hulsed run to its end, and its sockets without the library: control messages, admin lines."""

import json
import os
import socket
import struct
import subprocess
import time

from conftest import clean_environment, program

HELLO, WELCOME, REFUSED, EVENT = 1, 2, 3, 18
EVENT_DRAIN, EVENT_GOODBYE = 5, 6
LIMIT = -13
SOON_S = 20
PIECES_S = 0.02


def hulsed(*args, user=None, **env):
    """Runs it to its end."""
    return subprocess.run([program("hulsed"), *map(str, args)], env=clean_environment(**env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                          check=False, user=user, group=user,
                          extra_groups=None if user is None else [])


def eventually(condition, what="", seconds=SOON_S):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(PIECES_S)


# ---- applications by hand ----------------------------------------------------------------------

def connect(daemon, kind=socket.SOCK_SEQPACKET, path=None):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(SOON_S)
    sock.connect(str(path or daemon.socket))
    return sock


def hello(name=b"test"):
    body = struct.pack("<HHIQHHHH", 1, 1, 0, 0, len(name), 0, 0, 0) + name
    return struct.pack("<HHI", HELLO, 8 + len(body), 7) + body


def receive(sock):
    """One control message as (type, bytes); (None, b"") at the end. Descriptors are closed."""
    data, descriptors, _, _ = socket.recv_fds(sock, 4096, 4)
    for descriptor in descriptors:
        os.close(descriptor)
    return (struct.unpack_from("<H", data)[0], data) if data else (None, b"")


def open_session(daemon):
    sock = connect(daemon)
    sock.send(hello())
    kind, data = receive(sock)
    assert kind == WELCOME, data
    return sock


def refusal(data):
    """(status, text) of a REFUSED."""
    status, length = struct.unpack_from("<iH", data, 12)
    return status, data[24:24 + length].decode()


def is_hung_up(sock):
    try:
        return receive(sock)[0] is None
    except ConnectionResetError:
        return True


# ---- the admin socket by hand ------------------------------------------------------------------

class Admin:
    def __init__(self, daemon):
        self.sock = connect(daemon, socket.SOCK_STREAM, daemon.admin_socket)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def answer(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def ask(self, command, **more):
        self.send(json.dumps({"command": command, **more}).encode() + b"\n")
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.file.close()
        self.sock.close()


def sessions(daemon):
    with Admin(daemon) as admin:
        return admin.ask("stats")["result"]["sessions"]
