#!/bin/bash
# The lines that a MODE=cov build has run, by file of src/: coverage.sh build/cov [PERCENT].
# Fails when all files together stay below PERCENT, 90 unless told. With V=1 it prints the
# lines that were not run too.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$1/src" -name '*.gcno' -exec gcov -t -r {} + >"$work/lines" 2>/dev/null ||
  echo "gcov found records that do not belong to this build"

# gcov -t prints "COUNT:LINE:TEXT" with COUNT "-" for no code, "#####" for never run; a line
# of an inline function's header comes once for each file that includes it.
awk -F: -v least="${2:-90}" -v verbose="${V:-}" '
  $2 + 0 == 0 { if ($3 == "Source") file = $4; next }
  file !~ /^src\// || $1 ~ /^ *-$/ { next }
  {
    line = file ":" $2 + 0
    if (!(line in text)) { text[line] = substr($0, index($0, $3)); name[line] = file; lines[file]++; all++ }
    if ($1 !~ /[#=]/ && !(line in run)) { run[line] = 1; done[file]++; met++ }
  }
  function percent(a, b) { return int(1000 * a / b) / 10 }
  END {
    if (!all) { print "no coverage was recorded"; exit 1 }
    for (file in lines)
      printf "%6.1f%% of %5d  %s\n", percent(done[file], lines[file]), lines[file], file | "sort -k4"
    close("sort -k4")
    if (verbose) {
      for (line in text) if (!(line in run)) print line ":" text[line] | "sort -t: -k1,1 -k2,2n"
      close("sort -t: -k1,1 -k2,2n")
    }
    printf "%6.1f%% of %5d  total; at least %s%% are wanted\n", percent(met, all), all, least
    exit met / all * 100 < least
  }' "$work/lines"
