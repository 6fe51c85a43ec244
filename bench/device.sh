#!/usr/bin/env bash
# device.sh pack | [STEP...] - builds, tests and measures all of it on a machine with a GPU, in 9 minutes at most.
#
#   bash bench/device.sh pack      where the packages and the model are: puts into .device/ what a bare machine lacks
#   bash bench/device.sh           on the machine with the GPU: every step of the table below, or the named ones
#
# Each step has its own time limit and a log; a step that fails stops no other, but what cannot run without it is
# skipped.  At the end a table says of each: ok, failed, timed out or skipped, and why.  Numbers and table go into
# bench/results/GPU/, and into $OUT where that is set.  Nothing of the GPU's settings is changed.
# Exit status: 0 every step ok; 1 one was not, or nothing could be measured; 2 usage.
set -uo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.." || exit
readonly DEADLINE_S=525          # of 540; what is left is for writing
readonly DEVICE_MIB=60           # of what may travel to a lent machine
readonly build=build/device packed=.device logs=build/device-logs
readonly bench=$build/beeline-bench
model=models/all-MiniLM-L6-v2
[ -d "$packed/all-MiniLM-L6-v2" ] && model=$packed/all-MiniLM-L6-v2

# ---- the steps: name, seconds at most, what must have gone well before (or -), what it does ----
steps() {
    cat <<'TABLE'
environment  20 -      the GPU, its driver, its clocks, the compiler
build       170 -      everything with nvcc, in Release
tests        60 build  the tests that want a GPU (ctest -L gpu)
memcheck     60 build  compute-sanitizer: no access out of bounds, nothing leaked
kernels     120 build  every kernel and product: checked, then timed
minilm       45 build  a whole forward: all-MiniLM-L6-v2
base         45 build  a whole forward: bge-base's shape
large        60 build  a whole forward: bge-large's shape
serve        40 build  beeline serve --backend cuda answers with the reference vectors
peers       150 -      the same encoder in PyTorch
racecheck    40 build  compute-sanitizer: no race in shared memory
initcheck    40 build  compute-sanitizer: nothing read that was not written
synccheck    40 build  compute-sanitizer: no barrier misused
TABLE
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }
gpu_folder() {
    local name
    name=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
    name=$(tr '[:upper:] ' '[:lower:]-' <<<"$name" | tr -cd 'a-z0-9-')
    echo "bench/results/${name:-no-gpu}"
}

# A step that cannot run here says why and returns this.
readonly SKIP=77
skip() { echo "skipped: $*"; return "$SKIP"; }
needs() { command -v "$1" >/dev/null || { skip "no $1 here"; return "$SKIP"; }; }

query_gpu() {
    local what=name,driver_version,memory.total,ecc.mode.current,power.limit,clocks.sm,clocks.mem,clocks.max.sm
    nvidia-smi "--query-gpu=$what,clocks_event_reasons.active,temperature.gpu,utilization.gpu" --format=csv
}

run_environment() {
    query_gpu || return 1
    nvcc --version || return 1
    nproc
    uname -r
    python3 - "$results/environment.json" "$(query_gpu)" "$(nvcc --version | grep release)" "$(commit)" <<'PYTHON'
import json, os, platform, sys
path, gpu, nvcc, commit = sys.argv[1:]
head, row = [[cell.strip() for cell in line.split(',')] for line in gpu.splitlines()[:2]]
with open(path, 'w') as file:
    json.dump({'gpu': dict(zip(head, row)), 'nvcc': nvcc, 'commit': commit, 'kernel': platform.release(),
               'cores': os.cpu_count(), 'command': 'bash bench/device.sh'}, file, indent=1)
    file.write('\n')
PYTHON
}

commit() {
    git rev-parse --short=12 HEAD 2>/dev/null || cat "$packed/commit" 2>/dev/null || echo unknown
}

# Where packages are missing, those that were packed; CMake finds them by pkg-config.
use_packed() {
    [ -d "$packed/deps" ] || return 0
    local deps
    deps=$(realpath "$packed/deps")
    command -v pkg-config >/dev/null || export PKG_CONFIG="$deps/bin/pkg-config"
    pkg-config --exists libevent_core libevent_pthreads libcjson libcrypto cunit 2>/dev/null && return 0
    export PKG_CONFIG_PATH="$deps/lib/pkgconfig"
    export LD_LIBRARY_PATH="$deps/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

run_build() {
    needs cmake && needs nvcc || return
    local generator=()
    ! command -v ninja >/dev/null || generator=(-G Ninja)
    cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DBEELINE_CUDA=ON \
        "-DBEELINE_COMMIT=$(commit)" &&
        cmake --build "$build" -j "$(nproc)" || return 1
    [ -d models/all-MiniLM-L6-v2 ] || { mkdir -p models && ln -sfn "$(realpath "$model")" models/all-MiniLM-L6-v2; }
}

run_tests() { # one that is skipped here has seen no GPU: that is a failure
    ctest --test-dir "$build" -L gpu --no-tests=error --output-on-failure | tee "$logs/tests.out" || return 1
    ! grep -q 'did not run' "$logs/tests.out"
}
run_kernels() { "$bench" kernels cuda --json "$results/kernels.json"; }
run_minilm() { "$bench" model "$model" --backend cuda --json "$results/model-minilm.json"; }
run_base() { "$bench" model base --backend cuda --json "$results/model-base.json"; }
run_large() { "$bench" model large --backend cuda --json "$results/model-large.json"; }
run_serve() { python3 bench/serve_check.py "$build/beeline" "$model" --backend cuda --json "$results/serve.json"; }

run_peers() {
    python3 -c 'import torch' 2>/dev/null || { skip "python3 has no torch"; return; }
    python3 bench/peers/torch_encoder.py --model "$model" --seconds 120 --json "$results/peers.json"
}

sanitize() { # sanitize TOOL [OPTION...]: every kernel over awkward shapes, and the whole backend on a small model
    needs compute-sanitizer || return
    local tool=$1
    shift
    compute-sanitizer --tool "$tool" --error-exitcode 1 "$@" "$build/tests/beeline-gpu-tests" &&
        compute-sanitizer --tool "$tool" --error-exitcode 1 "$@" "$bench" model tiny --backend cuda --quick
}
run_memcheck() { sanitize memcheck --leak-check full; }
run_racecheck() { sanitize racecheck; }
run_initcheck() { sanitize initcheck; }
run_synccheck() { sanitize synccheck; }

# ---- pack ----

pack_library() { # pack_library NAME: static where there is one; else shared, under both of its names
    local folder
    folder=$(pkg-config --variable=libdir libcrypto)
    if [ -f "$folder/lib$1.a" ]; then
        cp "$folder/lib$1.a" "$packed/deps/lib/"
        strip --strip-debug "$packed/deps/lib/lib$1.a"
    else
        cp -L "$folder/lib$1.so" "$packed/deps/lib/lib$1.so"
        cp -L "$folder/lib$1.so" "$packed/deps/lib/$(objdump -p "$folder/lib$1.so" | awk '$1 == "SONAME" {print $2}')"
    fi
}

pack_description() { # pack_description NAME VERSION LIBRARIES
    cat >"$packed/deps/lib/pkgconfig/$1.pc" <<DESCRIPTION
prefix=\${pcfiledir}/../..
Name: $1
Description: $1
Version: $2
Libs: -L\${prefix}/lib $3
Cflags: -I\${prefix}/include
DESCRIPTION
}

pack() {
    local include name model=models/all-MiniLM-L6-v2
    [ -f "$model/model.safetensors" ] || { echo "device.sh: no $model here; make model" >&2; return 1; }
    rm -rf "$packed"
    mkdir -p "$packed"/deps/{bin,include,lib/pkgconfig} || return 1
    include=$(pkg-config --variable=includedir libcrypto)
    for name in event2 event.h evutil.h openssl cjson CUnit; do
        cp -r "$include/$name" "$packed/deps/include/" || return 1
    done
    for name in "$include"/*-linux-gnu/{event2,openssl}; do # what depends on the architecture lies apart
        [ ! -d "$name" ] || cp -r "$name/." "$packed/deps/include/$(basename "$name")/"
    done
    for name in event_core event_pthreads cjson crypto cunit; do pack_library "$name" || return 1; done
    pack_description libevent_core "$(pkg-config --modversion libevent_core)" -levent_core
    pack_description libevent_pthreads "$(pkg-config --modversion libevent_pthreads)" \
        '-levent_pthreads -levent_core -pthread'
    pack_description libcjson "$(pkg-config --modversion libcjson)" '-lcjson -lm'
    pack_description libcrypto "$(pkg-config --modversion libcrypto)" '-lcrypto -ldl -pthread'
    pack_description cunit "$(pkg-config --modversion cunit)" -lcunit
    cp -L "$(command -v pkg-config)" "$packed/deps/bin/pkgconf" || return 1
    ldd "$packed/deps/bin/pkgconf" | awk '/libpkgconf/ {print $3}' | xargs -r -I{} cp -L {} "$packed/deps/bin/"
    cat >"$packed/deps/bin/pkg-config" <<'PROGRAM'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH="$here" exec "$here/pkgconf" "$@"
PROGRAM
    chmod +x "$packed/deps/bin/pkg-config"
    python3 bench/half_model.py "$model" "$packed/all-MiniLM-L6-v2" || return 1
    git rev-parse --short=12 HEAD >"$packed/commit"
    local mib
    mib=$(du -sm --apparent-size "$packed" | cut -f 1)
    echo "$packed: $mib MiB, wanted at most $DEVICE_MIB; carry it with the tree"
    [ "$mib" -le "$DEVICE_MIB" ]
}

# ---- running them ----

declare -A outcome=()
rows=()
note() { # note STEP OUTCOME SECONDS WHY
    outcome[$1]=$2
    rows+=("$(printf '%-12s %-10s %5s s  %s' "$1" "$2" "$3" "$4")")
    echo "== ${rows[-1]}"
}

one_step() { # one_step NAME LIMIT NEEDS WHAT
    local name=$1 limit=$2 needed=$3 what=$4 begun=$SECONDS status left=$((DEADLINE_S - SECONDS))
    if [ "$gpu" = no ]; then note "$name" skipped 0 "there is no GPU here"; return; fi
    if [ "$needed" != - ] && [ "${outcome[$needed]:-ok}" != ok ]; then
        note "$name" skipped 0 "$needed is not ok"
        return
    fi
    if [ "$left" -lt 10 ]; then note "$name" skipped 0 "no time is left"; return; fi
    [ "$limit" -le "$left" ] || limit=$left
    echo "== $name: $what"
    timeout --kill-after=5 "$limit" bash "$self" --step "$name" >"$logs/$name" 2>&1
    status=$?
    tail -n "${TAIL:-25}" "$logs/$name"
    case $status in
        0) note "$name" ok $((SECONDS - begun)) "$what" ;;
        "$SKIP") note "$name" skipped $((SECONDS - begun)) "$(tail -n 1 "$logs/$name")" ;;
        124 | 137) note "$name" 'timed out' $((SECONDS - begun)) "limit $limit s: $what" ;;
        *) note "$name" failed $((SECONDS - begun)) "status $status: $what" ;;
    esac
}

publish() {
    {
        echo "bench/device.sh on $(gpu_folder), commit $(commit), $(date -u +%FT%TZ)"
        query_gpu | tail -n 1 # the clocks afterwards; those before are environment.json's
        printf '%s\n' "${rows[@]}"
        echo
        python3 bench/goals.py "$results"
        for log in "$logs"/*; do printf '\n==== %s\n' "$(basename "$log")"; cat "$log"; done
    } >"$results/summary.txt"
    [ -z "${OUT:-}" ] || cp "$results"/* "$OUT/"
}

main() {
    local name limit needed what wanted=" $* "
    for name in "$@"; do
        steps | grep -q "^$name " || {
            echo "device.sh: no step \"$name\"; there are$(steps | awk '{printf " %s", $1}')" >&2
            return 2
        }
    done
    gpu=yes
    has_gpu || gpu=no
    results=$(gpu_folder)
    rm -rf "$logs"
    mkdir -p "$logs"
    [ "$gpu" = no ] || mkdir -p "$results"
    while read -r name limit needed what; do
        [ $# -eq 0 ] || [[ $wanted == *" $name "* ]] || continue
        one_step "$name" "$limit" "$needed" "$what"
        [ "$gpu" = no ] || publish
    done < <(steps)
    echo
    printf '%s\n' "${rows[@]}"
    [ "$gpu" = yes ] || { echo "nothing was measured: there is no GPU here"; return 1; }
    echo
    python3 bench/goals.py "$results"
    for name in "${!outcome[@]}"; do
        case ${outcome[$name]} in ok | skipped) ;; *) return 1 ;; esac
    done
}

case ${1:-} in
    pack) pack ;;
    --step)
        use_packed
        results=$(gpu_folder)
        "run_$2"
        ;;
    -*) echo "usage: device.sh pack | [STEP...]" >&2; exit 2 ;;
    *) main "$@" ;;
esac
