#!/usr/bin/env bash
# check_packages.sh [ROOT] - docker/packages.txt is the one list of packages, Debian's and (pypi:NAME) PyPI's.
#
# Each line is "name version use"; the uses are those that install.sh knows, and a name occurs once.  Dockerfile,
# Makefile and .ci install through docker/install.sh alone, with uses that exist.  What CMakeLists.txt asks of
# pkg-config is in the list, with a version that is not lower.
set -euo pipefail
cd "${1:-.}"
list=docker/packages.txt
bad=0
say() { echo "$1"; bad=1; }

[ -f "$list" ] || { echo "$list:1: missing"; exit 1; }

# Form.  The pattern of a version is Debian's, of a name too.
program=$(cat <<'AWK'
function say(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }
/^#/ || /^[ \t]*$/ { next }
NF != 3 { say("wanted: name version use, found " NF " words"); next }
$1 !~ /^(pypi:)?[a-z0-9][a-z0-9.+-]+$/ { say("\"" $1 "\" is no name of a package") }
$2 !~ /^([0-9]+:)?[0-9][A-Za-z0-9.+~-]*$/ { say("\"" $2 "\" is no version") }
$3 !~ /^(build|test|check|fuzz|tables|cuda|run)$/ { say("\"" $3 "\" is no use: build, test, check, fuzz, tables, cuda or run") }
$1 in seen { say($1 " stands in line " seen[$1] " too") }
{ seen[$1] = FNR }
END { exit bad }
AWK
)
awk "$program" "$list" || bad=1
names=$(awk '!/^#/ && NF { print $1 }' "$list")
uses=$(awk '!/^#/ && NF { print $3 }' "$list" | sort -u)

for use in $uses; do # the head of install.sh says what it may be called with
    sed -n 2,3p docker/install.sh | grep -qw -- "$use" || say "docker/install.sh:2: does not name the use \"$use\" of $list"
done

# Who installs, and what with.  Comments are no commands.
for file in Makefile docker/Dockerfile .ci/run; do
    [ -f "$file" ] || { say "$file:1: missing"; continue; }
    while IFS=: read -r line text; do
        case "$text" in
            *apt-get* | *apt\ * | *aptitude* | *dpkg\ -i*) say "$file:$line: packages are installed through docker/install.sh" ;;
        esac
        call=$(sed -n 's/.*install\.sh \{1,\}\([a-z ]*\)\([&;|\\].*\)\{0,1\}$/\1/p' <<<"$text")
        for word in $call; do
            grep -qx -- "$word" <<<"$uses" || say "$file:$line: \"$word\" is no use that $list has"
        done
        for word in $(tr -cs 'a-z0-9.+-' ' ' <<<"$text"); do
            case "$word" in cmake | git | clang | python3) continue ;; esac # commands of the same name
            ! grep -qxF -- "$word" <<<"$names" || say "$file:$line: the package $word is named outside $list"
        done
    done < <(grep -nv '^[[:space:]]*#' "$file")
done
grep -q 'install\.sh build' docker/Dockerfile 2>/dev/null || say "docker/Dockerfile:1: no stage installs what the build needs"
grep -q 'install\.sh run' docker/Dockerfile 2>/dev/null || say "docker/Dockerfile:1: no stage installs what the program needs to run"

# What CMake asks of pkg-config, and the packages that bring the module: for building and, where it is a shared
# library of the program, for running.
brought_by() {
    case "$1" in
        libevent_core) echo libevent-dev libevent-core-2.1-7 ;;
        libevent_pthreads) echo libevent-dev libevent-pthreads-2.1-7 ;;
        libevent_openssl) echo libevent-dev libevent-openssl-2.1-7 ;;
        libcjson) echo libcjson-dev libcjson1 ;;
        libcrypto | libssl) echo libssl-dev libssl3 ;;
        cunit) echo libcunit1-dev ;;
        *) return 1 ;;
    esac
}
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; } # at_least HAVE WANTED
while IFS=: read -r file line text; do
    modules=$(sed 's/.*pkg_check_modules([A-Z0-9_]*//; s/).*//; s/REQUIRED\|IMPORTED_TARGET\|QUIET//g' <<<"$text")
    [ -n "${modules// /}" ] || say "$file:$line: pkg_check_modules must stand on one line"
    for module in $modules; do
        wanted=0
        case "$module" in *'>='*) wanted=${module#*>=} module=${module%%>=*} ;; esac
        packages=$(brought_by "$module") || { say "$file:$line: nobody knows which package brings $module: say it in $0"; continue; }
        for package in $packages; do
            have=$(awk -v name="$package" '$1 == name { sub(/^[0-9]+:/, "", $2); sub(/-[^-]*$/, "", $2); sub(/-stable$/, "", $2); print $2 }' "$list")
            if [ -z "$have" ]; then say "$file:$line: $module comes with $package, which $list lacks"
            elif ! at_least "$have" "$wanted"; then say "$file:$line: $module>=$wanted, but $list is content with $package $have"; fi
        done
    done
done < <(grep -n 'pkg_check_modules(' CMakeLists.txt tests/CMakeLists.txt)

wanted=$(sed -n 's/^cmake_minimum_required(VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
have=$(awk '$1 == "cmake" { print $2 }' "$list")
at_least "${have:-0}" "${wanted:-0}" || say "CMakeLists.txt:1: wants cmake $wanted, but $list is content with ${have:-none}"
exit "$bad"
