#!/bin/bash
# The fault campaign: run.sh FOLDER-OF-THE-BUILD. SAMPLE=N takes N faults of each kind by
# SEED=N; without it every one is tried. ONLY=alloc,calls,outside takes some kinds. The last
# SECONDS_EACH bounds what the runs of one test may take. The last
# line is "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
out=$1
only=,${ONLY:-alloc,calls,outside},
sample=(${SAMPLE:+--sample "$SAMPLE"})
# Not those that let allocations fail themselves.
mapfile -t files < <(grep -L T.starve tests/lua/*.lua tests/regress/*.lua)
export SEED=${SEED:-$RANDOM}

passed=0 failed=0 skipped=0 bad=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs one kind and adds its total to ours.
kind() {
  [[ $only == *,$1,* ]] || return 0
  echo "### $1"
  "${@:2}" 2>&1 | tee "$log" || bad=1
  local line
  line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
  [ -n "$line" ] || { bad=1; return; }
  read -r p _ f _ s _ <<<"$line"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for mode in alloc calls; do
  kind "$mode" "$out/campaign" "$mode" "${files[@]}" "${sample[@]}" --seconds "${SECONDS_EACH:-30}" --jobs 2
done
# The program as it is: a sanitizer's own system calls would be hit too. With epoll, where a
# receive and a send are system calls that can fail.
if [[ $out == */release ]]; then
  kind outside env SOQUETE_BACKEND=epoll python3 tests/campaign/outside.py --program "$out/soquete" "${sample[@]}"
fi
[ "$failed" -eq 0 ] || bad=1
echo "$passed passed, $failed failed, $skipped skipped"
exit "$bad"
