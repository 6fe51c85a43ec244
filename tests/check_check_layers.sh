#!/usr/bin/env bash
# check_check_layers.sh - plants one violation per rule of check_layers.sh and wants each to be found.
#
# The skeleton in a temporary folder has every layer, and every fenced call where it is allowed: it must pass as it is.
# Words that the check refuses anywhere are put together here, so that this file passes too.
set -euo pipefail
check="$(cd "$(dirname "$0")" && pwd)/check_layers.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy="$work/copy"
bad=0 planted=0

put() { # put FILE LINE... : one more line each
    local file="$copy/$1"
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >>"$file"
}

for file in CMakeLists.txt CMakePresets.json CONTRIBUTING.md LICENSE Makefile README.md .ci/run docker/packages.txt; do
    put "$file" 'nothing of note'
done
put .clang-format 'ColumnLimit: 120'
put build/release/left.c '#include "server/http.h"' 'TO''DO'
put models/one/config.json '{}'
put kernels/cpu/gemm.h 'void gemm(void);'
put kernels/cuda/norm.cu '#include <cuda_runtime.h>' '#include "norm.cuh"'
put kernels/cuda/norm.cuh '#include <cuda_fp16.h>' '#include "kernels/cpu/gemm.h"'
put kernels/cpu/gemm.c '#include "gemm.h"' '/* no malloc( here: the caller'"'"'s */'
put runtime/base/status.h 'typedef int status;'
put runtime/base/json.c '#include <cjson/cJSON.h>' 'cJSON *t = cJSON_Parse("[]");'
put runtime/text/trie.c '#include "runtime/base/status.h"' '#include "trie.h"'
put runtime/model/weights.c '#include "runtime/base/status.h"'
put runtime/backend/backend_cpu.c '#include "kernels/cpu/gemm.h"' '#include "runtime/model/weights.h"' '#include "backend.h"'
put runtime/backend/backend_load.c '#include <dlfcn.h>' 'void *p = dlopen("libbeeline_cuda.so", RTLD_NOW);'
put runtime/backend/backend_cuda.c '#include <cuda_runtime_api.h>' '#include "cuda_device.h"'
put runtime/backend/cuda_device.c '#include <cublasLt.h>' '#include "cuda_device.h"'
put bench/cuda_norm.c '#include <cuda_runtime_api.h>'
put tests/fake_cuda/runtime.cc '#include <cuda_runtime.h>' '#include "tests/emulate/simt.h"'
put runtime/serve/engine.c '#include "runtime/backend/backend.h"' '#include "runtime/text/trie.h"' \
    '/* exit(1) is said here, ' ' * and getenv("X") too */ const char *s = "abort(); dlopen(); // \" exit(2)"; // _exit(3)' \
    'char quote = '"'"'"'"'"'; int on_exit_code = my_exit(x->exit, pthread_exit);'
put server/main.c '#include "runtime/serve/engine.h"' 'int main(void) { exit(0); }'
put server/options.c 'char *s = getenv("BEELINE_LISTEN");'
put server/http.c '#include <event2/event.h>' '#include "http_connection.h"'
put server/http_connection.h '#include <event2/bufferevent.h>'
put server/life.c 'void life(void);'
put bench/main.c '#include "kernels/cpu/gemm.h"' '#include "runtime/serve/engine.h"'
put tests/main.c '#include "suites.inc"' '#include "tests/support/tiny.h"' 'void f(void) { abort(); }'
put tests/support/tiny.c '#include "bench/pace.h"' 'cJSON *t = cJSON_Parse("[]");'
put tests/golden/data/cases.jsonl 'TO''DO for ''now'
put runtime/text/tables.inc "$(seq 900)"
put LICENSE "$(seq 900)"
"$check" "$copy" || { echo "the clean skeleton does not pass"; exit 1; }

plant() { # plant WANTED FILE LINE... : with LINEs at the end of FILE, its last line must be reported with the words WANTED
    local wanted=$1 file=$2 lines said
    shift 2
    planted=$((planted + 1))
    [ ! -e "$copy/$file" ] || cp "$copy/$file" "$work/before"
    put "$file" "$@"
    lines=$(wc -l <"$copy/$file")
    case "$wanted" in *'top level'* | *'has the folders'*) lines=1 ;; esac
    said=$("$check" "$copy") && said="passed"
    printf '%s\n' "$said" >>"$work/found"
    if ! grep -qF "$file:$lines: " <<<"$said" || ! grep -qF "$wanted" <<<"$said"; then
        echo "not found: $wanted, in $file; said: $said"
        bad=1
    elif [ "$(wc -l <<<"$said")" -ne 1 ]; then
        echo "more than the planted line was found for $file: $said"
        bad=1
    fi
    if [ -e "$work/before" ]; then mv "$work/before" "$copy/$file"; else rm "$copy/$file"; fi
}

# The arrows, one row for each that must not be.
plant 'kernels/cpu must not include runtime/base'      kernels/cpu/gemm.h            '#include "runtime/base/status.h"'
plant 'kernels/cpu must not include server'            kernels/cpu/gemm.c            '#include "server/http.h"'
plant 'kernels/cuda must not include runtime/base'     kernels/cuda/norm.cu          '#include "runtime/base/status.h"'
plant 'kernels/cuda must not include runtime/backend'  kernels/cuda/norm.cuh         '#include "runtime/backend/batch.h"'
plant 'runtime/base must not include kernels/cpu'      runtime/base/status.h         '#include "kernels/cpu/gemm.h"'
plant 'runtime/base must not include runtime/text'     runtime/base/json.c           '#include "runtime/text/trie.h"'
plant 'runtime/base must not include server'           runtime/base/status.h         '  #  include "server/http.h"'
plant 'runtime/text must not include runtime/model'    runtime/text/trie.c           '#include "runtime/model/weights.h"'
plant 'runtime/text must not include runtime/backend'  runtime/text/tables.inc       '#include "runtime/backend/backend.h"'
plant 'runtime/model must not include runtime/text'    runtime/model/weights.c       '#include "runtime/text/trie.h"'
plant 'runtime/model must not include runtime/backend' runtime/model/weights.c       '#include "runtime/backend/backend.h"'
plant 'runtime/model must not include kernels/cpu'     runtime/model/weights.c       '#include "kernels/cpu/gemm.h"'
plant 'runtime/backend must not include runtime/serve' runtime/backend/backend_cpu.c '#include "runtime/serve/engine.h"'
plant 'runtime/backend must not include runtime/text'  runtime/backend/backend_cpu.c '#include "runtime/text/trie.h"'
plant 'runtime/serve must not include kernels/cpu'     runtime/serve/engine.c        '#include "kernels/cpu/gemm.h"'
plant 'runtime/serve must not include server'          runtime/serve/engine.c        '#include "server/http.h"'
plant 'server must not include kernels/cpu'            server/life.c                 '#include "kernels/cpu/gemm.h"'
plant 'server must not include bench'                  server/life.c                 '#include "bench/pace.h"'
plant 'server must not include tests/support'          server/life.c                 '#include "tests/support/tiny.h"'
plant 'runtime/serve must not include tests/support'   runtime/serve/engine.c        '#include "tests/support/tiny.h"'
plant 'runtime has the folders'                        runtime/extra/extra.c         'int extra;'
plant 'the own folder is included by bare name'        runtime/base/json.c           '#include "runtime/base/status.h"'
plant 'by its path from the root'                      runtime/model/weights.c       '#include "../base/status.h"'
plant 'by its path from the root'                      runtime/model/weights.c       '#include "base/status.h"'
plant 'included in quotes'                             runtime/model/weights.c       '#include <runtime/base/status.h>'

# The fences.
plant 'libevent stays in'          server/life.c                 '#include <event2/buffer.h>'
plant 'libevent stays in'          server/http.h                 '#include <event2/buffer.h>'
plant 'libevent stays in'          bench/main.c                  '#include <event.h>'
plant 'cJSON_Parse stays in'       server/life.c                 'cJSON *t = cJSON_ParseWithLength(p, n);'
plant 'cJSON_Parse stays in'       bench/main.c                  '/* a comment */ cJSON *t = cJSON_Parse (p);'
plant 'getenv stays in'            runtime/base/status.h         'char *s = getenv("X");'
plant 'getenv stays in'            server/main.c                 'char *s = secure_getenv("X");'
plant 'getenv stays in'            tests/main.c                  'char *s = getenv("X");'
plant 'only server/main.c ends'    server/life.c                 'void f(void) { exit(1); }'
plant 'only server/main.c ends'    server/life.c                 'void f(void) { const char *s = "a"; _exit(1); }'
plant 'only server/main.c ends'    runtime/model/weights.c       'void f(void) { /* no way on */ abort(); }'
plant 'only server/main.c ends'    bench/main.c                  'atexit(abort);'
plant 'dlopen stays in'            runtime/backend/backend_cpu.c 'void *p = dlopen("x.so", 2);'
plant 'dlopen stays in'            tests/main.c                  'void *p = dlmopen(LM_ID_NEWLM, "x.so", 2);'
plant 'CUDA stays in'              runtime/backend/backend.h     '#include <cuda_runtime_api.h>'
plant 'CUDA stays in'              runtime/backend/backend_cpu.c '#include <cublasLt.h>'
plant 'CUDA stays in'              runtime/serve/engine.c        '#include "cuda_runtime.h"'
plant 'CUDA stays in'              kernels/cpu/gemm.h            '#include <cuda_fp16.h>'
plant 'CUDA stays in'              bench/main.c                  '#include <cudnn.h>'
plant 'kernels do arithmetic'      kernels/cpu/gemm.c            'float *p = malloc(4);'
plant 'kernels do arithmetic'      kernels/cpu/gemm.c            'pthread_mutex_lock(&lock);'
plant 'kernels do arithmetic'      kernels/cuda/norm.cu          'float *p = (float *)malloc(4);'
plant 'only server/main.c ends'    bench/gpu.cc                  'void f() { exit(1); }'

# The shape of the tree.
plant 'the top level is a fixed list, this is not' utils              'a folder or a file of its own'
plant 'the top level is a fixed list, this is not' setup.cfg          'a file'
plant 'at most 800 lines'                          server/options.c   "$(seq -f '// %g' 800)"
plant 'at most 800 lines'                          tests/CMakeLists.txt "$(seq 801)"
plant 'unfinished work goes'                       server/life.c      '/* TO''DO: more */'
plant 'unfinished work goes'                       docker/install.sh  '# FIX''ME'
plant 'unfinished work goes'                       README.md          'This is enough for ''now.'
plant 'no absolute path'                           server/life.c      'const char *path = "/ho''me/ann/model";'
plant 'no absolute path'                           docker/packages.txt '# see /ro''ot/notes'

mv "$copy/README.md" "$work/README.md"
planted=$((planted + 1))
said=$("$check" "$copy") && said="passed"
[ "$said" = "README.md:1: the top level is a fixed list, this is missing" ] || { echo "a missing README.md: $said"; bad=1; }
mv "$work/README.md" "$copy/README.md"

# A rule without a planted violation fails here: every text that the check can print must have been seen.
while IFS= read -r rule; do
    grep -qF "$rule" "$work/found" || { echo "no violation is planted for: $rule"; bad=1; }
done < <(sed -n '/^function/d; s/.*violation(.*"\(.*\)".*/\1/p' "$check")

"$check" "$copy" >/dev/null || { echo "the skeleton is not clean in the end"; bad=1; }
echo "$planted planted violations"
exit "$bad"
