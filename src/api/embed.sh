#!/bin/sh
# Writes the C table of the Lua modules (api/embedded.h): embed.sh lua/net.lua ... >out.c
# Bytes are written as signed numbers because a plain char is signed where we run.
set -eu

echo '#include "api/embedded.h"'
n=0
for file in "$@"; do
  n=$((n + 1))
  printf '\nstatic const char text_%d[] = {\n' "$n"
  od -An -v -td1 "$file" | sed 's/  *\(-\{0,1\}[0-9][0-9]*\)/\1,/g'
  echo '0};'
done

printf '\nconst struct embedded embedded_modules[] = {\n'
n=0
for file in "$@"; do
  n=$((n + 1))
  name=$(printf '%s' "${file#lua/}" | sed 's/\.lua$//; s,/,.,g')
  printf '  {"%s", text_%d, sizeof text_%d - 1},\n' "$name" "$n" "$n"
done
echo '  {NULL, NULL, 0},'
echo '};'
