#!/usr/bin/env bash
# install.sh USE... - installs the packages of docker/packages.txt that are needed for USE (build, test, fuzz, tables,
# run) and are missing or too old.  Nothing is missing: no network, no root, no output.
set -euo pipefail
list="$(dirname "$0")/packages.txt"
wanted=" $* "
missing=()

installed() { dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'; }
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

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null

while read -r name least use _; do
    for one in "${missing[@]}"; do
        [ "$one" = "$name" ] || continue
        new_enough "$name" "$least" || {
            echo "install.sh: $name is $(installed "$name"), wanted at least $least (docker/packages.txt)" >&2
            exit 2
        }
    done
done <"$list"
