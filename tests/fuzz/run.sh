#!/bin/bash
# Runs libFuzzer's programs one after the other: run.sh SECONDS build/fuzz/tests/fuzz/fuzz_x
# ... It begins with the inputs in tests/fuzz/corpus; what it finds is kept in
# build/fuzz/corpus, and an input that fails beside it. The last line is "N passed, N
# failed, N skipped"; a target is one test.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=$1
shift

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

for target in "$@"; do
  name=${target##*/fuzz_}
  found=build/fuzz/corpus/$name
  mkdir -p "$found"
  # What the target itself writes is dropped (3); libFuzzer and the sanitizers keep a copy.
  "$target" -max_total_time="$seconds" -max_len=512 -timeout=25 -rss_limit_mb=2048 \
    -close_fd_mask=3 -print_final_stats=1 -seed="${SEED:-0}" \
    -artifact_prefix="build/fuzz/$name-" "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 </dev/null
  status=$?
  runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
  covered=$(awk '$3 == "cov:" { n = $4 } END { print n + 0 }' "$log")
  if [ "$status" -eq 0 ]; then
    printf '%-24s %9d executions, %d edges\n' "${target##*/}" "$runs" "$covered"
    passed=$((passed + 1))
  else
    tail -n 60 "$log"
    echo "FAILED: $target ended with status $status"
    failed=$((failed + 1))
  fi
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
