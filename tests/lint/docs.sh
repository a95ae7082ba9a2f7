#!/bin/bash
# Checks the documentation: docs.sh PROGRAM [PAGE ...]; all pages unless told. A page
# uses the course's ports, so each runs in a network namespace of its own where the system
# allows one, four at a time; elsewhere the ports have to be free, and the pages run one
# by one.
# The last line is "N passed, N failed, N skipped".
set -eu
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$program" "$work/bin/soquete"
export PATH=$work/bin:$PATH work
# A slow machine would put the watchdog's line into any page.
export SOQUETE_WATCHDOG=off

pages=("$@")
# Backwards, so that the guides, which take longest, come first.
[ $# -gt 0 ] || mapfile -t pages < <(find README.md docs -name '*.md' | sort -r)

jobs=1 private=
if unshare -rn ip link set lo up 2>/dev/null; then jobs=4 private=1; fi
export private

check_page() {
  local log
  log=$work/$(tr / - <<<"$1").log
  set -- soquete tests/lint/docs_page.lua "$work" "$1"
  # shellcheck disable=SC2016 # the inner shell expands
  [ -z "$private" ] || set -- unshare -rn sh -c 'ip link set lo up && exec "$@"' page "$@"
  "$@" >"$log" 2>&1 || true
}
export -f check_page

soquete tests/lint/docs_reference.lua "$work" >"$work/reference.log" 2>&1 &
# shellcheck disable=SC2016
printf '%s\n' "${pages[@]}" | xargs -P "$jobs" -I{} bash -c 'check_page "$1"' page {}
wait

passed=0 failed=0 skipped=0
for log in "$work"/*.log; do
  line=$(tail -n 1 "$log")
  grep -vE '^[0-9]+ passed, ' "$log" || true
  if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
  else
    echo "FAIL $(basename "$log" .log): it ended without a count"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
