#!/bin/bash
# Runs cmocka programs, one on each processor, and adds up what they say:
# unit.sh build/release/tests/unit/test_x ... RUN may hold a command to run them under, SLOW
# how much longer they take then. Ends with one line "N passed, N failed, N skipped". A
# program that dies, hangs or says nothing counts as one failure.
set -u

logs=$(mktemp -d)
export logs
trap 'rm -rf "$logs"' EXIT

# The sum of the numbers of the lines "[  WORD  ] 3 test(s)...".
count() {
  awk -v word="$2" '$1 == "[" && $2 == word && $4 ~ /^[0-9]+$/ && $5 ~ /^test/ { n += $4 }
                    END { print n + 0 }' "$1"
}

run_program() {
  local name=${1##*/} log=$logs/${1##*/}.log status p f s
  # shellcheck disable=SC2086 # RUN is a command with arguments
  timeout $((300 * ${SLOW:-1})) ${RUN:-} "$1" >"$log" 2>&1
  status=$?
  p=$(count "$log" PASSED) f=$(count "$log" FAILED) s=$(count "$log" SKIPPED)
  {
    if [ $((p + f + s)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; }; then
      f=1
      echo "$1: ended with status $status"
    fi
    if [ -n "${V:-}" ]; then
      cat "$log"
    elif [ "$f" -gt 0 ]; then
      grep -vE '^\[( RUN  |       OK|  PASSED|=)' "$log"
    fi
    printf '%-24s %4d passed %3d failed %3d skipped\n' "$name" "$p" "$f" "$s"
  } >"$log.told"
  cat "$log.told" # at once, so that it stays together
  echo "$p $f $s" >"$logs/$name.count"
}
export -f count run_program

printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'run_program "$1"' program {}
cat "$logs"/*.count | awk -v programs=$# '{ p += $1; f += $2; s += $3 }
  END { f += programs - NR # those that have left no count
        print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; exit f > 0 }'
