# SPDX-License-Identifier: Apache-2.0
"""tests/support/pulsar/fetch with a Java and a Maven that only pretend."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

FETCH = pathlib.Path(__file__).resolve().parents[2] / "support" / "pulsar" / "fetch"
VERSION = "1.2.3"
JAVA = """#!/bin/sh
echo 'openjdk version "%s.0.1" 2025-01-01' >&2
"""
MAVEN = """#!{python}
import os, pathlib, sys, time, zipfile
here = pathlib.Path("{here}")
folder = pathlib.Path(next(a for a in sys.argv if "outputDirectory" in a).split("=", 1)[1])
folder.mkdir(parents=True)
number = len(list(here.glob("run-*"))) + 1
(here / f"run-{{number}}").touch()
for name in ("one.jar", "two.jar"):
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("content", os.urandom(1000) + bytes(10000))
(folder.parent / "repository").mkdir(exist_ok=True)
{more}
"""


class Pretended:
    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        (folder / "bin").mkdir()
        self.program("java", JAVA % "17")
        self.maven("")
        self.env = dict(os.environ, HULSE_TEST_CACHE=str(self.cache),
                        PATH=f"{folder / 'bin'}:{os.environ['PATH']}")

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def maven(self, more):
        """Brings two jars, then does this."""
        self.program("mvn", MAVEN.format(python=sys.executable, here=self.folder, more=more))

    def runs(self):
        return len(list(self.folder.glob("run-*")))

    def begin(self, *which):
        return subprocess.Popen([FETCH, *(which or [VERSION])], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True)

    def fetch(self, *which):
        """The folder with the jars."""
        process = self.begin(*which)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return pathlib.Path(out.strip())

    def refusal(self):
        process = self.begin()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (69, ""), err
        return err.splitlines()[-1]


@pytest.fixture
def pretended(tmp_path):
    return Pretended(tmp_path)


def names(jars):
    return sorted(jar.name for jar in jars.iterdir())


def test_what_is_complete_is_not_brought_again(pretended):
    jars = pretended.fetch()
    assert names(jars) == ["one.jar", "two.jar"]
    assert pretended.cache in jars.parents
    assert pretended.fetch() == jars
    assert pretended.runs() == 1
    assert not (jars.parent / "repository").exists()


def test_the_proxy_has_a_folder_of_its_own(pretended):
    jars, proxy = pretended.fetch(), pretended.fetch("--proxy")
    assert proxy.parent.name.startswith("4.0.8-") and proxy != jars
    assert pretended.fetch("--proxy") == proxy and pretended.runs() == 2


@pytest.mark.parametrize("harm", [
    lambda jars: (jars / "two.jar").unlink(),
    lambda jars: (jars / "two.jar").write_bytes((jars / "two.jar").read_bytes()[:500]),
    lambda jars: (jars.parent / "jars").unlink(),
    lambda jars: (jars.parent / "jars").write_text(""),
], ids=["a-jar-less", "a-torn-jar", "no-list", "an-empty-list"])
def test_what_is_not_complete_is_brought_again(pretended, harm):
    jars = pretended.fetch()
    harm(jars)
    assert pretended.fetch() == jars
    assert pretended.runs() == 2
    assert names(jars) == ["one.jar", "two.jar"]


def test_an_interrupted_download_is_finished_by_the_next(pretended):
    pretended.maven("(here / 'reached').touch(); time.sleep(600)")
    process = pretended.begin()
    while not (pretended.folder / "reached").exists():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(pretended.cache.glob("pulsar/*/jars"))

    pretended.maven("")
    assert names(pretended.fetch()) == ["one.jar", "two.jar"]


def test_two_at_once_bring_it_once(pretended):
    pretended.maven("time.sleep(1)")
    both = [pretended.begin(), pretended.begin()]
    outputs = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(outputs) == 1
    assert pretended.runs() == 1


DAMAGE = """
data = bytearray((folder / "two.jar").read_bytes())
data[600] ^= 0xff
(folder / "two.jar").write_bytes(data)
"""


def test_a_damaged_jar_is_brought_again_once(pretended):
    pretended.maven("if number == 1:" + DAMAGE.replace("\n", "\n    "))
    pretended.fetch()
    assert pretended.runs() == 2


def test_a_jar_that_stays_damaged_is_refused(pretended):
    pretended.maven(DAMAGE)
    assert pretended.refusal() == "Maven brought a damaged two.jar"
    assert pretended.runs() == 2


def test_what_maven_said_is_the_reason(pretended):
    pretended.maven("print('\\x1b[1m[ERROR]\\x1b[m '); print('[ERROR] no way out'); sys.exit(1)")
    assert pretended.refusal() == f"Maven could not bring Pulsar {VERSION}: no way out"


@pytest.mark.parametrize("version", ["11", "1.8"])
def test_an_old_java_is_refused(pretended, version):
    pretended.program("java", JAVA % version)
    assert re.match(r"a real Pulsar broker needs Java 17 or newer; java says .*" + version,
                    pretended.refusal())
    assert pretended.runs() == 0


def test_a_cache_that_cannot_be_made_is_refused(pretended):
    pretended.cache.write_text("a file")
    assert "cannot be kept in" in pretended.refusal()
