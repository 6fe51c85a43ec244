#!/usr/bin/env bash
# install.sh USE... - installs the packages of docker/packages.txt that are needed for USE (build, test, check, fuzz, tables,
# cuda, run) and are missing or too old.  Nothing is missing: no network, no root, no output.  Packages of PyPI go to
# build/tools, not into the system's Python.
set -euo pipefail
list="$(dirname "$0")/packages.txt"
wanted=" $* "
missing=()

tools="$(dirname "$0")/../build/tools"

installed() {
    case "$1" in
        pypi:*) cat "$tools/$(tr - _ <<<"${1#pypi:}")"-*.dist-info/METADATA 2>/dev/null | sed -n 's/^Version: //p' ;;
        *) dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p' ;;
    esac
}
new_enough() { local have; have=$(installed "$1"); [ -n "$have" ] && dpkg --compare-versions "$have" ge "$2"; }

command -v dpkg-query >/dev/null || {
    echo "install.sh: this is no Debian or Ubuntu; install what $list names and build with cmake --preset release" >&2
    exit 2
}
while read -r name least use _; do
    case "$name" in '' | \#*) continue ;; esac
    case "$wanted" in *" $use "*) new_enough "$name" "$least" || missing+=("$name") ;; esac
done <"$list"
[ ${#missing[@]} -eq 0 ] && exit 0

debian=() pypi=()
for one in "${missing[@]}"; do
    case "$one" in pypi:*) pypi+=("${one#pypi:}") ;; *) debian+=("$one") ;; esac
done
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}"
if [ ${#debian[@]} -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${debian[@]}" >/dev/null
fi
[ ${#pypi[@]} -eq 0 ] || python3 -m pip install --quiet --root-user-action ignore --no-deps --upgrade --target "$tools" "${pypi[@]}"

while read -r name least use _; do
    for one in "${missing[@]}"; do
        [ "$one" = "$name" ] || continue
        new_enough "$name" "$least" || {
            echo "install.sh: $name is $(installed "$name"), wanted at least $least (docker/packages.txt)" >&2
            exit 2
        }
    done
done <"$list"
