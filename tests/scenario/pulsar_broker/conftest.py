# SPDX-License-Identifier: Apache-2.0
"""Real Pulsar brokers, one of each kind for all tests, and official clients of them."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SUPPORT = HERE.parents[1] / "support" / "pulsar"
sys.path.append(str(SUPPORT))

import by_name  # noqa: E402: of the folder above
from broker import Broker  # noqa: E402: found by the line above
from conftest import Hulsed  # noqa: E402: the one of the folder above
from fake import FakeBroker  # noqa: E402: as the broker

NUMBERS = itertools.count(1)
JARS = pytest.StashKey()
MISSING = pytest.StashKey()


def pytest_collection_finish(session):
    """Before the first test and outside of its time: the first download takes minutes."""
    if session.config.option.collectonly or \
            not any("new_broker" in item.fixturenames for item in session.items):
        return
    done = subprocess.run([SUPPORT / "fetch"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 69), done.stderr
    if done.returncode == 0:
        session.config.stash[JARS] = pathlib.Path(done.stdout.strip())
    else:
        session.config.stash[MISSING] = done.stderr.strip().splitlines()[-1]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the end of its brokers' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        brokers = {value: name for name, value in getattr(item, "funcargs", {}).items()
                   if isinstance(value, Broker)}
        report.sections += [(f"log of {name}", broker.tail()) for broker, name in brokers.items()]


@pytest.fixture(scope="session")
def jars(request):
    """The folder with the broker's jars."""
    if MISSING in request.config.stash:
        pytest.skip(request.config.stash[MISSING])
    return request.config.stash[JARS]


@pytest.fixture(scope="session")
def new_broker(jars):
    """new_broker(*variants) gives a Broker that lives as long as the tests do."""
    brokers, folders = [], []

    def start_one(*variants):
        folders.append(tempfile.mkdtemp(prefix="hulse-pulsar-"))
        brokers.append(Broker(folders[-1], jars, *variants))
        return brokers[-1]

    yield start_one
    for broker in brokers:
        broker.kill()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def running(broker):
    """A test that ended early may have left it stopped."""
    if broker.process is None:
        broker.start()
    return broker


@pytest.fixture(scope="session")
def plain_broker(new_broker):
    return new_broker()


@pytest.fixture
def pulsar(plain_broker):
    return running(plain_broker)


@pytest.fixture(scope="session")
def pulsar_of_parts(new_broker):
    """It remembers which messages of a batch are acknowledged."""
    return new_broker("batch_index")


@pytest.fixture(scope="session")
def secure_broker(new_broker):
    return new_broker("token", "tls")


@pytest.fixture
def pulsar_secure(secure_broker):
    """Wants a token at both of its doors, of which one is TLS."""
    secure_broker.certificates.present("server")
    return running(secure_broker)


@pytest.fixture
def topic():
    return f"persistent://public/default/{os.getpid()}-{next(NUMBERS)}"


@pytest.fixture(name="hulsed")
def hulsed_with(tmp_path):
    """hulsed(URL, topics=[rules], more members of the broker) gives a daemon."""
    running = []

    def begin(url, topics=(), **members):
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps({"topics": list(topics), "brokers": {"main": {
            "type": "pulsar", "service_url": url, "operation_timeout": "5s", **members}}}))
        running.append(Hulsed(tmp_path / "run", args=["--config", config]))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.kill()


@pytest.fixture(scope="module")
def hulsed_by_name(plain_broker, tmp_path_factory):
    """One daemon; the topic's name says how it publishes (by_name.py)."""
    folder = tmp_path_factory.mktemp("by-name")
    config = folder / "hulse.yaml"
    config.write_text(json.dumps({
        "brokers": {"main": {"type": "pulsar", "service_url": plain_broker.service_url}},
        "topics": by_name.rules()}))
    daemon = Hulsed(folder / "run", args=["--config", config])
    yield daemon
    daemon.stop()


@pytest.fixture
def fake():
    """The scripted broker."""
    with FakeBroker() as broker:
        yield broker


@pytest.fixture
def daemon(fake, hulsed):
    return hulsed(fake.url)


@pytest.fixture
def once(pulsar, topic):
    """Of a namespace whose topics store each sequence number of a producer once."""
    pulsar.admin("PUT", "namespaces/public/once")
    assert pulsar.admin("POST", "namespaces/public/once/deduplication", True)[0] == 204
    return topic.replace("public/default", "public/once")


@pytest.fixture
def official():
    """official(url, **options) gives a client of the official library, closed with the test. One that
    is refused tries again until its time is over, whatever the reason was."""
    import pulsar as library  # not at the top: it is not there where no broker is either
    clients = []

    def connect(url, operation_timeout_seconds=30, **options):
        clients.append(library.Client(url, operation_timeout_seconds=operation_timeout_seconds,
                                      logger=library.ConsoleLogger(library.LoggerLevel.Error),
                                      **options))
        return clients[-1]

    yield connect
    for client in clients:
        with contextlib.suppress(library.AlreadyClosed):
            client.close()
