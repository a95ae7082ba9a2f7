#!/bin/bash
# Runs files of Lua tests, one on each processor: lua.sh LUATEST FILE ... RUN may hold a command
# to run them under. Ends with one line "N passed, N failed, N skipped". A program that says no
# count is one failure.
set -u

export luatest=$1
shift
export SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
counts=$(mktemp -d)
export counts
trap 'rm -rf "$counts"' EXIT
echo "SEED=$SEED"

# What a file says is printed at once, so that it stays together.
run_file() {
  local said count
  # shellcheck disable=SC2086 # RUN is a command with arguments
  said=$(${RUN:-} "$luatest" "$1" 2>&1)
  local status=$?
  count=$(tail -n 1 <<<"$said" | grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$')
  printf '%s\n' "$said" | grep -vE '^(SEED=.*|[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped)$'
  if [ -z "$count" ] || { [ "$status" -ne 0 ] && [[ $count == *" 0 failed,"* ]]; }; then
    echo "$1: ended with status $status"
    count="0 passed, 1 failed, 0 skipped"
  fi
  echo "$count" >"$counts/${1//\//-}"
}
export -f run_file

# The longest first: they take the longest.
ls -S "$@" | xargs -P "$(nproc)" -I{} bash -c 'run_file "$1"' file {}
cat "$counts"/* | awk '{ p += $1; f += $3; s += $5 }
  END { print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; exit f > 0 }'
