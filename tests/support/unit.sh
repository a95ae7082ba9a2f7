#!/bin/bash
# Runs cmocka programs and adds up what they say: unit.sh build/release/tests/unit/test_x ...
# RUN may hold a command to run them under, SLOW how much longer they take then.
# Ends with one line "N passed, N failed, N skipped". A program that dies, hangs or says
# nothing counts as one failure.
set -u

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The sum of the numbers of the lines "[  WORD  ] 3 test(s)...".
count() {
  awk -v word="$1" '$1 == "[" && $2 == word && $4 ~ /^[0-9]+$/ && $5 ~ /^test/ { n += $4 }
                    END { print n + 0 }' "$log"
}

for program in "$@"; do
  # shellcheck disable=SC2086 # RUN is a command with arguments
  timeout $((300 * ${SLOW:-1})) ${RUN:-} "$program" >"$log" 2>&1
  status=$?
  p=$(count PASSED) f=$(count FAILED) s=$(count SKIPPED)
  if [ $((p + f + s)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
    f=1
    echo "$program: ended with status $status"
  fi
  if [ -n "${V:-}" ]; then
    cat "$log"
  elif [ "$f" -gt 0 ]; then
    grep -vE '^\[( RUN  |       OK|  PASSED|=)' "$log"
  fi
  printf '%-24s %4d passed %3d failed %3d skipped\n' "${program##*/}" "$p" "$f" "$s"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
