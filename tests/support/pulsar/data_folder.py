# SPDX-License-Identifier: Apache-2.0
"""Where the data of a test's servers is: in memory, where there is room for it."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile

MEMORY = pathlib.Path("/dev/shm")
ROOM = 8 << 30  # of each of the two: tests with large messages write up to 5 GiB


def memory_available():
    found = re.search(r"^MemAvailable: *([0-9]+) kB", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"), re.M)
    return int(found[1]) << 10 if found else 0


def place():
    """A broker syncs for whatever it does; beside a build on one disk a test would wait for that more than for the broker."""
    if os.access(MEMORY, os.W_OK) and min(shutil.disk_usage(MEMORY).free, memory_available()) >= ROOM:
        return MEMORY
    return pathlib.Path(tempfile.gettempdir())


def in_memory(folder):
    return MEMORY in pathlib.Path(folder).parents


def remove_orphans(where, prefix):
    """Those of processes that were killed; memory is not there to be forgotten."""
    for folder in where.glob(f"{prefix}[0-9]*-*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def new_folder(prefix):
    """The path of an empty one, which is removed with the block."""
    where = place()
    remove_orphans(where, prefix)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=where, ignore_cleanup_errors=True) as folder:
        yield folder
