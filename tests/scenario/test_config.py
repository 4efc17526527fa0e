# SPDX-License-Identifier: Apache-2.0
"""Goal:   the configuration as its operator meets it: every bad file is refused with file, line and
        column and exit code 78, sources have their rank, and what is printed can be read again.
Method: files in a folder of the test's own, given to --check and --print-config."""

import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from conftest import clean_environment, program

ROOT = pathlib.Path(__file__).resolve().parents[2]


def hulsed(*args, user=None, group=None, extra_groups=None, **env):
    return subprocess.run([program("hulsed"), *map(str, args)], env=clean_environment(**env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                          check=False, user=user, group=group, extra_groups=extra_groups)


def checked(tmp_path, text, *args, **env):
    """hulsed --check on a file with that text."""
    path = tmp_path / "hulse.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return hulsed("--check", "--config", path, *args, **env)


def bomb():
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 9):
        lines.append(f"b{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]")
    return "\n".join(lines) + "\n"


BAD_FILES = {
    "unclosed list": ("topics: [{match: x}\nlog: {level: info}\n", 2, 1, "did not find expected"),
    "wrong type": ("log:\n  level: [info]\n", 2, 10, "a value is expected, not a list"),
    "number in quotes": ("workers: \"2\"\n", 1, 10, "without quotes"),
    "unknown key": ("log:\n  levl: info\n", 2, 3, "the nearest is 'log.level'"),
    "unknown group": ("sesion: {receipts: 4096}\n", 1, 1, "the nearest is 'session'"),
    "not yet": ("gateway: {listen: 127.0.0.1:8080}\n", 1, 1, "not in this version"),
    "tab": ("log:\n\tlevel: info\n", 2, 1, "a tab cannot indent"),
    "duplicate key": ("watch: true\nlog: {}\nwatch: false\n", 3, 1, "the first is in line 1"),
    "alias bomb": (bomb(), 7, 25, "aliases expanded"),
    "endless alias": ("topics: &t [*t]\n", 1, 13, "'&t'"),
    "not UTF-8": (b"name: \"\xff\"\n", 1, 8, "UTF-8"),
    "UTF-16": ("name: x\n".encode("utf-16"), 1, 1, "UTF-8"),
    "too deep": ("topics: " + "[" * 20 + "]" * 20, 1, 24, "nested too deeply"),
    "empty": ("", 1, 1, "the file is empty"),
    "no mapping": ("hello\n", 1, 1, "a mapping from keys is expected"),
    "two documents": ("log: {}\n---\nlog: {}\n", 2, 1, "a second document"),
    "zero byte": ("name: \"a\\0b\"\n", 1, 7, "zero byte"),
    "out of range": ("workers: 65\n", 1, 10, "auto or 1 to 64"),
    "no such broker": ("topics:\n  - match: x\n    broker: y\n", 3, 13, "no broker 'y'"),
    "two owners": ("roles:\n  a: {uids: [7]}\n  b: {uids: [7]}\n", 3, 13, "of line 2, column 13"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_78_and_the_place_is_named(tmp_path, name):
    text, line, column, words = BAD_FILES[name]
    result = checked(tmp_path, text)
    assert (result.returncode, result.stdout) == (78, "")
    first = result.stderr.splitlines()[0]
    assert first.startswith(f"{tmp_path}/hulse.yaml:{line}:{column}: "), first
    assert words in first


BAD_URLS = {
    "": "it must not be empty", "pulsar://": "a host is missing", "broker:6650": "begins with pulsar://",
    "pulsar:/broker:6650": "begins with", "pulsar:broker:6650": "begins with",
    "ftp://broker:8080": "begins with", "pulsar+tls://broker:6651": "begins with",
    "kafka://broker:9092": "begins with", "pulsar://broker:": "not a port",
    "pulsar://broker:0": "not a port", "pulsar://broker:65536": "not a port",
    "pulsar://broker:6650x": "not a port", "pulsar://a:1,pulsar://b:2": "not a port",
    "pulsar://broker:6650/tenant": "nothing behind its hosts",
    "pulsar://broker:6650?token=hidden": "nothing behind its hosts",
    "pulsar://me:hidden@broker:6650": "no user and no password",
    "pulsar://a:1,,b:2": "a host is missing", "pulsar://a:1,": "a host is missing",
    "pulsar:// broker:6650": "not a host", "pulsar://bröker:6650": "not a host",
    "pulsar://-broker:6650": "not a host", "pulsar://[::1:6650": "not a host",
    "pulsar://::1:6650": "not a host", "pulsar://300.300.300.300:6650": "not a host",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_service_url_is_refused_with_its_place(tmp_path, url):
    text = f"brokers:\n  main:\n    type: pulsar\n    service_url: {json.dumps(url)}\n"
    result = checked(tmp_path, text)
    assert result.returncode == 78
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{tmp_path / 'hulse.yaml'}:4:18: ") and BAD_URLS[url] in line
    assert "service_url" in line and "hidden" not in line


@pytest.mark.parametrize("url", ["pulsar://broker", "PULSAR://broker:6650/", "pulsar+ssl://a:1,b,[::1]:3",
                                 "pulsar://broker_0.svc.cluster.local:6650,10.0.0.1"])
def test_a_good_service_url(tmp_path, url):
    result = checked(tmp_path, f"brokers: {{main: {{type: pulsar, service_url: {json.dumps(url)}}}}}\n")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("service_url, admin_url, key", [
    ("pulsar://a:0", "http://a", "service_url"), ("pulsar://a", "http://a:0", "admin_url")])
def test_a_bad_url_ends_the_start(tmp_path, service_url, admin_url, key):
    result = hulsed("--set", "brokers.main.type=pulsar", "--set", f"brokers.main.service_url={service_url}",
                    "--set", f"brokers.main.admin_url={admin_url}",
                    HULSE_BROKERS__LOCAL__DIRECTORY=tmp_path / "store",
                    HULSE_SOCKET=tmp_path / "s", HULSE_ADMIN_SOCKET=tmp_path / "a")
    assert result.returncode == 78
    assert f"hulsed: brokers.main.{key}: not a port" in result.stderr


def test_files_of_tls_are_looked_at(tmp_path):
    (tmp_path / "empty.pem").write_text("")
    start = "brokers:\n  main:\n    type: pulsar\n    service_url: pulsar+ssl://broker\n"
    for more, column, word in (
            ("tls: {ca_file: /nonexistent/ca.pem}", 20,
             "brokers.main.tls.ca_file: the authorities in /nonexistent/ca.pem: No such file"),
            (f"tls: {{ca_file: {tmp_path}/empty.pem}}", 20, "the authorities in"),
            ("auth: {tls: {cert_file: /nonexistent/c.pem, key_file: /nonexistent/k.pem}}", 29,
             "the certificate in /nonexistent/c.pem: No such file")):
        result = checked(tmp_path, f"{start}    {more}\n")
        assert result.returncode == 78 and f"hulse.yaml:5:{column}: " in result.stderr, result.stderr
        assert word in result.stderr


@pytest.mark.parametrize("option", ["--config", "--env-file"])
def test_what_is_no_file(tmp_path, option):
    for path, why in ((tmp_path, "Is a directory"), ("/dev/null", "it is no regular file"),
                      (tmp_path / "none", "No such file or directory")):
        result = hulsed("--check", option, path)
        assert (result.returncode, result.stderr) == (78, f"{path}:1:1: cannot be read: {why}\n")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "no regular file" in hulsed("--check", option, fifo).stderr


def test_a_file_that_may_not_be_read():
    with tempfile.TemporaryDirectory(prefix="hulse-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        path = folder / "hulse.yaml"
        path.write_text("{}")
        path.chmod(0)
        # Root may read everything.
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        result = hulsed("--check", "--config", path, **nobody)
    assert (result.returncode, result.stderr) == \
        (78, f"{path}:1:1: cannot be read: Permission denied\n")


def test_all_mistakes_at_once(tmp_path):
    result = checked(tmp_path, "log: {level: x}\nwatch: 3\nroles: {a: {uids: [z]}}\n",
                     "--set", "workers=0", HULSE_SPIN__MODE="fast")
    lines = result.stderr.splitlines()
    assert result.returncode == 78
    assert [line.split(": ")[0] for line in lines[:3]] == \
        [f"{tmp_path}/hulse.yaml:{place}" for place in ("1:14", "2:8", "3:20")]
    assert lines[3].startswith("hulsed: HULSE_SPIN__MODE: ")
    assert lines[4].startswith("hulsed: --set workers.count: ")


def test_rank_of_the_sources(tmp_path):
    file, variables = tmp_path / "hulse.yaml", tmp_path / "env"
    file.write_text("name: file\nworkers: 1\nspin: {mode: \"off\"}\ndrain_timeout: 1s\n")
    variables.write_text("HULSE_WORKERS=2\nHULSE_SPIN__MODE=busy\nHULSE_DRAIN_TIMEOUT=2s\n")
    result = hulsed("--print-config", "--config", file, "--env-file", variables,
                    "--set", "drain_timeout=4s", HULSE_SPIN__MODE="auto", HULSE_DRAIN_TIMEOUT="3s")
    assert result.returncode == 0, result.stderr
    for line in (f'name: "file"  # {file}:1', f"  count: 2  # {variables}:1",
                 "  mode: auto  # environment HULSE_SPIN__MODE", "drain_timeout: 4s  # flag --set",
                 "watch: false  # default"):
        assert line in result.stdout.splitlines()


def test_the_default_file(tmp_path):
    assert "# default" in hulsed("--print-config", XDG_CONFIG_HOME=tmp_path).stdout
    (tmp_path / "hulse").mkdir()
    (tmp_path / "hulse/hulse.yaml").write_text("name: found\n")
    assert f'name: "found"  # {tmp_path}/hulse/hulse.yaml:1' in \
        hulsed("--print-config", XDG_CONFIG_HOME=tmp_path).stdout


@pytest.mark.smoke
def test_what_is_printed_is_the_same_configuration(tmp_path):
    first = tmp_path / "first.yaml"
    first.write_text("brokers: {mem: {type: local}}\ndefault_broker: mem\nsession: {rate: 10}\n"
                     "topics: [{match: \"a/*\", broker: \"null\", publish: {ttl: 5s}}]\n"
                     "roles: {r: {uids: [1, 2], produce: [\"**\"]}}\n")
    one = hulsed("--print-config", "--config", first)
    assert one.returncode == 0, one.stderr
    second = tmp_path / "second.yaml"
    second.write_text(one.stdout)
    two = hulsed("--print-config", "--config", second)
    assert [line.split("  # ")[0] for line in one.stdout.splitlines()] == \
        [line.split("  # ")[0] for line in two.stdout.splitlines()]


def test_tokens_are_never_shown(tmp_path):
    tokens, text = tmp_path / "tokens", f"roles: {{a: {{tokens_file: {tmp_path}/tokens}}}}\n"
    tokens.write_text("# two\nvery-secret-1\nvery-secret-2\n")
    tokens.chmod(0o600)
    assert checked(tmp_path, text).stderr == ""
    printed = hulsed("--print-config", "--config", tmp_path / "hulse.yaml").stdout
    assert "<redacted>" in printed and "very-secret" not in printed
    tokens.chmod(0o644)
    result = checked(tmp_path, text)
    assert result.returncode == 0 and "warning: everybody may read" in result.stderr
    tokens.chmod(0o602)
    assert checked(tmp_path, text).returncode == 78
    tokens.chmod(0o600)
    tokens.write_text("very-secret-1\nvery secret\n")
    result = checked(tmp_path, text)
    assert result.stderr.startswith(f"{tokens}:2:1: ") and "very" not in result.stderr


def resolve(schema, path):
    """The schema of a key, through groups that also have a short form."""
    for word in path.split("."):
        schema = schema["anyOf"][0] if "anyOf" in schema else schema
        schema = schema["properties"][word]
    return schema


def test_the_schema_has_every_key():
    result = hulsed("--schema")
    assert result.returncode == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    for line in hulsed("--help").stdout.splitlines():
        if line.startswith("  ") and line[2] != " " and " = " in line:
            path = line.split(" = ")[0].strip()
            if path.startswith("topics[]."):
                key = resolve(schema["properties"]["topics"]["items"], path[9:])
            elif ".NAME." in path:
                group, _, rest = path.partition(".NAME.")
                key = resolve(schema["properties"][group]["additionalProperties"], rest)
            else:
                key = resolve(schema, path)
            assert key["description"], path
    rule = schema["properties"]["topics"]["items"]
    assert rule["required"] == ["match"] and rule["additionalProperties"] is False
    assert schema["properties"]["workers"]["anyOf"][1]["anyOf"][0]["maximum"] == 64


@pytest.mark.smoke
def test_the_sample_is_accepted():
    result = hulsed("--check", "--config", ROOT / "deploy/hulse.yaml")
    assert (result.returncode, result.stderr) == (0, "")
    printed = hulsed("--print-config", "--config", ROOT / "deploy/hulse.yaml").stdout
    assert 'name: "orders-pod"' in printed and "uids: [1000]" in printed
