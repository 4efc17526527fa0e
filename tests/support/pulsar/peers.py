# SPDX-License-Identifier: Apache-2.0
"""Programs over the official clients for Go and Java, built into the cache: peers of tests, and of comparisons.

A program is built again when its sources have changed, once for all who share the cache.
"""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCES = ROOT / "bench" / "compare" / "pulsar"
BUILD_S = 900
# As bin/pulsar-client does: netty's way to memory without copies.
JAVA = ["-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dlog4j2.configurationFile={SOURCES / 'java' / 'log4j2.properties'}",
        "--add-opens", "java.base/java.nio=ALL-UNNAMED",
        "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED",
        "--add-opens", "java.base/sun.net=ALL-UNNAMED"]
# What the client needs is found without a look into the broker's other two hundred jars.
CLIENT_JARS = re.compile(r"pulsar-(client-(api|original)|common|transaction-common)|netty|protobuf|slf4j|log4j|guava|"
                         r"fastutil|jackson|caffeine|opentelemetry|commons-|RoaringBitmap")


class Missing(Exception):
    """It cannot be had here; says why in one line."""


def cache():
    given = os.environ.get("HULSE_TEST_CACHE")
    return (pathlib.Path(given).absolute() if given else ROOT / "build" / "cache") / "pulsar-peers"


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


def run(command, **more):
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=BUILD_S, check=False, **more)
    except subprocess.TimeoutExpired:
        raise Missing(f"{command[0]} did not end within {BUILD_S} s") from None
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise Missing(f"{pathlib.Path(command[0]).name} ended with {done.returncode}: {last}")
    return done.stdout


def built(name, sources, salt, build):
    """The place of what build(place) makes of these sources."""
    digest = hashlib.sha256(salt.encode())
    for source in sources:
        digest.update(source.read_bytes())
    place = cache() / f"{name}-{digest.hexdigest()[:8]}"
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            part = place.with_suffix(".part")
            build(part)
            part.rename(place)
    return place


def go():
    """(version of the client, command)."""
    program, folder = tool("go"), SOURCES / "go"
    version = re.search(r"pulsar-client-go v(\S+)", (folder / "go.mod").read_text()).group(1)
    # No other toolchain is brought, and what go keeps is in our cache.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly",
                   "GOCACHE": str(cache() / "go-build"), "CGO_ENABLED": "0"}
    place = built("go", sorted(folder.glob("go.*")) + sorted(folder.glob("*.go")), "", lambda part: run(
        [program, "build", "-buildvcs=false", "-trimpath", "-o", part, "."], cwd=folder,
        env=environment))
    return version, [str(place)]


def java(libraries):
    """(version of the client, command); the main class comes next: Load or Peer."""
    compiler, program = tool("javac"), tool("java")
    # The broker's means to measure itself is not the client's.
    jars = sorted((jar for jar in pathlib.Path(libraries).glob("*.jar")
                   if "autoconfigure" not in jar.name),
                  key=lambda jar: not CLIENT_JARS.match(jar.name))
    sources = sorted((SOURCES / "java").glob("*.java"))
    place = built("java", sources, str(libraries), lambda part: run(
        [compiler, "-d", part, "-cp", f"{libraries}/*", *sources]))
    version = next(pathlib.Path(libraries).glob("pulsar-client-original-*.jar")).stem.rpartition("-")[2]
    return version, [program, *JAVA, "-cp", ":".join(map(str, [place, *jars]))]
