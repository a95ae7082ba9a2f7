#!/bin/bash
# The lines that a MODE=cov build has run, by file of src/: coverage.sh build/cov
set -euo pipefail

find "$1/src" -name '*.gcno' -exec gcov -n -r {} + 2>/dev/null |
  awk -F"[':% ]+" '
    /^File / { file = $2 }
    /^Lines executed/ && file ~ /^src\/.*\.c$/ {
      printf "%6.1f%% of %5d  %s\n", $3, $5, file
      lines += $5; run += $3 * $5 / 100; file = ""
    }
    END { if (lines) printf "%6.1f%% of %5d  total\n", 100 * run / lines, lines }'
