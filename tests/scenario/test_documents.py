# SPDX-License-Identifier: Apache-2.0
"""Goal:   what README and docs show is what there is: the snippet compiles, the reference is the
        command's own help, links lead somewhere, examples run.
Method: texts compared; every docs/examples program started against a daemon."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from command import Background, Subscriber, environment, new_topic, ok, publish, run, stats

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = pathlib.Path(os.environ.get("HULSE_BUILD_DIR", ROOT / "build/release")) / "docs/examples"
NAMES = sorted(path.stem for path in (ROOT / "docs/examples").glob("*.c"))
HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# The `hulse` command

This is `hulse help` and `hulse help COMMAND`, word for word.
"""


def reference():
    """docs/reference-cli.md as it must be."""
    overview = ok(run(None, "help")).decode()
    commands = re.findall(r"^  (\w+) ", overview.split("Options")[0], re.M)
    text = HEAD + "\n```\n" + overview + "```\n"
    for command in commands:
        text += f"\n## {command}\n\n```\n{ok(run(None, 'help', command)).decode()}```\n"
    return text


@pytest.mark.smoke
def test_the_reference_is_the_help():
    wanted = reference()
    assert (ROOT / "docs/reference-cli.md").read_text() == wanted, \
        "write it anew: python3 tests/scenario/test_documents.py > docs/reference-cli.md"


def test_help_in_every_spelling():
    for args in (("pub", "--help"), ("--help", "pub"), ("pub", "-h"), ("help", "pub")):
        assert ok(run(None, *args)) == ok(run(None, "help", "pub"))
    assert ok(run(None, "--help")) == ok(run(None, "help"))
    assert ok(run(None, "version")) == ok(run(None, "--version"))


def test_no_line_of_the_help_is_wider_than_a_terminal():
    assert all(len(line) <= 100 for line in reference().splitlines())


def test_what_reliability_calls_its_tests_is_there():
    text = (ROOT / "docs/reliability.md").read_text()
    named = re.findall(r"`(?:build/release/tests/)?((?:crash|hostile|scenario|unit)/[\w/.]+)", text)
    beside = re.findall(r"`(test_\w+)`", text)
    assert len(named) > 10 and beside
    there = {path.relative_to(ROOT / "tests").with_suffix("") for path in
             (ROOT / "tests").rglob("test_*") if path.suffix in (".c", ".py")}
    for name in named:
        assert pathlib.Path(name).with_suffix("") in there, name
    for name in beside:
        assert name in {path.name for path in there}, name
    forms = (ROOT / "tests/crash/test_recovery.c").read_text()
    for form in re.findall(r"--form ([a-z]+)", text):
        assert re.search(rf'\{{"{form}",\s', forms), form


def test_the_snippet_of_the_readme_is_compiled():
    example = (ROOT / "docs/examples/readme.c").read_text()
    lines = re.search(r"/\* README: begin \*/\n(.*?) */\* README: end \*/", example, re.S)[1]
    shown = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert shown == lines
    assert len(shown.splitlines()) == 5


def test_links_lead_somewhere():
    broken = []
    for name in ("README.md", "docs/README.md", "docs/user-guide.md", "docs/reference-cli.md",
                 "docs/reference-config.md"):
        page = ROOT / name
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if "://" in path:
                continue
            other = (page.parent / path).resolve() if path else page
            if not other.exists():
                broken.append(f"{name}: {target}")
            elif anchor:
                titles = re.findall(r"^#+ (.*)$", other.read_text(), re.M)
                if anchor not in [re.sub(r"[^\w -]", "", t).lower().replace(" ", "-")
                                  for t in titles]:
                    broken.append(f"{name}: {target}")
    assert not broken


def example(name):
    path = EXAMPLES / name
    if not path.exists():
        pytest.skip(f"{path} was not built")
    return path


def run_example(daemon, name, *args):
    return subprocess.run([example(name), *args], env=environment(daemon), check=False, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


PUBLISHERS = {"readme": 1, "fire_and_forget": 1000, "wait_for_stored": 10, "event_loop": 20,
              "threads": 4000}


def test_every_example_is_run_by_a_test():
    assert sorted(list(PUBLISHERS) + ["consume", "verdicts"]) == NAMES


@pytest.mark.smoke
@pytest.mark.parametrize("name", PUBLISHERS)
def test_an_example_publishes(daemon, name):
    topic, count = new_topic(name), PUBLISHERS[name]
    with Subscriber(daemon, topic, "-s", "s", "-n", str(count), "--timeout", "60s") as sub:
        result = run_example(daemon, name, topic)
        assert result.returncode == 0, result.stderr
        out, code = sub.wait()
    assert code == 0 and len(out.splitlines()) == count
    if name == "readme":
        assert (out, result.stdout) == (b"hello\n", b"ok\n")
    if name == "wait_for_stored":
        assert result.stdout.count(b"stored, id ") == count


@pytest.mark.smoke
def test_the_example_that_consumes(daemon):
    topic = new_topic("consume")
    with Background(daemon, topic, "3", path=example("consume")) as consumer:
        consumer.await_error_line("ready")
        ok(run(daemon, "pub", topic, "a", "b", "c"))
        out, code = consumer.wait()
    assert code == 0
    assert out.decode().splitlines() == [f"{topic}: {text}" for text in "abc"]


def test_what_the_example_has_no_buffer_for_stays(start, tmp_path):
    daemon, large = start(folder=tmp_path / "run"), b"x" * 300000
    publish(daemon, "orders", b"small", large)
    result = run_example(daemon, "consume", "orders", "2")
    assert result.returncode == 1
    assert result.stdout == b"persistent://public/default/orders: small\n"
    assert b"a message of 300000 bytes needs a larger reassembly buffer than 0" in result.stderr
    got = ok(run(daemon, "sub", "orders", "-s", "example", "-n", "1", "--timeout", "30s"))
    assert got == large + b"\n"


def await_asleep(process, file, lines):
    """Until it has printed that much and either sleeps or has ended."""
    end = time.monotonic() + 30
    while process.poll() is None:
        state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "S" and file.read_bytes().count(b"\n") >= lines:
            return
        assert time.monotonic() < end, f"{state}, {file.read_bytes().count(bytes([10]))} lines"
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["consume", "verdicts"])
def test_an_example_gives_more_verdicts_than_their_ring_holds(start, tmp_path, name):
    """The daemon stands still while the consumer goes through what is in its own ring."""
    daemon, topic, file = start(), new_topic(name), tmp_path / "out"
    lines = [f"{i}" for i in range(8000)]
    with open(file, "wb") as out, Background(daemon, topic, "8000", path=example(name),
                                             stdout=out) as consumer:
        consumer.await_error_line("ready")
        consumer.signal(signal.SIGSTOP)
        ok(run(daemon, "pub", topic, input="\n".join(lines[:4000]) + "\n"))
        daemon.terminate(signal.SIGSTOP)
        consumer.signal(signal.SIGCONT)
        await_asleep(consumer.process, file, 2000)
        daemon.terminate(signal.SIGCONT)
        ok(run(daemon, "pub", topic, input="\n".join(lines[4000:]) + "\n"))
        assert consumer.wait(60)[1] == 0, consumer.stderr()
    assert [line.rpartition(": ")[2] for line in file.read_text().splitlines()] == lines


def test_the_example_with_verdicts(daemon):
    """A nacked message comes again, a dropped one does not, and nothing is left over."""
    topic = new_topic("verdicts")
    with Background(daemon, topic, "4", path=example("verdicts")) as consumer:
        consumer.await_error_line("ready")
        ok(run(daemon, "pub", topic, "one", "?two", "", "three"))
        out, code = consumer.wait()
    assert code == 0
    lines = out.decode().splitlines()
    assert lines.count("again later: ?two") == 1
    assert sorted(line for line in lines if line.startswith("done")) == \
        ["done: ?two", "done: one", "done: three"]
    assert lines.index("again later: ?two") < lines.index("done: ?two")
    entry = next(t for t in stats(daemon)["topics"] if t["name"] == topic)
    assert (entry["redelivered"], entry["backlog"]) == (1, 0)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fails_without_a_daemon(tmp_path, name):
    class Nobody:
        socket = tmp_path / "hulse.sock"
        admin_socket = tmp_path / "admin.sock"

    result = run_example(Nobody, name, new_topic())
    assert result.returncode == 1
    assert result.stdout + result.stderr


if __name__ == "__main__":
    print(reference(), end="")
