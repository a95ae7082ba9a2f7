#!/bin/bash
# Runs the suites that are named, each a goal of the Makefile, and adds up their last line
# "N passed, N failed, N skipped". Fails when a test failed, when a suite ended badly or
# said no count, and, with CI=true, when a test was skipped. Names the programs for want of
# which tests were skipped.
set -u

passed=0 failed=0 skipped=0 bad=0
log=$(mktemp)
lacking=
trap 'rm -f "$log"' EXIT

# One seed for all the suites; SEED=N replays a run.
export SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
echo "SEED=$SEED"

for suite in "$@"; do
  echo "== $suite"
  ${MAKE:-make} --no-print-directory "$suite" 2>&1 </dev/null | tee "$log"
  status=${PIPESTATUS[0]}
  lacking+=$(sed -nE 's/^skip .*: (there is no ([^ ]+)|([^ ]+) is not installed)$/ \2\3/p' "$log")
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
  if [ -z "$line" ]; then
    echo "$suite: no count was printed"
    bad=1
    continue
  fi
  read -r p _ f _ s _ <<<"$line"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$status" -ne 0 ]; then
    echo "$suite: ended with status $status"
    bad=1
  fi
done

[ "$failed" -eq 0 ] || bad=1
if [ "${CI:-}" = true ] && [ "$skipped" -gt 0 ]; then
  echo "with CI=true a skipped test is a failure"
  bad=1
fi
if [ -n "$lacking" ]; then
  # shellcheck disable=SC2086 # a list of words
  echo "skipped for want of" $(printf '%s\n' $lacking | sort -u) "(make deps installs them)"
fi
echo "soquete: $passed passed, $failed failed, $skipped skipped"
exit "$bad"
