# SPDX-License-Identifier: Apache-2.0
"""Ports for servers that must find them free again when they are restarted."""

import random
import socket

# Below the range from which the kernel takes ports for connections.
PORTS = range(20000, 32000)


def free_ports(count):
    ports = []
    while len(ports) < count:
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.choice(PORTS)
            try:
                door.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
