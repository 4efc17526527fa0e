# SPDX-License-Identifier: Apache-2.0
"""Goal:   a daemon whose topics are all a cluster's opens no store, so that several of them live on one host.
Method: daemons of one user, each with its own sockets and without a directory of its own."""

import os
import shutil
import tempfile

import pytest

from conftest import Hulsed

NOBODY = 65534
CLUSTER = ("brokers.main.type=pulsar", "brokers.main.service_url=pulsar://127.0.0.1:1")


@pytest.fixture(name="begin")
def beginner():
    """begin(KEY=VALUE...) starts one more daemon. None is root's, whose store would be the host's."""
    folder = tempfile.mkdtemp(prefix="hulse-state-")
    user = NOBODY if os.geteuid() == 0 else None
    os.chmod(folder, 0o755)
    state = os.path.join(folder, "state")
    os.mkdir(state)
    if user is not None:
        os.chown(state, user, user)
    running = []

    def begin(*sets, wait=True):
        running.append(Hulsed(os.path.join(folder, str(len(running))), *sets, wait=wait, user=user,
                              XDG_STATE_HOME=state, HULSE_BROKERS__LOCAL__DIRECTORY=""))
        return running[-1], state

    yield begin
    for daemon in running:
        daemon.kill()
    shutil.rmtree(folder)


def test_two_daemons_of_a_cluster(begin):
    for _ in range(2):
        daemon, state = begin(*CLUSTER)
        assert not daemon.lines("store.open")
    assert os.listdir(state) == []


@pytest.mark.parametrize("needs", ["default_broker=local", "topics.0.broker=local",
                                   "brokers.local.size_max=1GiB"])
def test_one_that_needs_a_store_has_it_alone(begin, needs):
    keys = (*CLUSTER, needs, *(["topics.0.match=x"] if needs.startswith("topics") else []))
    daemon, state = begin(*keys)
    assert daemon.lines("store.open") and os.listdir(state) == ["hulse"]
    second, _ = begin(*keys, wait=False)
    assert second.wait() == 74
