#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library compiles and links for aarch64, with the warnings of the build, where a cross compiler is
# there; the daemon needs the target's libraries as well and is not built.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${HULSE_CROSS_CC:-aarch64-linux-gnu-gcc}
if ! command -v "$cc" >/dev/null; then
    echo "SKIP: no $cc (Debian: gcc-aarch64-linux-gnu)"
    exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$cc" -std=c17 -O2 -fPIC -shared -fvisibility=hidden -D_GNU_SOURCE -DHULSE_VERSION='"cross"' \
    -I"$root" -I"$root/include" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Werror \
    -Wl,--no-undefined -Wl,--version-script="$root/shmlib/hulse.map" \
    "$root"/shmlib/ring/*.c "$root"/shmlib/client/*.c -o "$out/libhulse.so"
echo "aarch64: libhulse.so links"
