# SPDX-License-Identifier: Apache-2.0
"""Real Pulsar brokers, one of each kind for all tests, and official clients of them."""

import contextlib
import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SUPPORT = HERE.parents[1] / "support" / "pulsar"
sys.path.append(str(SUPPORT))

import by_name  # noqa: E402: of the folder above
from broker import Broker  # noqa: E402: found by the line above
from conftest import Hulsed  # noqa: E402: the one of the folder above
from data_folder import new_folder  # noqa: E402: as the broker
from fake import FakeBroker  # noqa: E402: as the broker
from java_program import JavaProgram, ended, running  # noqa: E402: as the broker
from proxy import Proxy  # noqa: E402: as the broker

NUMBERS = itertools.count(1)
# Of the brokers; official clients and the proxy stay what they are. Empty: the default one.
VERSION = os.environ.get("HULSE_PULSAR_VERSION", "")
JARS = pytest.StashKey()  # {fixture: folder, or why there is none}


def fetched(*which):
    done = subprocess.run([SUPPORT / "fetch", *which], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 69), done.stderr
    if done.returncode == 0:
        return pathlib.Path(done.stdout.strip())
    return done.stderr.strip().splitlines()[-1]


def pytest_configure(config):
    config.addinivalue_line("markers", "ends_broker: `pulsar` is a broker that such tests kill and start again")


def pytest_collection_finish(session):
    """Before the first test and outside of its time: the first download takes minutes."""
    wanted = {name for item in session.items for name in item.fixturenames}
    if session.config.option.collectonly or "new_broker" not in wanted:
        return
    session.config.stash[JARS] = {"broker_jars": fetched(*[VERSION] if VERSION else []),
                                  "jars": fetched()}
    if "new_proxy" in wanted:
        session.config.stash[JARS]["proxy_jars"] = fetched("--proxy")


def jars_of(request, name):
    found = request.config.stash[JARS][name]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the end of its brokers' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        brokers = {value: name for name, value in getattr(item, "funcargs", {}).items()
                   if isinstance(value, JavaProgram)}
        report.sections += [(f"log of {name}", broker.tail()) for broker, name in brokers.items()]


@pytest.fixture(scope="session")
def jars(request):
    """The folder with the jars of the default version, in which the official client for Java is."""
    return jars_of(request, "jars")


@pytest.fixture(scope="session")
def broker_jars(request):
    return jars_of(request, "broker_jars")


@pytest.fixture(scope="session")
def new_broker(broker_jars):
    """`with new_broker(*variants) as broker`: one more, in memory where it has room, which ends with the block."""
    @contextlib.contextmanager
    def begin(*variants):
        with new_folder("hulse-pulsar-") as folder, ended(Broker(folder, broker_jars, *variants)) as broker:
            yield broker

    return begin


@pytest.fixture(scope="session")
def new_proxy(request, jars):
    """`with new_proxy(broker, settings of proxy.conf) as proxy`: one more, as new_broker."""
    libraries = [jars_of(request, "proxy_jars"), jars]

    @contextlib.contextmanager
    def begin(broker, **settings):
        with new_folder("hulse-proxy-") as folder, ended(Proxy(folder, libraries, broker, **settings)) as proxy:
            yield proxy

    return begin


@pytest.fixture(scope="session")
def plain_broker(new_broker):
    with new_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def mortal_broker(new_broker):
    with new_broker() as broker:
        yield broker


@pytest.fixture
def pulsar(request, new_broker):
    """Who ends it has another one: when it starts again it opens all topics that were ever made there."""
    ends = request.node.get_closest_marker("ends_broker")
    return running(request.getfixturevalue("mortal_broker" if ends else "plain_broker"))


@pytest.fixture(scope="session")
def pulsar_of_parts(new_broker):
    """It remembers which messages of a batch are acknowledged."""
    with new_broker("batch_index") as broker:
        yield broker


@pytest.fixture(scope="session")
def secure_broker(new_broker):
    with new_broker("token", "tls", "proxied") as broker:
        yield broker


@pytest.fixture
def pulsar_secure(secure_broker):
    """Wants a token at both of its doors, of which one is TLS."""
    secure_broker.certificates.present("server")
    return running(secure_broker)


@pytest.fixture(scope="session")
def secure_proxy_of_all(new_proxy, secure_broker):
    with new_proxy(secure_broker) as proxy:
        yield proxy


@pytest.fixture
def secure_proxy(pulsar_secure, secure_proxy_of_all):
    """In front of pulsar_secure, as that one with two doors."""
    return running(secure_proxy_of_all)


@pytest.fixture
def topic():
    return f"persistent://public/default/{os.getpid()}-{next(NUMBERS)}"


@pytest.fixture(name="configured")
def configured_with(tmp_path):
    """configured(configuration, folder, environment) gives a daemon, in one folder again and again if they are the same."""
    running = []

    def start(configuration, folder="run", **environment):
        config = tmp_path / "hulse.yaml"
        config.write_text(json.dumps(configuration))
        running.append(Hulsed(tmp_path / folder, args=["--config", config], **environment))
        return running[-1]

    yield start
    for daemon in running:
        daemon.kill()


@pytest.fixture(name="hulsed")
def hulsed_with(configured):
    """hulsed(URL, topics=[rules], more members of the broker) gives a daemon."""
    def begin(url, topics=(), **members):
        return configured({"topics": list(topics), "brokers": {"main": {
            "type": "pulsar", "service_url": url, "operation_timeout": "5s", **members}}})

    return begin


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

    def connect(url, operation_timeout_seconds=90, **options):
        clients.append(library.Client(url, operation_timeout_seconds=operation_timeout_seconds,
                                      logger=library.ConsoleLogger(library.LoggerLevel.Error),
                                      **options))
        return clients[-1]

    yield connect
    for client in clients:
        with contextlib.suppress(library.AlreadyClosed):
            client.close()


@pytest.fixture(name="begin")
def beginner(configured):
    """begin(broker, more of the configuration): the daemon in its folder, again and again. Test files have their own on top."""
    def begin(broker, members=None, **more):
        return configured({"brokers": {"main": {
            "type": "pulsar", "service_url": broker.service_url, **(members or {})}}, **more})

    return begin
