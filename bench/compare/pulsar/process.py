# SPDX-License-Identifier: Apache-2.0
"""What processes have used, from the kernel's own books."""

import os
import pathlib
import re
import time

ESTABLISHED = "01"


def cpu_s(pid):
    """User and system time of all threads that ever ran in it (MAKE_PROCESS_CPUCLOCK of Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


def pss_mb(pid):
    """Proportional: what processes share is divided between them."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Pss: +(\d+) kB", text, re.M).group(1)) / 1024


def connections(pids, port):
    """How many TCP connections these processes have to that port."""
    nodes = set()
    for pid in pids:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry.path))
            if found:
                nodes.add(found.group(1))
    count = 0
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            peer_port = int(words[2].rpartition(":")[2], 16)
            count += peer_port == port and words[3] == ESTABLISHED and words[9] in nodes
    return count
