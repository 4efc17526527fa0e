# SPDX-License-Identifier: Apache-2.0
"""Goal:   servers of tests leave nothing behind, find room for their data, and one that did not start harms no later test.
Method: folders and processes as fixtures make them; programs of a line; the real broker on a port that is taken."""

import pathlib
import socket
import subprocess
import sys

import pytest

import data_folder
from java_program import JavaProgram, NotStarted, ended, running


class Program(JavaProgram):
    """`line` is what it runs; ready when its file is there."""

    def __init__(self, folder, line):
        super().__init__(folder, "log")
        self.line, self.made = line, 0

    def command(self):
        return [sys.executable, "-c", f"import pathlib, sys, time; {self.line}"]

    def ready(self):
        return (self.folder / "ready").exists()

    def start(self):
        (self.folder / "ready").unlink(missing_ok=True)
        self.run_program(20)

    def start_new(self):
        self.made += 1
        self.line = SERVES
        self.start()


SERVES = "pathlib.Path('ready').touch(); time.sleep(600)"
ENDS = "sys.exit('no such port')"


def is_there(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


# ---- folders -------------------------------------------------------------------------------------


def test_a_folder_is_in_memory_where_that_has_room(monkeypatch, tmp_path):
    monkeypatch.setattr(data_folder, "MEMORY", tmp_path)
    monkeypatch.setattr(data_folder, "ROOM", 0)
    with data_folder.new_folder("servers-") as folder:
        assert pathlib.Path(folder).parent == tmp_path
        assert data_folder.in_memory(pathlib.Path(folder) / "data")
        (pathlib.Path(folder) / "data").write_text("x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("short", ["the folder", "memory", "no such folder"])
def test_a_folder_is_on_the_disk_otherwise(monkeypatch, tmp_path, short):
    there = tmp_path / "memory"
    if short != "no such folder":
        there.mkdir()
    monkeypatch.setattr(data_folder, "MEMORY", there)
    monkeypatch.setattr(data_folder, "ROOM", 1 << (62 if short == "the folder" else 0))
    if short == "memory":
        monkeypatch.setattr(data_folder, "memory_available", lambda: 0)
    monkeypatch.setattr(data_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    with data_folder.new_folder("servers-") as folder:
        assert pathlib.Path(folder).parent == tmp_path
        assert not data_folder.in_memory(folder)


def test_folders_of_the_dead_are_removed(monkeypatch, tmp_path):
    """Not those of who lives, nor what only looks alike."""
    monkeypatch.setattr(data_folder, "MEMORY", tmp_path)
    monkeypatch.setattr(data_folder, "ROOM", 0)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as lives:
        names = [f"servers-{gone.pid}-a", f"servers-{lives.pid}-b", f"others-{gone.pid}-c", f"servers-{gone.pid}x-d"]
        for name in names:
            (tmp_path / name / "data").mkdir(parents=True)
        with data_folder.new_folder("servers-"):
            assert [name for name in names if (tmp_path / name).exists()] == names[1:]


# ---- life ----------------------------------------------------------------------------------------


def test_a_server_ends_with_its_block(tmp_path):
    with pytest.raises(KeyError), ended(Program(tmp_path, SERVES)) as program:
        program.start()
        pid = program.process.pid
        assert is_there(pid)
        raise KeyError
    assert not is_there(pid) and program.process is None


def test_one_that_was_stopped_is_started_again_as_it_was(tmp_path):
    with ended(Program(tmp_path, SERVES)) as program:
        program.start()
        pid = program.process.pid
        assert running(program).process.pid == pid
        program.kill()
        assert running(program).process.pid != pid and program.made == 0


def test_one_that_did_not_start_is_made_anew(tmp_path):
    with ended(Program(tmp_path, ENDS)) as program:
        with pytest.raises(NotStarted, match="it ended with 1(.|\n)*no such port"):
            program.start()
        assert program.process is None
        running(program)
        assert program.made == 1 and not program.failed
        program.kill()
        running(program)
        assert program.made == 1


def test_a_broker_whose_port_is_taken_is_made_anew(new_broker):
    with new_broker() as broker:
        broker.kill()
        taken = broker.ports["binary_port"]
        with socket.create_server(("127.0.0.1", taken)):
            with pytest.raises(NotStarted, match="Address already in use"):
                broker.start()
            running(broker)
            assert broker.ports["binary_port"] != taken
            assert broker.admin("GET", "clusters")[0] == 200
