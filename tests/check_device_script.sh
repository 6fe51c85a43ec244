#!/usr/bin/env bash
# check_device_script.sh - bench/device.sh in a copy of its folder, with stand-ins for the GPU and the tools.
#
# Without a GPU it ends at once and says which steps cannot run; with one a step that fails or hangs stops no other,
# what needs it is skipped, the table and the exit status say so, and the results lie where they belong.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/bench" "$work/bin" "$work/out"
cp "$here/bench/device.sh" "$here/bench/goals.py" "$work/tree/bench/"
bad=0

tool() { # tool NAME LINE...: a stand-in that runs these lines
    printf '#!/bin/sh\n' >"$work/bin/$1"
    printf '%s\n' "${@:2}" >>"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

run() { # run STEP...: sets output and status
    status=0
    output=$(PATH="$work/bin:$PATH" OUT="$work/out" bash "$work/tree/bench/device.sh" "$@" 2>&1) || status=$?
}

wants() { # wants WHAT PATTERN
    grep -qE -- "$2" <<<"$output" || { echo "$1: no line like \"$2\" in"; printf '%s\n' "$output"; bad=1; }
}
ends_with() { [ "$status" -eq "$2" ] || { echo "$1: exit status $status, wanted $2"; bad=1; }; }

tool nvidia-smi 'exit 9'
run
ends_with 'no GPU' 1
wants 'no GPU' '^environment +skipped .*there is no GPU here'
wants 'no GPU' '^peers +skipped'
wants 'no GPU' '^nothing was measured'
[ ! -e "$work/tree/bench/results" ] || { echo 'no GPU: something was written'; bad=1; }

run environment nonsense
ends_with 'a step that is not there' 2

# The name of the GPU, or a head and a row.
tool nvidia-smi 'case "$*" in *noheader*) echo "Test GPU 9" ;; *) printf "name, driver\nTest GPU 9, 1.2\n" ;; esac'
tool nvcc 'printf "nvcc\nrelease 13.0\nbuild\n"'
tool cmake 'exit 1'
run environment build kernels
ends_with 'a failing build' 1
wants 'a failing build' '^environment +ok'
wants 'a failing build' '^build +failed +[0-9]+ s +status 1'
wants 'a failing build' '^kernels +skipped .*build is not ok'
wants 'a failing build' 'MiniLM, one request .*not measured'
for file in tree/bench/results/test-gpu-9/environment.json out/environment.json out/summary.txt; do
    [ -s "$work/$file" ] || { echo "a failing build: no $file"; bad=1; }
done

tool cmake 'sleep 60'
sed -i 's/^build  *[0-9]* -/build 1 -/' "$work/tree/bench/device.sh"
run build environment
ends_with 'a build that hangs' 1
wants 'a build that hangs' '^build +timed out'
wants 'a build that hangs' '^environment +ok'

run environment
ends_with 'one good step' 0
exit "$bad"
