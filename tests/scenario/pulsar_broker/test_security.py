# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulsed shows its token and looks at certificates: what is right works, what is wrong is said and
        tried at a bounded rate.
Method: a real broker that wants a token and speaks TLS at one of its doors; hulsed with right and wrong
        settings."""

import json
import shutil

import pytest

from admitted import goes_through, refused
from certificates import await_presented
from command import Background, broker_stats, ok, run

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(300)

DAY_S = 86400


def localhost(url):
    return url.replace("127.0.0.1", "localhost")


def unreachable(daemon, word):
    """Health and the log say why, and the log does once."""
    done = run(daemon, "health", "--json")
    assert done.returncode == 69
    broker = next(b for b in json.loads(done.stdout)["brokers"] if b["name"] == "main")
    assert not broker["healthy"] and word in broker["why"], broker
    lines = daemon.lines("pulsar.unreachable")
    assert len(lines) == 1 and word in lines[0]["why"], lines


def test_a_token_over_tls(pulsar_secure, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text(pulsar_secure.tokens.admin + "\n")
    daemon = hulsed(pulsar_secure.service_url_tls, auth={"token_file": str(token)},
                    tls={"ca_file": pulsar_secure.certificates.path("ca")})
    assert goes_through(daemon, topic)
    assert pulsar_secure.tokens.admin not in daemon.log.read_text()


def test_a_token_of_the_configuration_without_tls(pulsar_secure, hulsed, topic):
    daemon = hulsed(pulsar_secure.service_url, auth={"token": pulsar_secure.tokens.admin})
    assert goes_through(daemon, topic)


def test_a_token_of_a_command(pulsar_secure, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text(pulsar_secure.tokens.admin)
    daemon = hulsed(pulsar_secure.service_url, auth={"token_command": f"cat {token}"})
    assert goes_through(daemon, topic)


@pytest.mark.parametrize("kind", ["none", "expired", "forged"])
def test_a_wrong_token_is_refused_with_its_reason(pulsar_secure, hulsed, topic, kind):
    tokens = pulsar_secure.tokens
    auth = {"none": {}, "expired": {"token": tokens.token("admin", expires_in_s=-60)},
            "forged": {"token": tokens.token("admin", key=b"another key that is 32 bytes long")}}
    daemon = hulsed(pulsar_secure.service_url, auth=auth[kind], operation_timeout="3s")
    # One that has ended is not even shown.
    word = "token has expired" if kind == "expired" else "AuthenticationError"
    refused(daemon, topic, word)
    unreachable(daemon, word)
    # One at a time and with a growing pause, whatever an application asks.
    assert pulsar_secure.log.read_text().count("Failed to authenticate") < 200


def test_a_role_without_rights_is_refused(pulsar_secure, hulsed, topic):
    daemon = hulsed(pulsar_secure.service_url, auth={"token": pulsar_secure.tokens.token("nobody")})
    done = refused(daemon, topic, "AuthorizationError")
    assert done.returncode == 77
    assert b"the daemon's token" in done.stderr, done.stderr


def test_a_namespace_that_is_not_there(pulsar_secure, hulsed):
    daemon = hulsed(pulsar_secure.service_url, auth={"token": pulsar_secure.tokens.admin})
    done = refused(daemon, "persistent://public/nowhere/t", "Namespace not found")
    assert done.returncode == 65
    assert b"a Pulsar cluster's" in done.stderr, done.stderr


def test_a_token_that_is_right_later(pulsar_secure, hulsed, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text(pulsar_secure.tokens.token("admin", expires_in_s=-60))
    daemon = hulsed(pulsar_secure.service_url, auth={"token_file": str(token)})
    refused(daemon, topic, "token has expired")
    fresh = tmp_path / "fresh"
    fresh.write_text(pulsar_secure.tokens.admin)
    fresh.rename(token)
    daemon.await_lines("broker.token")
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
    ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 1, timeout=60))


def test_how_long_they_are_good(pulsar_secure, hulsed, topic, tmp_path):
    """Authority, certificate and token, and a certificate that is renewed counts at once."""
    certificates, tokens = pulsar_secure.certificates, pulsar_secure.tokens
    own = tmp_path / "own.pem"
    shutil.copyfile(certificates.path("server"), own)
    daemon = hulsed(pulsar_secure.service_url_tls,
                    auth={"token": tokens.token("admin", expires_in_s=1000),
                          "tls": {"cert_file": str(own),
                                  "key_file": str(certificates.folder / "server.key")}},
                    tls={"ca_file": certificates.path("ca")})
    assert goes_through(daemon, topic)
    got = broker_stats(daemon)
    assert 900 < got["token_seconds_to_expiry"] <= 1000
    for name in ("certificate_seconds_to_expiry", "ca_certificate_seconds_to_expiry"):
        assert 29 * DAY_S < got[name] <= 30 * DAY_S, got
    fresh = tmp_path / "fresh.pem"
    certificates.openssl("req", "-x509", "-key", "server.key", "-out", str(fresh), "-subj", "/CN=own",
                         "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "10")
    fresh.rename(own)
    assert 9 * DAY_S < broker_stats(daemon)["certificate_seconds_to_expiry"] <= 10 * DAY_S


def swap(folder, version, files):
    """As Kubernetes puts a secret in place: a folder for each version, and a link that is renamed."""
    fresh = folder / f"..{version}"
    fresh.mkdir()
    for name, source in files.items():
        shutil.copyfile(source, fresh / name)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(fresh.name)
    (folder / "..data_tmp").rename(folder / "..data")


def test_certificates_that_are_swapped_are_taken_up_by_themselves(pulsar_secure, hulsed, topic, tmp_path):
    """Nobody connects and nobody asks; what cannot be used replaces nothing."""
    certificates = pulsar_secure.certificates
    swap(tmp_path, 1, {"ca.pem": certificates.path("stranger")})
    daemon = hulsed(pulsar_secure.service_url_tls, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": str(tmp_path / "ca.pem")}, operation_timeout="3s")
    refused(daemon, topic, "certificate")
    swap(tmp_path, 2, {"ca.pem": certificates.path("ca")})
    daemon.await_lines("pulsar.tls_renewed")
    swap(tmp_path, 3, {"ca.pem": certificates.folder / "openssl.cnf"})
    (line,) = daemon.await_lines("pulsar.tls_files")
    assert "ca.pem" in line["why"]
    assert broker_stats(daemon)["tls_files_refused"] == 1
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
    assert len(daemon.lines("pulsar.tls_files")) == 1


def test_connections_follow_new_certificates(pulsar_secure, hulsed, topic, tmp_path):
    """Where it is wanted, one after another, and nothing is lost."""
    ca = tmp_path / "ca.pem"
    shutil.copyfile(pulsar_secure.certificates.path("ca"), ca)
    daemon = hulsed(pulsar_secure.service_url_tls, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": str(ca), "reconnect_every": "100ms"})
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
        ok(run(daemon, "pub", topic, "before", timeout=60))
        assert sub.line() == b"before"
        ca.write_text(ca.read_text() + "\n")
        while broker_stats(daemon)["connections_closed_renewed"] < 2:
            pass
        ok(run(daemon, "pub", topic, "after", timeout=60))
        assert sub.line() == b"after"
    got = broker_stats(daemon)
    assert got["connections_closed_renewed"] == 2 and got["connections_closed_lost"] == 0, got
    assert "last_failure" not in got and not daemon.lines("pulsar.lost")


@pytest.mark.parametrize("presented, authority, word", [
    ("server", "stranger", "certificate"), ("wrong_host", "ca", "host")])
def test_a_certificate_that_is_not_right(pulsar_secure, hulsed, topic, presented, authority, word):
    certificates = pulsar_secure.certificates
    certificates.present(presented)
    await_presented(pulsar_secure, presented)
    daemon = hulsed(pulsar_secure.service_url_tls, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": certificates.path(authority)}, operation_timeout="3s")
    refused(daemon, topic, word)
    unreachable(daemon, word)
    assert broker_stats(daemon)["connection_attempts_failed"] >= 1


def test_the_host_need_not_be_compared(pulsar_secure, hulsed, topic):
    certificates = pulsar_secure.certificates
    certificates.present("wrong_host")
    await_presented(pulsar_secure, "wrong_host")
    daemon = hulsed(pulsar_secure.service_url_tls, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": certificates.path("ca"), "verify_hostname": False})
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
