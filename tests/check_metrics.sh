#!/usr/bin/env bash
# check_metrics.sh [BEELINE [MODEL]] - what a real server tells Prometheus, and what README.md says that it does.
#
# Starts `BEELINE serve MODEL` (build/release/beeline, models/all-MiniLM-L6-v2), asks its operator's port after some
# requests, and hands the answer to `promtool check metrics`, which must have nothing to say.  Then README.md's table of
# metrics has each name once, and no other.  Exits 77, which ctest calls skipped, where there is no promtool (Debian's
# package prometheus), no program or no model.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
beeline=${1:-build/release/beeline}
model=${2:-models/all-MiniLM-L6-v2}
skip() { echo "not checked: $1"; exit 77; }
command -v promtool >/dev/null || skip "no promtool in PATH"
command -v curl >/dev/null || skip "no curl in PATH"
[ -x "$beeline" ] || skip "no program $beeline"
[ -d "$model" ] || skip "no model $model"

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$beeline" serve "$model" --backend cpu --listen 127.0.0.1:0 --ops 127.0.0.1:0 >/dev/null 2>"$work/log" &
server=$!
for ((tries = 0; tries < 600; tries++)); do # a minute: a sanitized program takes its time
    grep -q '"event":"ready"' "$work/log" && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
public=$(sed -n '/"event":"ready"/s/.*http:\/\/\([^ "]*\).*/\1/p' "$work/log")
ops=$(sed -n 's/.*ops on http:\/\/\([^ "]*\).*/\1/p' "$work/log" | head -n 1)
[ -n "$public" ] && [ -n "$ops" ] || { cat "$work/log"; echo "the server was not ready, or did not say where"; exit 1; }

bad=0
ask() { curl -sS -m 30 -o /dev/null -H 'content-type: application/json' "$@"; }
ask "http://$public/embed" -d '{"inputs":["a text","and another"]}'
ask "http://$public/embed" -d '{"inputs":7}'
ask "http://$public/nothing"
curl -sS -m 30 -D "$work/head" -o "$work/metrics" "http://$ops/metrics"
grep -qi '^content-type: text/plain; version=0.0.4; charset=utf-8' "$work/head" || { cat "$work/head"; bad=1; }
promtool check metrics <"$work/metrics" || bad=1
grep -qx 'beeline_requests_total{endpoint="/embed",code="200"} 1' "$work/metrics" || { echo "no request was counted"; bad=1; }

# README.md: rows of one table, "| `beeline_x_total` | C | ..."
sed -n 's/^# TYPE \([a-z_0-9]*\) \(.\).*/\1 \2/p' "$work/metrics" | sort >"$work/told"
sed -n 's/^| `\(\(beeline\|process\)_[a-z_0-9]*\)` | \([CGH]\) |.*/\1 \3/p' README.md | tr CGH cgh | sort >"$work/written"
diff "$work/written" "$work/told" >"$work/difference" || {
    echo "README.md (<) and /metrics (>) differ:"
    cat "$work/difference"
    bad=1
}
kill "$server"
wait "$server" || { echo "the server ended with $?"; bad=1; }
server=
[ "$bad" = 0 ] && echo "$(grep -vc '^#' "$work/metrics") series of $(wc -l <"$work/told") metrics, all in README.md"
exit "$bad"
