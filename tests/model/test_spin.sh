#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# HULSE_TEST: timeout=900
# M2: Spin models of the doorbells, a channel, a session and its resume. Each must verify; each seeded mutation
# must be found.
set -uo pipefail

models=$(cd "$(dirname "$0")" && pwd)
for tool in spin gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIP: $tool is not installed"
        exit 77
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# Gives the number of errors, or "broken" when the model could not be built or searched in full.
errors() { # model claim options...; claim "-" = assertions and end states only
    local model=$1 claim=$2
    shift 2
    rm -f pan pan.* ./*.trail
    spin -a "$@" "$models/$model.pml" >spin.out 2>&1 || { echo broken; return; }
    # Compiling takes longer than searching.
    local build=(-O0 -w -o pan pan.c) search=(-m1000000)
    if [ "$claim" = - ]; then
        build+=(-DSAFETY -DNOCLAIM)
    else
        search+=(-a -f -N "$claim")
        # Fairness between processes needs a bit per process; the models have at most four.
        build+=(-DNFAIR=3)
    fi
    gcc "${build[@]}" >>spin.out 2>&1 || { echo broken; return; }
    timeout 120 ./pan "${search[@]}" >spin.out 2>&1
    if grep -q "max search depth too small" spin.out; then
        echo broken
        return
    fi
    grep -oE "errors: [0-9]+" spin.out | grep -oE "[0-9]+" || echo broken
}

holds() {
    local n
    n=$(errors "$@")
    if [ "$n" = 0 ]; then
        echo "ok   $*: $(grep -oE '[0-9]+ states, stored' spin.out | head -n 1)"
    else
        echo "FAIL $*: errors: $n"
        tail -n 15 spin.out
        failed=1
    fi
}

finds() {
    local n
    n=$(errors "$@")
    if [ "$n" != 0 ] && [ "$n" != broken ]; then
        echo "ok   $*: found"
    else
        echo "FAIL $*: the seeded fault was not found ($n)"
        tail -n 15 spin.out
        failed=1
    fi
}

holds doorbell -
holds doorbell - -DSHAPE_WANT
for shape in "" -DSHAPE_WANT; do
    for fault in NO_WAKER_FENCE NO_SLEEPER_FENCE NO_RECHECK; do
        finds doorbell - $shape -D$fault
    done
done
finds doorbell - -DSHAPE_WANT -DPAST

holds channel -
holds channel released
holds channel bounds
finds channel - -DNO_RESERVE
finds channel - -DM3_BEFORE_M5
finds channel - -DRELEASE_ANY
finds channel released -DNO_DRAIN

holds session -
holds session live_is_sealed
holds session maps_bounded
holds session ends
finds session live_is_sealed -DLIVE_BEFORE_READY
finds session - -DNO_CLEANUP
finds session maps_bounded -DDOUBLE_CLOSE
finds session - -DNO_HELLO_CHECK

for options in "" -DSHARED -DREFUSING -DNO_ROOM; do
    holds resume - $options
    holds resume copies_bounded $options
done
holds resume released
holds resume released -DSHARED
for fault in RESUME_HIGH RESUME_LOW M3_BEFORE_M5 STALE_DOWN_HEAD VERDICT_BEFORE_SYNC UNDRAINED \
    DRAINED_TWICE STALE_SPACE; do
    finds resume - -D$fault
done
finds resume released -DRESUME_HIGH
finds resume - -DNO_ROOM -DLATER_HIGH
finds resume copies_bounded -DDEDUP_FORGOTTEN

holds resume_consumer -
holds resume_consumer settled
for fault in RESUME_HIGH NOT_BY_ID LATE_NOT_BY_ID NO_TABLE LEAVES_EARLY M3_BEFORE_M5 KEPT_LISTED; do
    finds resume_consumer - -D$fault
done
exit $failed
