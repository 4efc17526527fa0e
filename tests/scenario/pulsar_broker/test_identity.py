# SPDX-License-Identifier: Apache-2.0
"""Goal:   whoever the daemon is to its brokers (a certificate, a name with a password, a client of an issuer of
        tokens) it is what it is allowed to; when an issuer does not give what it should, that is said and what is good
        stays in force.
Method: a real broker that knows all of them; an issuer of the tests' own; `--check` on files with mistakes."""

import json
import subprocess

import pytest

from admitted import await_stats, goes_through, health, refused
from command import Background, broker_stats, ok, run
from conftest import clean_environment, program
from issuer import CLIENT, SECRET, Issuer
from tokens import PASSWORD

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(300)


# ---- a certificate


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_alone(pulsar_secure, hulsed, topic, version):
    certificates = pulsar_secure.certificates
    daemon = hulsed(pulsar_secure.service_url_tls,
                    auth={"tls": {"cert_file": certificates.path("admin"),
                                  "key_file": str(certificates.folder / "server.key")}},
                    tls={"ca_file": certificates.path("ca"), "min_version": version})
    assert goes_through(daemon, topic)
    assert "token_failures" not in broker_stats(daemon)


def test_a_certificate_without_rights(pulsar_secure, hulsed, topic):
    certificates = pulsar_secure.certificates
    daemon = hulsed(pulsar_secure.service_url_tls,
                    auth={"tls": {"cert_file": certificates.path("nobody"),
                                  "key_file": str(certificates.folder / "server.key")}},
                    tls={"ca_file": certificates.path("ca")})
    assert refused(daemon, topic, "AuthorizationError").returncode == 77


# ---- a name and a password


@pytest.fixture(name="password")
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


def test_a_name_and_a_password(pulsar_secure, hulsed, topic, password):
    daemon = hulsed(pulsar_secure.service_url,
                    auth={"basic": {"user": "admin", "password_file": str(password)}})
    assert goes_through(daemon, topic)
    assert broker_stats(daemon)["token_failures"] == 0
    assert PASSWORD not in daemon.log.read_text()


def test_a_wrong_password(pulsar_secure, hulsed, topic, password):
    password.write_text("guessed")
    daemon = hulsed(pulsar_secure.service_url, operation_timeout="3s",
                    auth={"basic": {"user": "admin", "password_file": str(password)}})
    refused(daemon, topic, "AuthenticationError")
    assert "guessed" not in daemon.log.read_text()


# ---- a command


def test_a_command_that_gives_none(pulsar_secure, hulsed, topic, tmp_path):
    """It is named, and what it said is for the operator alone."""
    token = tmp_path / "token"
    daemon = hulsed(pulsar_secure.service_url, operation_timeout="3s",
                    auth={"token_command": f"cat {token} || {{ echo who knows >&2; exit 3; }}"})
    await_stats(daemon, lambda s: s["token_failures"] > 0)
    named = "token_command: exit status 3"
    assert broker_stats(daemon)["token_failure"] == named
    got = health(daemon)
    assert (got["healthy"], got["token"], got["token_complaint"]) == (False, named, "who knows")
    assert daemon.await_lines("credential.failed")[0]["why"] == named
    refused(daemon, topic, named)
    assert "who knows" not in daemon.log.read_text()
    token.write_text(pulsar_secure.tokens.admin)
    await_stats(daemon, lambda s: s["token_failures"] == 0)
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
    got = health(daemon)
    assert got["healthy"] and "token" not in got and "token_complaint" not in got


# ---- a client of an issuer


@pytest.fixture(name="issuer")
def honest_issuer(pulsar_secure):
    issuer = Issuer(lambda: pulsar_secure.tokens.token("admin", expires_in_s=3600))
    yield issuer
    issuer.close()


@pytest.fixture(name="secret")
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return path


def oauth2(issuer, secret, **more):
    return {"oauth2": {"issuer": issuer.url, "client_id": CLIENT,
                       "client_secret_file": str(secret), **more}}


def test_a_client_of_an_issuer(pulsar_secure, hulsed, issuer, secret, topic):
    """One token for all: two workers, many applications."""
    daemon = hulsed(pulsar_secure.service_url,
                    auth=oauth2(issuer, secret, audience="urn:a&b", scope="x y"))
    for n in range(3):
        assert goes_through(daemon, f"{topic}-{n}")
    assert issuer.asked == [{"grant_type": "client_credentials", "client_id": CLIENT,
                             "client_secret": SECRET, "audience": "urn:a&b",
                             "scope": "x y"}]
    got = broker_stats(daemon)
    assert got["token_failures"] == 0 and 3000 < got["token_seconds_to_expiry"] <= 3600
    assert SECRET not in daemon.log.read_text()


def test_a_key_file(pulsar_secure, hulsed, issuer, topic, tmp_path):
    """As Pulsar's own clients have it."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "client_credentials", "client_id": CLIENT,
                               "client_secret": SECRET, "issuer_url": issuer.url}, indent=2))
    daemon = hulsed(pulsar_secure.service_url, auth=oauth2(issuer, key))
    assert goes_through(daemon, topic)


@pytest.mark.parametrize("mood, word", [
    ("refuses", "HTTP 401: invalid_client"), ("garbage", "no access_token"),
    ("no token", "no access_token"), ("down", "HTTP 503"), ("huge", "too large"),
    ("lies", "connect"), ("expired", "expired")])
def test_an_issuer_that_gives_none(pulsar_secure, hulsed, issuer, secret, topic, mood, word):
    """It is said in all places, and when it does the daemon goes on by itself."""
    good = issuer.token
    if mood == "expired":
        issuer.token = lambda: pulsar_secure.tokens.token("admin", expires_in_s=-60)
    else:
        issuer.mood = mood
    daemon = hulsed(pulsar_secure.service_url, auth=oauth2(issuer, secret), operation_timeout="3s")
    got = await_stats(daemon, lambda s: s["token_failures"] > 0)
    assert word in got["token_failure"], got
    assert word in health(daemon)["token"]
    assert word in daemon.await_lines("credential.failed")[0]["why"]
    assert word in run(daemon, "pub", topic, "x", timeout=60).stderr.decode()
    issuer.mood, issuer.token = "good", good
    await_stats(daemon, lambda s: s["token_failures"] == 0)
    assert "token" not in health(daemon)
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass


def test_an_issuer_that_hangs(pulsar_secure, hulsed, issuer, secret, topic):
    issuer.mood = "hangs"
    daemon = hulsed(pulsar_secure.service_url, auth=oauth2(issuer, secret), operation_timeout="3s")
    got = await_stats(daemon, lambda s: s["token_failures"] > 0)
    assert "no answer within" in got["token_failure"], got
    issuer.mood = "good"
    await_stats(daemon, lambda s: s["token_failures"] == 0)


def test_a_token_that_cannot_be_renewed_stays_in_force(pulsar_secure, hulsed, issuer, secret, topic):
    """Whoever is connected goes on, and what is wrong can be seen before it hurts."""
    issuer.life_s = 10
    daemon = hulsed(pulsar_secure.service_url, auth=oauth2(issuer, secret))
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
        ok(run(daemon, "pub", topic, "before", timeout=60))
        assert sub.line() == b"before"
        issuer.mood = "down"
        got = await_stats(daemon, lambda s: s["token_failures"] > 0)
        assert "HTTP 503" in got["token_failure"] and got["healthy"], got
        assert health(daemon)["healthy"] and "HTTP 503" in health(daemon)["token"]
        ok(run(daemon, "pub", topic, "meanwhile", timeout=60))
        assert sub.line() == b"meanwhile"
        issuer.mood = "good"
        await_stats(daemon, lambda s: s["token_failures"] == 0)
        ok(run(daemon, "pub", topic, "after", timeout=60))
        assert sub.line() == b"after"


# ---- mistakes of the operator


@pytest.mark.parametrize("auth, key", [
    ({"token_file": "/nowhere/token"}, "auth.token_file"),
    ({"basic": {"user": "u", "password_file": "/nowhere/password"}}, "auth.basic.password_file"),
    ({"oauth2": {"issuer": "https://i", "client_id": "c", "client_secret_file": "/nowhere/s"}},
     "auth.oauth2.client_secret_file"),
    ({"oauth2": {"issuer": "https://i", "client_id": "c", "client_secret_file": "/dev/null",
                 "ca_file": "/nowhere/ca"}}, "auth.oauth2.client_secret_file"),
    ({"oauth2": {"issuer": "ftp://i", "client_id": "c", "client_secret_file": "/s"}},
     "auth.oauth2.issuer"),
    ({"basic": {"user": "u"}}, "auth.basic")])
def test_check_finds_what_is_wrong(tmp_path, auth, key):
    config = tmp_path / "hulse.yaml"
    config.write_text(json.dumps({"brokers": {"main": {
        "type": "pulsar", "service_url": "pulsar://127.0.0.1", "auth": auth}}}))
    done = subprocess.run([program("hulsed"), "--check", "--config", config], text=True,
                          env=clean_environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 78
    assert f"{config}:1:" in done.stderr and key in done.stderr, done.stderr
