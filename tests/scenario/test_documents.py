# SPDX-License-Identifier: Apache-2.0
"""Goal:   what README and docs show is what there is: the snippet compiles, the reference is the
        command's own help, links lead somewhere, examples run.
Method: texts compared; every docs/examples program started against a daemon."""

import os
import pathlib
import re
import subprocess

import pytest

from command import Background, environment, new_topic, ok, run

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


def test_the_snippet_of_the_readme_is_compiled():
    example = (ROOT / "docs/examples/readme.c").read_text()
    lines = re.search(r"/\* README: begin \*/\n(.*?) */\* README: end \*/", example, re.S)[1]
    shown = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert shown == lines
    assert len(shown.splitlines()) == 5


def test_links_lead_somewhere():
    broken = []
    for name in ("README.md", "docs/README.md", "docs/user-guide.md", "docs/reference-cli.md"):
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


def example(daemon, name, *args):
    program = EXAMPLES / name
    if not program.exists():
        pytest.skip(f"{program} was not built")
    return subprocess.run([program, *args], env=environment(daemon), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)


@pytest.mark.smoke
def test_readme_publishes(daemon):
    topic = new_topic()
    with Background(daemon, "read", topic, "--follow", "-n", "1", "--timeout", "60s") as reader:
        reader.await_error_line("reading ")
        result = example(daemon, "readme", topic)
        assert (result.returncode, result.stdout) == (0, b"ok\n"), result.stderr
        assert reader.wait() == (b"hello\n", 0)


@pytest.mark.parametrize("name", NAMES)
def test_examples_say_so_without_a_daemon(tmp_path, name):
    class Nobody:
        socket = tmp_path / "hulse.sock"
        admin_socket = tmp_path / "admin.sock"

    assert example(Nobody, name).returncode not in (0, -6, -11)


if __name__ == "__main__":
    print(reference(), end="")
