#!/usr/bin/env bash
# check_sass.sh [FOLDER] - what nvcc and ptxas made of the kernels in FOLDER (kernels/cuda).
#
# For each kernel and each chip that CMakeLists.txt names: no stack, no spill, no local memory, neither in the report of
# ptxas nor as an instruction (LDL, STL); products on tensor cores (HMMA) from ldmatrix (LDSM) and cp.async (LDGSTS) in
# every kernel that includes ptx.cuh.  Prints a table.  Exits 77, which ctest calls skipped, where there is no nvcc, and
# where nvdisasm is missing after the report was found clean: docker/install.sh cuda brings it to build/tools.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
folder=${1:-kernels/cuda}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v nvcc >/dev/null || {
    echo "not compiled here: no nvcc in PATH; $folder/*.cu were built for the emulator alone"
    exit 77
}
nvdisasm=$(command -v nvdisasm || find build/tools -name nvdisasm -type f 2>/dev/null | head -n 1 || true)
chips=$(grep -o 'code=sm_[0-9a-z]*' CMakeLists.txt | sed 's/code=//' | sort -u)
[ -n "$chips" ] || { echo "CMakeLists.txt: names no code=sm_..."; exit 1; }

compile() { # compile FILE CHIP: a cubin, ptxas's report, the instructions
    local to="$work/$(basename "$1" .cu).$2"
    nvcc -std=c++17 -O3 -lineinfo -arch="$2" -cubin -I. -Ikernels/cuda -Xptxas -v --Werror all-warnings \
        "$1" -o "$to.cubin" >"$to.report" 2>&1 ||
        { cat "$to.report"; echo "$1 does not compile for $2"; return 1; }
    [ -z "$nvdisasm" ] || "$nvdisasm" -c "$to.cubin" >"$to.sass"
}
bad=0
for source in "$folder"/*.cu; do
    pids=()
    for chip in $chips; do
        compile "$source" "$chip" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
done
[ "$bad" = 0 ] || exit 1

# One line a kernel: chip, name, registers; bytes of shared memory, stack, spills, local memory; how many HMMA, LDSM,
# LDGSTS, LDL and STL, instructions.
program=$(cat <<'AWK'
function number_before(word,    i) { for (i = 2; i <= NF; i++) if (index($i, word) == 1) return $(i - 1) + 0; return 0 }
FNR == 1 { report = FILENAME ~ /\.report$/; name = "" }
report && /Compiling entry function/ { split($0, part, "'"); name = part[2]; chip = part[4]; kernels[++n] = name; next }
report && /bytes stack frame/ && name != "" {
    stack[name] = $1
    spill[name] = $5 + $9
}
report && /Used [0-9]+ registers/ {
    registers[name] = number_before("registers")
    if (match($0, /[0-9]+ bytes smem/)) shared[name] = substr($0, RSTART) + 0
    if (match($0, /[0-9]+ bytes lmem/)) lmem[name] = substr($0, RSTART) + 0
}
!report && /\.section[ \t]+\.text\./ { name = $2; sub(/^\.text\./, "", name); sub(/,.*/, "", name) }
!report && name != "" {
    if (/ HMMA\./) hmma[name]++
    if (/ LDSM\./) ldsm[name]++
    if (/ LDGSTS\./) ldgsts[name]++
    if (/ (LDL|STL)[. ]/) lost[name]++
    instructions[name]++
}
END {
    for (i = 1; i <= n; i++) {
        name = kernels[i]
        print chip, name, registers[name] + 0, shared[name] + 0, stack[name] + 0, spill[name] + 0, lmem[name] + 0,
              hmma[name] + 0, ldsm[name] + 0, ldgsts[name] + 0, lost[name] + 0, instructions[name] + 0
    }
}
AWK
)
printf '%-7s %-40s %9s %6s %5s %5s %5s %5s %5s %6s\n' chip kernel registers shared stack spill local HMMA LDSM LDGSTS
for source in "$folder"/*.cu; do
    for chip in $chips; do
        to="$work/$(basename "$source" .cu).$chip"
        [ -z "$nvdisasm" ] || sass="$to.sass"
        awk "$program" "$to.report" ${sass:+"$sass"} >"$to.table"
        [ -s "$to.table" ] || { echo "$source: no kernel for $chip"; bad=1; }
        while read -r chip_seen name registers shared stack spill lmem hmma ldsm ldgsts lost instructions; do
            plain=$(c++filt "$name" | sed 's/^void //; s/(element_type)0/f16/; s/(element_type)1/bf16/; s/([^()]*)$//')
            printf '%-7s %-40s %9d %6d %5d %5d %5d %5d %5d %6d\n' "$chip_seen" "$plain" "$registers" "$shared" \
                "$stack" "$spill" $((lmem + lost)) "$hmma" "$ldsm" "$ldgsts"
            [ "$registers" -gt 0 ] || { echo "$source: ptxas says nothing of $plain"; bad=1; }
            [ $((stack + spill + lmem + lost)) -eq 0 ] || { echo "$source: $plain for $chip uses local memory"; bad=1; }
            [ -n "$nvdisasm" ] || continue
            [ "$instructions" -gt 0 ] || { echo "$source: no instructions of $plain for $chip"; bad=1; }
            ! grep -q '#include "ptx.cuh"' "$source" || [ $((hmma > 0 && ldsm > 0 && ldgsts > 0)) -eq 1 ] ||
                { echo "$source: $plain for $chip lacks HMMA, LDSM or LDGSTS"; bad=1; }
        done <"$to.table"
    done
done
[ "$bad" = 0 ] || exit 1
[ -n "$nvdisasm" ] || {
    echo "the report is clean; no nvdisasm, so no instruction was looked at (docker/install.sh cuda)"
    exit 77
}
