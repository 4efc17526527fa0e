# SPDX-License-Identifier: Apache-2.0
"""The engine of tests/run: configure, build and test every preset, then one summary."""

import argparse
import collections
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SCENARIOS = ROOT / "tests" / "scenario"
FETCH = ROOT / "tests" / "support" / "pulsar" / "fetch"
VERSIONS = SCENARIOS / "pulsar_broker" / "versions"
LABELS = ["unit", "integration", "smoke", "failover", "performance"]
JOBS = str(os.cpu_count() or 1)
COVERAGE_MIN = 80
OUTPUT_TAIL = 40
SKIPPED = 77
IDLE_TEST = "lint/tidy"
PARTS = 4  # of a folder of scenarios
VERSION_PARTS = 2  # of those with another version of Pulsar: as long as the others, so that two lanes end together

# What of a failed test's output stands below its name in the summary; else its last lines.
TELLING = re.compile(
    r"\berror:|^\[  (ERROR   |  LINE  |FAILED  )\]|ERROR: \w+Sanitizer|WARNING: ThreadSanitizer"
    r"|^SUMMARY: |runtime error:|[Aa]ssertion .*failed|^LEAK: |^E   |^FAIL")
WATCHDOG = "watchdog: "
TELLING_LINES = 6
TELLING_BYTES = 200
TELLING_ELSE = 5


def telling(output):
    """The few lines of a failed test's output that say most."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    chosen = []
    for at, line in enumerate(lines):
        if line.startswith(WATCHDOG):
            # Which test it was in, and what it was about.
            chosen += [begun for begun in lines[:at] if begun.startswith("[ RUN")][-1:]
            chosen += lines[at:at + TELLING_LINES]
        elif TELLING.search(line):
            chosen.append(line)
    return [line.strip()[:TELLING_BYTES]
            for line in chosen[:TELLING_LINES] or lines[-TELLING_ELSE:]]


# preset: what of it runs. Without `ctest` it is only built.
#   without: labels, and without_names: a pattern, that make no sense there
PRESETS = {
    "release": {},
    "asan-ubsan": {"without": ["performance"]},
    # One thread feeds a parser: nothing there can race.
    "tsan": {"without": ["performance"], "without_names": "^fuzz/"},
    "fuzz": {},
    "debug": {"build_only": True},
    "coverage": {"without": ["performance", "smoke", "failover"]},
}
DEFAULT = ["release", "asan-ubsan", "tsan", "fuzz", "debug"]


def versions():
    """[(version of Pulsar, [test files])] beside the default one."""
    lines = VERSIONS.read_text(encoding="ascii").splitlines()
    return [(words[0], [VERSIONS.with_name(f"{name}.py") for name in words[1:]])
            for words in map(str.split, lines) if words and words[0] != "#"]


class Lanes:
    """
    Scenarios that have servers of their own, in groups that begin one after the other, a few at a time: they wait for
    their servers half of the time, so they run beside everything else.
    """

    COUNT = 2

    def __init__(self):
        self.waiting = collections.deque()
        self.begun = []  # (what, group)
        self.threads = []
        self.lock = threading.Lock()
        self.stopped = False

    def add(self, what, begin):
        """`begin` gives (report, log, process)."""
        self.waiting.append((what, begin))

    def start(self):
        self.threads = [threading.Thread(target=self.lane, daemon=True) for _ in range(self.COUNT)]
        for thread in self.threads:
            thread.start()

    def lane(self):
        while True:
            with self.lock:
                if self.stopped or not self.waiting:
                    return
                what, begin = self.waiting.popleft()
                group = begin()
                self.begun.append((what, group))
            group[2].wait()

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.begun

    def stop(self):
        with self.lock:
            self.stopped = True
            for _, (_, _, process) in self.begun:
                process.terminate()


class Stop(Exception):
    """The first failure under -x."""


class Results:
    def __init__(self, stop_first):
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.times = []
        self.stop_first = stop_first

    def fail(self, name, why="", output=""):
        self.failed.append((name, why, telling(output)))
        if self.stop_first:
            raise Stop

    def skip(self, name, why):
        self.skipped.append((name, why))

    def print(self):
        print("\n==== summary")
        for what, seconds in self.times:
            print(f"{seconds:7.1f} s  {what}")
        for name, why in self.skipped:
            print(f"SKIPPED {name}: {why}")
        for name, why, lines in self.failed:
            print(f"FAILED  {name}" + (f": {why}" if why else ""))
            for line in lines:
                print(f"            {line}")
        print(f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped",
              flush=True)


class Runner:
    def __init__(self, args):
        self.args = args
        self.results = Results(args.x)
        self.limited = bool(args.pattern or args.label)
        self.whole = not (self.limited or args.preset or args.coverage or args.pulsar)
        self.idler = None
        self.idle_log = None
        self.lanes = Lanes()

    @contextlib.contextmanager
    def timed(self, what):
        print(f"==== {what}", flush=True)
        start = time.monotonic()
        try:
            yield
        finally:
            self.results.times.append((what, time.monotonic() - start))

    # ---- building ----------------------------------------------------------------------------

    def command(self, *command, log=None, env=None):
        """Runs quietly; the output is shown when it fails, or always with -v."""
        done = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(done.stdout)
        if done.returncode != 0 or self.args.v:
            lines = done.stdout.splitlines()
            print("\n".join(lines if self.args.v else lines[-OUTPUT_TAIL:]), flush=True)
        return done.returncode == 0

    def configure(self, preset):
        options = []
        if shutil.which("ccache"):
            options.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
        return self.command("cmake", "--preset", preset, *options,
                            log=BUILD / preset / "configure.log")

    def build(self, preset, targets):
        arguments = ["--target", *targets] if targets else []
        return self.command("cmake", "--build", str(BUILD / preset), "-j", JOBS, *arguments,
                            log=BUILD / preset / "build.log")

    @contextlib.contextmanager
    def locked(self, preset):
        """Two runs in one tree must not build one preset at the same time."""
        BUILD.mkdir(exist_ok=True)
        with open(BUILD / f".{preset}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # ---- CTest -------------------------------------------------------------------------------

    def selection(self, preset):
        rules = PRESETS[preset]
        chosen = []
        if self.args.pattern:
            chosen += ["-R", "|".join(f"({p})" for p in self.args.pattern)]
        labels = [l for l in self.args.label or LABELS if l not in rules.get("without", [])]
        chosen += ["-L", "^(" + "|".join(labels or ["none"]) + ")$"]
        without = [rules["without_names"]] if rules.get("without_names") else []
        without += [f"^{IDLE_TEST}$"] if self.idler else []
        return chosen + (["-E", "|".join(without)] if without else [])

    def wanted(self, preset):
        """Names of the tests that will run, and the targets they need (empty: everything)."""
        listed = subprocess.run(
            ["ctest", "--test-dir", str(BUILD / preset), "--show-only=json-v1",
             *self.selection(preset)], capture_output=True, text=True, check=True)
        names = [t["name"] for t in json.loads(listed.stdout)["tests"]]
        if not self.limited:
            return names, []
        targets = set()
        for line in (BUILD / preset / "test_builds.txt").read_text().splitlines():
            name, *needs = line.split()
            if name in names:
                targets |= set(needs)
        return names, sorted(targets) or ["help"]

    def ctest(self, preset):
        report = BUILD / preset / "ctest.xml"
        report.unlink(missing_ok=True)
        command = ["ctest", "--test-dir", str(BUILD / preset), "-j", JOBS, "--no-tests=ignore",
                   "--output-junit", str(report), "--test-output-size-passed", "65536",
                   *self.selection(preset), "-V" if self.args.v else "--output-on-failure"]
        if self.args.x:
            command.append("--stop-on-failure")
        stream = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace")
        for line in stream.stdout:
            if self.args.v or not re.match(r"\s*(Start\s+\d+:|Internal ctest|Test project)", line):
                print(line, end="", flush=True)
        stream.wait()
        if not report.exists():
            self.results.fail(f"{preset}: ctest", f"ended with {stream.returncode}, no report")
            return
        self.read_junit(report, f"{preset}: ")

    def read_junit(self, report, prefix):
        for case in xml.parse(report).getroot().iter("testcase"):
            name = prefix + self.name_of(case)
            output = case.findtext("system-out") or ""
            skipped, failure = case.find("skipped"), case.find("failure")
            if failure is None:
                failure = case.find("error")
            if skipped is not None:
                self.skipped_case(name, skipped, output)
            elif failure is not None or case.get("status") == "fail":
                why = failure.get("message", "") if failure is not None else ""
                text = failure.text or "" if failure is not None else ""
                self.results.fail(name, why.splitlines()[0][:200] if why else "",
                                  text + "\n" + output)
            else:
                self.results.passed += 1

    @staticmethod
    def name_of(case):
        """What pytest_house.py matches patterns with; CTest gives no file."""
        path = case.get("file", "")
        if path.startswith("tests/scenario/"):
            return path.removeprefix("tests/") + "::" + case.get("name")
        return case.get("name")

    def skipped_case(self, name, skipped, output):
        message = skipped.get("message", "")
        reason = re.search(r"^SKIP: *(.+)$", output, re.M)
        if reason:
            self.results.skip(name, reason.group(1))
        elif "SKIP_RETURN_CODE" in message:
            self.results.skip(name, "gave no reason (print 'SKIP: why')")
        elif message and "no test program" not in message.lower() \
                and "unable to find" not in message.lower():
            self.results.skip(name, message.splitlines()[0])
        else:
            self.results.fail(name, message or "did not run")

    def built(self, preset):
        """Builds it; the names of the tests that can run then."""
        with self.timed(f"{preset}: build"), self.locked(preset):
            if not self.configure(preset):
                self.results.fail(f"{preset}: configure", f"see build/{preset}/configure.log")
                return []
            if PRESETS[preset].get("build_only"):
                if not self.build(preset, []):
                    self.results.fail(f"{preset}: build", f"see build/{preset}/build.log")
                return []
            names, targets = self.wanted(preset)
            if names and targets != ["help"] and not self.build(preset, targets):
                self.results.fail(f"{preset}: build", f"see build/{preset}/build.log")
                if targets:
                    return []
                # What was built is tested all the same.
                self.command("cmake", "--build", str(BUILD / preset), "-j", JOBS, "--", "-k", "0")
        return names

    def run_preset(self, preset, with_scenarios=False):
        names = self.built(preset)
        scenarios = self.begin_scenarios(preset) if with_scenarios else None
        if names:
            with self.timed(f"{preset}: {len(names)} tests"):
                self.ctest(preset)
        if scenarios:
            with self.timed(f"{preset}: scenarios, from the end of the tests on"):
                self.end_scenarios(preset, scenarios)

    # ---- scenarios ---------------------------------------------------------------------------

    def python(self):
        """The interpreter of build/venv with the pinned packages, or None."""
        wanted = ROOT / "tests" / "support" / "requirements.txt"
        stamp = BUILD / "venv" / "stamp"
        python = BUILD / "venv" / "bin" / "python"
        version = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
        with self.locked("venv"):
            if stamp.exists() and stamp.read_text() == version:
                return python
            shutil.rmtree(BUILD / "venv", ignore_errors=True)
            if self.command(sys.executable, "-m", "venv", str(BUILD / "venv")) and self.command(
                    str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                    "-r", str(wanted)):
                stamp.write_text(version)
                return python
        return None

    def pytest(self, python, build, paths, *options, output=None, version=None):
        """Begins one; without `output` it writes where this program does. `version`: of Pulsar."""
        arguments = [str(python), "-m", "pytest", "-p", "pytest_house", "--rootdir", str(ROOT),
                     "--timeout", "120", "--color", "no", "-r", "fE", *options]
        for label in self.args.label or []:
            arguments += ["--house-label", label]
        for pattern in self.args.pattern:
            arguments += ["--house-pattern", pattern]
        prefix = build / "prefix"
        env = dict(os.environ,
                   HULSE_SOURCE_DIR=str(ROOT), HULSE_BUILD_DIR=str(build), HULSE_PREFIX=str(prefix),
                   PATH=f"{prefix / 'bin'}:{os.environ['PATH']}",
                   PYTHONPATH=f"{ROOT / 'tests' / 'support'}", PYTHONDONTWRITEBYTECODE="1")
        if version or self.args.pulsar:
            env["HULSE_PULSAR_VERSION"] = version or self.args.pulsar
        return subprocess.Popen([*arguments, *paths], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.STDOUT if output else None)

    def begin_scenarios(self, preset):
        """
        What is there to run: those that have servers of their own, a folder each, run in lanes from now on; the others begin
        with end_scenarios. None: nothing.
        """
        if not list(SCENARIOS.glob("**/test_*.py")):
            return None
        build = BUILD / preset
        python = self.python()
        if python is None:
            self.results.fail("scenario", "pytest could not be installed into build/venv")
            return None
        # Nothing is built for scenarios that no pattern or label chooses (5: none collected).
        if self.limited and self.pytest(python, build, [SCENARIOS], "--collect-only", "-q",
                                        output=subprocess.DEVNULL).wait() == 5:
            return None
        with self.timed(f"{preset}: install"), self.locked(preset):
            shutil.rmtree(build / "prefix", ignore_errors=True)
            if not (self.configure(preset) and self.build(preset, []) and self.command(
                    "cmake", "--install", str(build), "--prefix", str(build / "prefix"))):
                self.results.fail(f"{preset}: install")
                return None
        if self.args.v or self.args.x:
            return [(python, [SCENARIOS], None)]
        folders = sorted({p.parent for p in SCENARIOS.glob("*/test_*.py")})
        self.begin_lanes(preset, python, folders)
        return [(python, [SCENARIOS, *(f"--ignore={folder}" for folder in folders)], 0)]

    def begin_group(self, python, build, number, paths, version=None):
        """`number` None: it writes where this program does."""
        report = build / f"pytest-{number or 0}.xml"
        report.unlink(missing_ok=True)
        log = None if number is None else \
            open(build / f"pytest-{number}.log", "w+", encoding="utf-8")
        return report, log, self.pytest(
            python, build, paths, "-o", "junit_family=xunit1", "--junitxml", str(report),
            *(["-x"] if self.args.x else []), *(["-v", "-s"] if self.args.v else ["-q"]),
            output=log, version=version)

    def begin_lanes(self, preset, python, folders):
        """The folders in parts, the other versions of Pulsar behind the first, when their jars have come."""
        build = BUILD / preset
        parts = [files[part::PARTS] for files in (sorted(folder.glob("test_*.py")) for folder in folders)
                 for part in range(PARTS)]
        work = [(preset, number, part, None) for number, part in enumerate(parts, 1) if part]
        if self.whole:
            work[2:2] = [(f"Pulsar {version}", f"{version}-{part + 1}", paths[part::VERSION_PARTS], version)
                         for version, paths in versions() for part in range(VERSION_PARTS)]
        for what, number, paths, version in work:
            self.lanes.add(what, functools.partial(self.begin_group, python, build, number, paths, version))
        self.lanes.start()

    def end_lanes(self):
        if self.lanes.threads:
            with self.timed("scenarios with servers of their own: what was left of them"):
                begun = self.lanes.join()
            for what, group in begun:
                self.end_groups([group], what)

    def end_scenarios(self, preset, rest):
        build = BUILD / preset
        begun = [self.begin_group(python, build, number, paths) for python, paths, number in rest]
        self.end_groups(begun, preset)

    def end_groups(self, groups, preset):
        for report, log, process in groups:
            status = process.wait()
            if log:
                log.seek(0)
                print(log.read(), end="", flush=True)
                log.close()
            if report.exists():
                self.read_junit(report, f"{preset}: ")
            if status not in (0, 1, 5):
                self.results.fail(f"{preset}: scenario", f"pytest ended with {status}")

    # ---- coverage ----------------------------------------------------------------------------

    def coverage(self):
        build = BUILD / "coverage"
        for counts in build.rglob("*.gcda"):
            counts.unlink()
        self.run_preset("coverage", with_scenarios=True)
        self.end_lanes()
        with self.timed("coverage: report"):
            html = build / "html"
            shutil.rmtree(html, ignore_errors=True)
            html.mkdir(parents=True)
            done = subprocess.run(
                ["gcovr", "--root", str(ROOT), "--object-directory", str(build),
                 "--filter", "daemon/", "--filter", "shmlib/", "--exclude-unreachable-branches",
                 "-j", JOBS, "--html-details", str(html / "index.html"),
                 "--json-summary", str(build / "coverage.json"), "--txt", "-", "--print-summary",
                 str(build)],
                cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                self.results.fail("coverage", f"gcovr ended with {done.returncode}")
                return
            percent = json.loads((build / "coverage.json").read_text())["line_percent"]
            print(f"coverage: {percent} % of the lines; build/coverage/html/index.html")
            if percent < COVERAGE_MIN:
                self.results.fail("coverage", f"{percent} % of the lines, {COVERAGE_MIN} % wanted")
            else:
                self.results.passed += 1

    # ---- what only needs time ----------------------------------------------------------------

    @staticmethod
    def begin_fetch():
        """The broker's jars take minutes to come and are needed late. Who needs them waits for it, and says when it failed."""
        BUILD.mkdir(exist_ok=True)
        with open(BUILD / "fetch.log", "w", encoding="utf-8") as log:
            wanted = ["", "--proxy", *(version for version, _ in versions())]
            subprocess.Popen(["sh", "-c", "".join(f'"$0" {which}; ' for which in wanted), FETCH],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def begin_idle_test(self):
        """The one test that takes minutes of all CPUs and needs no build runs when nobody else wants to."""
        self.idle_log = BUILD / "idle_test.log"
        BUILD.mkdir(exist_ok=True)
        with open(self.idle_log, "w", encoding="utf-8") as log:
            self.idler = subprocess.Popen(
                [ROOT / "tests" / IDLE_TEST], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)))

    def end_idle_test(self):
        name = f"release: {IDLE_TEST}"
        with self.timed(f"{name}, what was left of it"):
            status = self.idler.wait()
        output = self.idle_log.read_text(errors="replace")
        reason = re.search(r"^SKIP: *(.+)$", output, re.M)
        if status == 0:
            self.results.passed += 1
        elif status == SKIPPED and reason:
            self.results.skip(name, reason.group(1))
        else:
            print(output, flush=True)
            self.results.fail(name, f"ended with {status}", output)

    # ---- all ---------------------------------------------------------------------------------

    def run(self):
        if self.args.coverage:
            self.coverage()
            return
        if self.whole:
            self.begin_fetch()
            self.begin_idle_test()
        try:
            self.run_presets()
            self.end_lanes()
        except BaseException:
            self.lanes.stop()
            if self.idler:
                os.killpg(self.idler.pid, signal.SIGKILL)
            raise
        if self.idler:
            self.end_idle_test()

    def run_presets(self):
        for preset in self.args.preset or DEFAULT:
            if PRESETS[preset].get("build_only") and self.limited and not self.args.preset:
                continue
            self.run_preset(preset, with_scenarios=preset == "release")


def parse():
    parser = argparse.ArgumentParser(
        prog="tests/run", description="Builds and tests Hulse. Without arguments: everything.")
    parser.add_argument("pattern", nargs="*", metavar="PATTERN",
                        help="regular expressions; a test runs when its name matches one")
    parser.add_argument("--label", action="append", choices=LABELS, help="only these tests")
    parser.add_argument("--preset", action="append", choices=list(PRESETS),
                        help="only this build; may be repeated")
    parser.add_argument("--pulsar", metavar="VERSION",
                        help="of the brokers in scenario/pulsar_broker, in place of the default; without it a whole run "
                             "does the tests of tests/scenario/pulsar_broker/versions with the versions there, too")
    parser.add_argument("-x", action="store_true", help="stop at the first failure")
    parser.add_argument("-v", action="store_true", help="show the tests' output")
    parser.add_argument("--coverage", action="store_true",
                        help="instrumented build, HTML in build/coverage/html, "
                             f"fails below {COVERAGE_MIN} %% of the lines")
    return parser.parse_intermixed_args()


def main():
    runner = Runner(parse())
    interrupted = False
    try:
        runner.run()
    except Stop:
        print("stopped at the first failure")
    except KeyboardInterrupt:
        interrupted = True
    results = runner.results
    if interrupted:
        results.failed.append(("interrupted", "", []))
    elif not results.passed and not results.failed and not results.skipped:
        results.failed.append(("no test matches", "", []))
    results.print()
    sys.exit(1 if results.failed else 0)


main()
