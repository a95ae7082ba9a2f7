#!/bin/bash
# Feeds each fuzz target, built with the common compiler, the inputs of its corpus:
# replay.sh build/release/tests/fuzz/fuzz_x ... A target that ends badly is told with the
# input that did it. The last line is "N passed, N failed, N skipped"; a target is one test.
set -u
cd "$(dirname "$0")/../.." || exit 1

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for target in "$@"; do
  name=${target##*/fuzz_}
  timeout 300 "$target" "tests/fuzz/corpus/$name" >"$log" 2>&1 </dev/null
  status=$?
  if [ "$status" -eq 0 ] && grep -qE '^[0-9]+ inputs$' "$log"; then
    printf '%-24s %s\n' "${target##*/}" "$(grep -E '^[0-9]+ inputs$' "$log")"
    passed=$((passed + 1))
  else
    tail -n 40 "$log"
    echo "FAILED: $target ended with status $status"
    failed=$((failed + 1))
  fi
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
