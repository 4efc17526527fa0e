# SPDX-License-Identifier: Apache-2.0
"""Goal:   the client of Pulsar keeps every promise of broker.h in front of a real broker.
Method: the suite that every broker of the daemon passes, in C, with this broker's address."""

import os
import pathlib
import subprocess

import pytest

PROGRAM = "tests/unit/daemon/broker/test_pulsar_conformance"


@pytest.mark.timeout(300)
def test_the_suite_of_every_broker(pulsar, once):
    program = pathlib.Path(os.environ.get("HULSE_BUILD_DIR", "build/release")) / PROGRAM
    assert once.startswith("persistent://public/once/")
    done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          env=os.environ | {"HULSE_TEST_PULSAR_URL": pulsar.service_url})
    assert done.returncode == 0, done.stdout[-6000:]
    assert "2 test(s) run" in done.stdout
