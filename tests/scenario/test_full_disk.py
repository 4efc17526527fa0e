# SPDX-License-Identifier: Apache-2.0
"""Goal:   a disk that is full: publishing waits, health says so, acknowledgements make room, a start works.
Method: a file system of its own for the store, smaller than size_max; another file takes what is left of it."""

import contextlib
import os
import subprocess
import time

import pytest

from command import Background, ok, run

TOPIC = "persistent://public/default/kept"
MIB = 1 << 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture(name="disk")
def small_disk(tmp_path):
    """disk(MIB) is the folder of a file system of that size."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk-{size}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "hulse", folder],
                              check=False, capture_output=True)
        if done.returncode != 0:
            pytest.skip("no mounts here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def until(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come")


def degraded(daemon):
    done = run(daemon, "health")
    assert done.returncode == (69 if b"degraded" in done.stdout else 0)
    return done.returncode == 69


def fill(folder):
    """Another user of the disk takes all there is."""
    with contextlib.suppress(OSError), open(folder / "other", "ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def take_some(daemon):
    """What comes in two seconds; how many."""
    return ok(run(daemon, "sub", TOPIC, "-s", "s", "--timeout", "2s", timeout=120)).count(b"\n")


def test_a_full_disk(start, disk):
    folder = disk(400)
    sets = (f"brokers.local.directory={folder / 'store'}", "brokers.local.size_max=1GiB")
    daemon = start(*sets)
    assert run(daemon, "sub", TOPIC, "-s", "s", "-n", "1", "--timeout", "200ms").returncode == 75
    assert not degraded(daemon)
    with Background(daemon, "pub", TOPIC, "--repeat", "400000", "x" * 1000, "--timeout",
                    "300s") as publisher:
        until(lambda: degraded(daemon))
        fill(folder)
        for _ in range(3):
            daemon.kill()
            daemon = start(*sets)
        until(lambda: degraded(daemon))
        fill(folder)
        taken = 0
        while publisher.process.poll() is None:
            taken += take_some(daemon)
        assert publisher.process.returncode == 0, publisher.stderr()
    for _ in range(60):
        taken += take_some(daemon) if taken < 400000 else 0
    assert taken == 400000
    assert take_some(daemon) == 0
    until(lambda: not degraded(daemon))
    assert os.statvfs(folder).f_bavail * 4096 < 4 * MIB
    findings = ok(run(daemon, "store", "check")).decode()
    assert "good              yes" in findings
    assert daemon.stop() == 0
    daemon = start(*sets)
    assert not degraded(daemon)
    assert daemon.stop() == 0


def test_a_disk_that_is_too_small(start, disk):
    folder = disk(100)
    sets = (f"brokers.local.directory={folder / 'store'}",)
    for _ in range(2):  # a supervisor tries again
        with pytest.raises(AssertionError) as refused:
            start(*sets)
        assert "cannot be made: its first 4 files of 64 MiB: No space left on device" in str(
            refused.value)
