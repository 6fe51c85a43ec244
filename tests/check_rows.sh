#!/usr/bin/env bash
# check_rows.sh [ROOT] - every numbered row of bad input has its test.
#
# The rows: H1-H28 HTTP, J29-J42 JSON and contracts, U43-U50 text, M51-M64 model files, O65-O73 overload, D74-D81
# departures and deadlines, G82-G94 GPU, S95-S103 swaps of versions, R104-R106 the host's disk.  A test names the
# rows that it covers first, before its sentence: "M56 missing tensors ...", "U47 U50 ids ...", "J29-J31 documents ...".
# Rows that nobody names, and names of rows that do not exist, are printed.
set -euo pipefail
shopt -s globstar nullglob
export LC_ALL=C
cd "${1:-.}"
files=(tests/**/*.c)
[ ${#files[@]} -gt 0 ] || { echo "no test below tests/"; exit 1; }

program=$(cat <<'AWK'
function letter(row) {
    if (row < 1 || row > 106) return ""
    if (row > 81) return row <= 94 ? "G" : row <= 103 ? "S" : "R"
    return row <= 28 ? "H" : row <= 42 ? "J" : row <= 50 ? "U" : row <= 64 ? "M" : row <= 73 ? "O" : "D"
}

function complain(word) {
    printf "%s:%d: \"%s\" names no row: H1-H28, J29-J42, U43-U50, M51-M64, O65-O73, D74-D81, G82-G94, S95-S103, R104-R106\n", FILENAME, FNR, word
    bad = 1
}

# One row or a range of one letter; the second letter of a range may be left out.
function take(word,    ends, n, first, last, row) {
    n = split(word, ends, "-")
    first = substr(ends[1], 2) + 0
    last = n == 2 ? ends[2] : first
    sub(/^[HJUMODGSR]/, "", last)
    last += 0
    if (last < first || letter(first) == "" || letter(first) != substr(word, 1, 1) || letter(last) != letter(first) ||
        (n == 2 && ends[2] ~ /^[HJUMODGSR]/ && substr(ends[2], 1, 1) != substr(word, 1, 1))) {
        complain(word)
        return
    }
    for (row = first; row <= last; row++) named[row] = 1
}

# The name may stand on the line after the call's opening.
FNR == 1 { open = 0 }
/CU_add_test[ \t]*\(/ && !/(^[ \t]*\*|\/[\/*]).*CU_add_test/ { sub(/.*CU_add_test[ \t]*\([^,"]*,?/, ""); open = /^[ \t]*("|$)/ }
open && /"/ {
    open = 0
    text = $0
    sub(/^[^"]*"/, "", text)
    while (match(text, /^[HJUMODGSR][0-9]+(-[HJUMODGSR]?[0-9]+)?[ ,:]+/)) {
        word = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
        sub(/[ ,:]+$/, "", word)
        take(word)
    }
}
END {
    for (row = 1; row <= 106; row++) {
        if (letter(row) == "") continue
        rows++
        if (row in named) found++
        else missing = missing " " letter(row) row
    }
    printf "%d of %d rows have a test\n", found, rows
    if (missing != "") print "without a test:" missing
    exit bad || missing != ""
}
AWK
)
awk "$program" "${files[@]}"
