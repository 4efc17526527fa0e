# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: which files there are, C text without comments, the verdict."""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77
LLVM = 14
HOUSE = pathlib.Path(__file__).resolve().parents[2]


class Lint:
    """One run of one lint: collects problems and ends with exit status 0 or 1."""

    def __init__(self, name, about, extra=None):
        parser = argparse.ArgumentParser(prog=f"tests/lint/{name}", description=about)
        parser.add_argument("--root", type=pathlib.Path, default=HOUSE, help=argparse.SUPPRESS)
        parser.add_argument("paths", nargs="*", metavar="PATH",
                            help="files or folders; without any, the whole tree")
        if extra:
            extra(parser)
        self.name = name
        self.args = parser.parse_args()
        self.root = self.args.root.resolve()
        self.problems = []
        self.notes = []
        self.checked = 0

    def files(self, *suffixes, all_paths=False):
        """Paths relative to the root: tracked files and new ones that git does not ignore."""
        listed = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-co", "--exclude-standard", "-z"],
            capture_output=True, check=False)
        if listed.returncode == 0:
            names = {n for n in listed.stdout.decode().split("\0") if n}
        else:
            names = {str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()
                     and not {".git", "build"} & set(p.relative_to(self.root).parts)}
        wanted = [] if all_paths else [self._relative(p) for p in self.args.paths]
        return sorted(n for n in names
                      if (not suffixes or n.endswith(suffixes))
                      and (not wanted or any(w in ("", ".") or n == w or n.startswith(w + "/")
                                             for w in wanted))
                      and (self.root / n).is_file())

    def _relative(self, path):
        absolute = pathlib.Path(path).resolve()
        if not absolute.exists() or not absolute.is_relative_to(self.root):
            sys.exit(f"{self.name}: {path}: no such path in the tree")
        return str(absolute.relative_to(self.root)).rstrip("/")

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def problem(self, where, line, what):
        self.problems.append(f"{where}:{line}: {what}" if line else f"{where}: {what}")

    def note(self, what):
        self.notes.append(what)

    def finish(self):
        for line in self.notes:
            print("note: " + line)
        for line in self.problems:
            print(line)
        if self.problems:
            print(f"{self.name}: {len(self.problems)} problems")
            sys.exit(1)
        print(f"{self.name}: {self.checked} checked, fine")
        sys.exit(0)


def skip(reason):
    print("SKIP: " + reason)
    sys.exit(SKIPPED)


def llvm_tool(name):
    """The one version whose verdict counts: others format and warn differently."""
    tool = shutil.which(f"{name}-{LLVM}") or shutil.which(name)
    if tool is None:
        skip(f"{name} is not installed")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    if f"version {LLVM}." not in version:
        skip(f"{name} {LLVM} is needed, this is: {version.strip().splitlines()[0]}")
    return tool


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text, keep_strings=False):
    """C text with comments and string contents blanked; offsets and line numbers stay."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            if keep_strings:
                return token
            return token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
