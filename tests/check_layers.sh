#!/usr/bin/env bash
# check_layers.sh [ROOT] - holds the arrows of includes, the fences and the shape of the tree.
#
# Prints each violation as "file:line: rule" and exits 1 when there is one.  It reads file names and text only, so it
# needs neither git nor a compiler.  Comments and literals are taken out before a fence looks at a line: it is about
# code.  A new rule gets its planted violation in check_check_layers.sh.
set -euo pipefail
shopt -s globstar nullglob dotglob
export LC_ALL=C
cd "${1:-.}"

TOP=(CMakeLists.txt CMakePresets.json CONTRIBUTING.md LICENSE Makefile README.md .ci bench docker kernels runtime server tests)
bad=0

for entry in *; do
    case " ${TOP[*]} " in *" $entry "*) continue ;; esac
    case "$entry" in
        .*) ;; # tools keep their settings there
        build | models) ;; # ignored by git
        *) echo "$entry:1: the top level is a fixed list, this is not in it"; bad=1 ;;
    esac
done
for entry in "${TOP[@]}"; do
    [ -e "$entry" ] || { echo "$entry:1: the top level is a fixed list, this is missing"; bad=1; }
done

files=()
for file in ./*.* ./Makefile ./.ci/** ./{bench,docker,kernels,runtime,server,tests}/**; do
    case "$file" in
        ./.git | */__pycache__/* | *.pyc | *.o) ;;         # git's own, and what it ignores
        ./tests/golden/data/* | ./tests/fuzz/corpus/*) ;; # data: says whatever the test needs
        *) [ ! -f "$file" ] || [ -L "$file" ] || files+=("$file") ;;
    esac
done
mapfile -t files < <(grep -lI '' -- "${files[@]}" /dev/null)
[ ${#files[@]} -gt 0 ] || { echo ".:1: no file to check"; exit 1; }

program=$(cat <<'AWK'
function violation(line, rule) { printf "%s:%d: %s\n", name, line, rule; bad = 1 }

# The line without comments and with its literals emptied; `comment` carries over to the next line.
function code(line,    out, literal) {
    out = ""
    for (;;) {
        if (comment) {
            if (!index(line, "*/")) return out
            line = substr(line, index(line, "*/") + 2)
            comment = 0
        }
        if (!match(line, /["']|\/[*\/]/)) return out line
        out = out substr(line, 1, RSTART - 1) " "
        line = substr(line, RSTART)
        if (substr(line, 1, 2) == "//") return out
        if (substr(line, 1, 2) == "/*") {
            comment = 1
            line = substr(line, 3)
            continue
        }
        literal = substr(line, 1, 1) == "\"" ? "^\"([^\"\\\\]|\\\\.)*\"" : "^'([^'\\\\]|\\\\.)*'"
        if (!match(line, literal)) return out
        line = substr(line, RLENGTH + 1)
    }
}

# What a folder may include besides itself, as prefixes.
function arrows(folder) {
    if (folder ~ /^kernels(\/|$)/) return "kernels/"
    if (folder == "runtime/base") return ""
    if (folder == "runtime/text" || folder == "runtime/model") return "runtime/base/"
    if (folder == "runtime/backend") return "runtime/model/ runtime/base/ kernels/"
    if (folder == "runtime/serve") return "runtime/backend/ runtime/model/ runtime/text/ runtime/base/"
    if (folder ~ /^server(\/|$)/) return "server/ runtime/"
    return "kernels/ runtime/ server/ bench/ tests/"
}

function check_include(line,    quoted, target, folder_of, allowed, n, i) {
    match(line, /include[ \t]*["<]/)
    quoted = substr(line, RSTART + RLENGTH - 1, 1) == "\""
    target = substr(line, RSTART + RLENGTH)
    sub(/[">].*/, "", target)
    if (target ~ /^(event2\/|event\.h|evhttp\.h|evutil\.h|evdns\.h)/ && name !~ /^server\/(http[a-z0-9_]*\.c|http_connection\.h)$/)
        violation(FNR, "libevent stays in server/http*.c")
    if (((!quoted && target ~ /^(cuda|cudnn|nvml|nccl|nvtx)/) || target ~ /^(cuda\.h|cuda_runtime|cuda_fp|cuda_bf|cublas)/) &&
        top != "tests" && name !~ /^(kernels\/cuda\/|bench\/cuda|runtime\/backend\/(backend_)?cuda[a-z0-9_]*\.[ch]$)/)
        violation(FNR, "CUDA stays in kernels/cuda and the CUDA backend")
    if (!quoted) {
        if (target ~ /^(kernels|runtime|server|bench|tests)\//) violation(FNR, "our own headers are included in quotes")
        return
    }
    if (target !~ /\//) return
    folder_of = target
    sub(/\/[^\/]*$/, "", folder_of)
    if (target ~ /(^|\/)\.\.?\// || target !~ /^(kernels|runtime|server|bench|tests)\//) {
        violation(FNR, "another folder is included by its path from the root")
        return
    }
    if (folder_of == folder) {
        violation(FNR, "the own folder is included by bare name")
        return
    }
    n = split(arrows(folder), allowed, " ")
    for (i = 1; i <= n; i++)
        if (index(target, allowed[i]) == 1) return
    violation(FNR, folder " must not include " folder_of)
}

function check_fences(text) {
    text = " " text " "
    if (text ~ /[^A-Za-z0-9_]cJSON_Parse[A-Za-z]*[^A-Za-z0-9_]/ && name != "runtime/base/json.c" && top != "tests")
        violation(FNR, "cJSON_Parse stays in runtime/base/json.c")
    if (text ~ /[^A-Za-z0-9_](secure_)?getenv[^A-Za-z0-9_]/ &&
        name !~ /^(server\/options\.c|tests\/(fake_cuda\/device\.cc|sleeping_device\/sleeping_device\.c|failing_disk\/failing_disk\.c))$/)
        violation(FNR, "getenv stays in server/options.c") # the devices of tests have their own, as a driver does
    if (text ~ /[^A-Za-z0-9_.>](_exit|_Exit|exit|quick_exit|abort|__builtin_trap|__builtin_abort)[^A-Za-z0-9_]/ &&
        name != "server/main.c" && top != "tests")
        violation(FNR, "only server/main.c ends the process")
    if (text ~ /[^A-Za-z0-9_]dlm?open[^A-Za-z0-9_]/ && name !~ /^(runtime\/backend\/backend_load|bench\/cuda_load)\.c$/)
        violation(FNR, "dlopen stays in runtime/backend/backend_load.c and bench/cuda_load.c")
    if (top == "kernels" && name != "kernels/cuda/plain.c" && text ~ /[^A-Za-z0-9_](malloc|calloc|realloc|aligned_alloc|posix_memalign|mmap|free|fopen|open|pthread_[a-z_]+)[ ]*\(/)
        violation(FNR, "kernels do arithmetic: no memory, files or threads of their own")
}

FNR == 1 {
    name = FILENAME
    sub(/^\.\//, "", name)
    folder = name
    if (!sub(/\/[^\/]*$/, "", folder)) folder = ""
    top = name
    sub(/\/.*/, "", top)
    source = name ~ /\.(c|h|inc|cu|cuh|cc)$/ && folder != ""
    data = name ~ /\.(inc|json|jsonl|csv)$/ || name == "LICENSE"
    comment = 0
    if (source && top == "runtime" && folder !~ /^runtime\/(base|text|model|backend|serve)$/)
        violation(1, "runtime has the folders base, text, model, backend and serve")
}
# README.md is one page for users, with the help as it is.
FNR == 801 && !data && FILENAME !~ /(^|\/)README[.]md$/ { violation(801, "a file has at most 800 lines") }
/TO[D]O|FIX[M]E/ || tolower($0) ~ /(^|[^a-z])for no[w]([^a-z]|$)/ {
    if (name != "LICENSE") violation(FNR, "unfinished work goes into an issue, not into a file")
}
/(^|[^A-Za-z0-9_.$})-])\/(work|home|root|Users|mnt)(\/|[^A-Za-z0-9_\/-]|$)/ { violation(FNR, "no absolute path of one machine") }
source {
    if (!comment && $0 ~ /^[ \t]*#[ \t]*include[ \t]*["<]/) check_include($0)
    check_fences(code($0))
}
END { exit bad }
AWK
)
awk "$program" "${files[@]}" || bad=1
exit "$bad"
