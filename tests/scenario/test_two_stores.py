# SPDX-License-Identifier: Apache-2.0
"""Goal:   two local brokers of one daemon keep what is theirs, each in its own store.
Method: a rule sends some topics to the second one; both stores are read when the daemon is gone."""

import subprocess

from command import ok, run
from conftest import clean_environment, program

RULES = """
workers: 2
brokers:
  archive: {{type: local, directory: {archive}}}
topics:
  - {{match: "persistent://public/archive/*", broker: archive}}
"""


def messages_in(directory):
    done = subprocess.run([program("hulsed"), "--store", "check", str(directory)],
                          env=clean_environment(), capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done
    return {name: int(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def test_each_store_has_its_topics(configured, tmp_path):
    archive = tmp_path / "archive"
    case = configured(RULES.format(archive=archive))
    daemon = case.daemon
    for n in range(8):
        ok(run(daemon, "pub", f"persistent://public/default/t{n}", input=b"own\n"))
        ok(run(daemon, "pub", f"persistent://public/archive/t{n}", input=b"archived\n" * 3))
    assert ok(run(daemon, "read", "persistent://public/archive/t0")) == b"archived\n" * 3
    own = daemon.folder / "store"
    daemon.stop()
    assert messages_in(own)["messages"] == 8
    assert messages_in(archive)["messages"] == 24
