# SPDX-License-Identifier: Apache-2.0
"""Goal:   bash and zsh complete commands, options, values, files and the topics of a daemon that
        answers; every command has JSON to print.
Method: real shells: the function of bash called as readline calls it, zsh on a terminal of its own.
        The commands are walked by the command's own table, `hulse help --json`."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from command import Subscriber, environment, new_topic, ok, program, run

BASH = r"""
source <("$1" completion bash)
COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9
read -ra COMP_WORDS <<<"$2"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p hulse >/dev/null || exit 9
_hulse
printf '%s\n' "${COMPREPLY[@]}"
"""


def table():
    return json.loads(ok(run(None, "help", "--json")))


def bash(daemon, line, breaks=None, folder=None, lines=False):
    """What bash offers at the end of the line."""
    script = BASH if breaks is None else f"COMP_WORDBREAKS='{breaks}'\n{BASH}"
    env = environment(daemon)
    env["PATH"] = f"{pathlib.Path(program()).parent}:{env['PATH']}"
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", program(), line], env=env,
                          capture_output=True, text=True, timeout=30, cwd=folder, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines() if lines else done.stdout.split()


def option_names(options):
    return [f"--{o['name']}" for o in options] + [f"-{o['letter']}" for o in options if o["letter"]]


def test_bash_completes_commands_and_options():
    commands = {c["name"]: c for c in table()["commands"]}
    assert bash(None, "hulse ") == list(commands)
    assert bash(None, "hulse re") == ["read", "reload"]
    assert bash(None, "hulse --json he") == ["health", "help"]
    assert bash(None, "hulse --socket re") == []
    for name, command in commands.items():
        known = option_names(command["options"] + table()["options"])
        assert sorted(bash(None, f"hulse {name} -")) == sorted(known)


def test_bash_completes_values():
    assert bash(None, "hulse sub t --type ") == ["exclusive", "shared", "failover", "key_shared"]
    assert bash(None, "hulse sub t -t s") == ["shared"]
    assert bash(None, "hulse sub --type=s") == ["shared"]
    assert bash(None, "hulse sub --type=s", breaks=" ") == ["--type=shared"]
    assert bash(None, "hulse topics ") == ["list", "create", "delete", "stats", "unload"]
    assert bash(None, "hulse topics list ") == []
    assert bash(None, "hulse help st") == ["stats", "store"]
    assert bash(None, "hulse store ") == ["check", "backup"]
    assert bash(None, "hulse completion ") == ["bash", "zsh"]
    assert bash(None, "hulse -- --json ") == []


def test_bash_completes_files(tmp_path):
    (tmp_path / "a message").touch()
    (tmp_path / "config").touch()
    assert bash(None, "hulse pub t --file co", folder=tmp_path) == ["config"]
    assert bash(None, "hulse pub t --file=co", folder=tmp_path) == ["config"]


@pytest.mark.parametrize("name", ["$(touch made)", "`touch made`", "a;touch made", "a b", "it's",
                                  'say "x"', "back\\slash", "a&b", "*", "~", "!x", "#x"])
def test_what_a_topic_is_called_stays_text(daemon, tmp_path, name):
    """An application chose the name; an operator completes it and presses enter."""
    topic = f"{new_topic('hostile')}-{name}"
    ok(run(daemon, "topics", "create", topic))
    try:
        prefix = topic[:topic.index("hostile")]
        words = [w for w in bash(daemon, f"hulse read {prefix}", breaks=" ", lines=True)
                 if "hostile" in w]
        assert len(words) == 1, words
        done = subprocess.run(["bash", "--norc", "-c", f"printf '%s' {words[0]}"], cwd=tmp_path,
                              capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout == topic
        assert not list(tmp_path.iterdir())
    finally:
        ok(run(daemon, "topics", "delete", topic))


def test_bash_completes_topics_of_a_daemon(daemon, start, tmp_path):
    topic = new_topic("completion")
    with Subscriber(daemon, topic, "-s", "s"):
        assert topic in bash(daemon, "hulse sub ", breaks=" ")
        # Only what is behind the colon is replaced.
        assert topic.partition(":")[2] in bash(daemon, f"hulse read {topic[:-4]}")
        assert bash(daemon, f"hulse pub {topic} ") == []
        assert topic.partition(":")[2] in bash(daemon, f"hulse sub -s x {topic} {topic[:20]}")
        away = f"--admin-socket {daemon.admin_socket}"
        nobody = start(folder=tmp_path / "other")
        assert bash(nobody, "hulse sub ", breaks=" ") == []
        assert bash(nobody, f"hulse {away} sub ", breaks=" ").count(topic) == 1
    assert bash(None, f"hulse --admin-socket {tmp_path}/none sub ") == []


# ---- zsh ----

SOURCED = """
autoload -Uz compinit && compinit -u -D
source <(hulse completion zsh)
"""
AUTOLOADED = """
mkdir $ZDOTDIR/functions && hulse completion zsh >$ZDOTDIR/functions/_hulse
fpath=($ZDOTDIR/functions $fpath)
autoload -Uz compinit && compinit -u -D
"""
ZSH = r"""
PROMPT= RPROMPT=
# Writes down what is offered, and leaves the line as it is.
compadd() {
    if [[ " $* " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
    local -a offered; builtin compadd -O offered "$@"
    (( $#offered )) && print -rl -- $offered >>$OFFERED
    return 0
}
finish() { print -r -- done >>$OFFERED; BUFFER=; }
zle -N finish; bindkey '^X' finish
bindkey '^I' complete-word
print -r -- ready >>$OFFERED
"""


class Zsh:
    """A zsh on a terminal that nobody looks at."""

    def __init__(self, folder, daemon, way):
        self.offered = folder / "offered"
        (folder / ".zshrc").write_text(way + ZSH)
        env = environment(daemon)
        env.update(ZDOTDIR=str(folder), OFFERED=str(self.offered), TERM="dumb",
                   PATH=f"{pathlib.Path(program()).parent}:{env['PATH']}")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe("zsh", ["zsh", "-d", "-i"], env)
        self.await_line("ready")

    def await_line(self, last):
        """The lines before it; what the terminal shows is read and dropped."""
        shown = b""
        for _ in range(600):
            if select.select([self.terminal], [], [], 0.05)[0]:
                shown += os.read(self.terminal, 65536)
            lines = self.offered.read_text().splitlines() if self.offered.exists() else []
            if lines[-1:] == [last]:
                self.offered.unlink()
                return lines[:-1]
        raise AssertionError(f"no {last!r}: {shown.decode(errors='replace')}")

    def offers(self, line):
        os.write(self.terminal, line.encode() + b"\t\x18")
        return sorted(set(self.await_line("done")))

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=[SOURCED, AUTOLOADED], ids=["sourced", "autoloaded"])
def zsh(request, tmp_path, daemon):
    if shutil.which("zsh") is None:
        pytest.skip("no zsh")
    shell = Zsh(tmp_path, daemon, request.param)
    yield shell
    shell.end()


def test_zsh_completes_commands_options_and_values(zsh, tmp_path):
    commands = {c["name"]: c for c in table()["commands"]}
    assert zsh.offers("hulse ") == sorted(commands)
    assert zsh.offers("hulse re") == ["read", "reload"]
    for name, command in commands.items():
        known = option_names(command["options"] + table()["options"])
        # zsh writes the = of an option with a value; of an h it knows that it may be bundled.
        assert {o.rstrip("=") for o in zsh.offers(f"hulse {name} -")} == set(known), name
    assert zsh.offers("hulse sub t --type ") == ["exclusive", "failover", "key_shared", "shared"]
    assert zsh.offers("hulse sub --type=s") == ["shared"]
    assert zsh.offers("hulse sub -t s") == ["shared"]
    assert zsh.offers("hulse --json topics ") == ["create", "delete", "list", "stats", "unload"]
    assert zsh.offers("hulse completion ") == ["bash", "zsh"]
    (tmp_path / "message").touch()
    assert "message" in zsh.offers("hulse pub t --file mes")


def test_zsh_completes_topics_of_a_daemon(zsh, daemon):
    topic = new_topic("completion")
    with Subscriber(daemon, topic, "-s", "s"):
        assert topic in zsh.offers("hulse sub non")
        assert topic in zsh.offers(f"hulse sub -s x {topic} ")
        assert topic not in zsh.offers("hulse --admin-socket /nowhere sub ")
        assert topic in zsh.offers(f"hulse --admin-socket {daemon.admin_socket} read ")


# ---- JSON of every command ----

def json_arguments(command, topic):
    """Operands and options with which a command ends by itself."""
    special = {"sub": ["-s", "json", "-n", "1"], "pub": ["x"], "drain": ["--wait", "20s"],
               "schema": ["/dev/null", "--type", "STRING"], "subs": [topic]}
    operands = {"topic": [topic], "command": ["pub"]}
    first = command["first"]
    words = [first[0]] if isinstance(first, list) else operands.get(first, [])
    return [command["name"], *words, *special.get(command["name"], [])]


def test_every_command_prints_json(start):
    daemon = start()
    topic = new_topic("json")
    commands = sorted(table()["commands"], key=lambda c: c["name"] == "drain")
    assert commands[-1]["name"] == "drain"
    with Subscriber(daemon, topic, "-s", "keep"):
        for command in commands[:-1]:
            check_json(daemon, command, topic)
    check_json(daemon, commands[-1], topic)
    assert daemon.wait() == 0


def check_json(daemon, command, topic):
    words = json_arguments(command, topic)
    if command["name"] == "sub":
        with Subscriber(daemon, *words[1:], "--json") as subscriber:
            ok(run(daemon, "pub", topic, "x"))
            assert json.loads(subscriber.line())["payload"] == "x"
        return
    if command["name"] != "store":  # this daemon has none; test_store.py
        lines = ok(run(daemon, *words, "--json")).decode().splitlines()
        # A topic that keeps nothing has nothing to read.
        assert lines or command["name"] == "read", words
        for line in lines:
            json.loads(line)
    # Its help, too; and --json may stand before a command.
    assert json.loads(ok(run(daemon, "--json", command["name"], "--help"))) == command


def test_the_table_has_what_the_help_tells():
    """An option that is explained exists, and one that exists is explained."""
    for command in table()["commands"]:
        told = set(re.findall(r"^ +(?:-\w, )?(?:--([\w-]+))", command["help"], re.M))
        told |= set(re.findall(r"^ +--[\w-]+, --([\w-]+)", command["help"], re.M))
        assert told == {o["name"] for o in command["options"]}, command["name"]
