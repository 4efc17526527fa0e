#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# HULSE_TEST: timeout=600
# M1: the shipped ring.h and doorbell.h under GenMC (0.10), RC11 and IMM; each seeded mutation must
# be found. The program is $GENMC or genmc on PATH; it is not packaged (docs/shm-abi.md says how it
# was built).
set -uo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
genmc=${GENMC:-genmc}
if ! command -v "$genmc" >/dev/null; then
    echo "SKIP: no genmc on PATH and GENMC is not set"
    exit 77
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0

run() { # model options...
    local memory=$1 model=$2
    shift 2
    timeout 300 "$genmc" "--$memory" -- -std=c17 -D_GNU_SOURCE -I"$root" -I"$root/include" "$@" \
        "$root/tests/model/genmc/$model.c" >"$out" 2>&1
}

holds() { # model
    local memory
    for memory in rc11 imm; do
        if run "$memory" "$1" && grep -q "No errors were detected" "$out"; then
            echo "ok   $1 ($memory): $(sed -n 's/.*complete executions explored: //p' "$out") executions"
        else
            echo "FAIL $1 ($memory) does not verify"
            tail -n 12 "$out"
            failed=1
        fi
    done
}

# A mutation is found when GenMC reports an error of the program, not when it fails to compile it.
finds() { # model options...
    run rc11 "$@"
    if grep -qE "Error detected|Error: (Safety violation|Non-atomic race|Data race)" "$out"; then
        echo "ok   $*: found"
    else
        echo "FAIL $*: the seeded fault was not found"
        tail -n 12 "$out"
        failed=1
    fi
}

for model in ring armed wake_at space_at down_want receipt_before_release; do
    holds "$model"
done
finds ring -DWEAK_TAIL
finds ring -DWEAK_HEAD
finds armed -DNO_PUBLISHER_FENCE
finds armed -DNO_WAITER_FENCE
for model in wake_at space_at down_want; do
    finds "$model" -DNO_WAKER_FENCE
    finds "$model" -DNO_WAITER_FENCE
done
finds space_at -DWEAK_HEAD
finds down_want -DWEAK_HEAD
finds receipt_before_release -DM3_BEFORE_M5
finds receipt_before_release -DWEAK_HEAD
finds receipt_before_release -DWEAK_TAIL
exit $failed
