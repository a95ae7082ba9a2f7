#!/bin/bash
# The rules of the house that no compiler knows. Prints each breach as file:line, and fails
# when there is one. Another folder may be named: rooms.sh [FOLDER].
set -u
# lastpipe: a rule at a pipe's end can note its breach.
shopt -s nullglob globstar lastpipe
cd "${1:-$(dirname "$0")/../..}" || exit 2

bad=0
# Reads breaches, one a line, and tells them under their rule.
forbid() {
  local found
  found=$(cat)
  [ -n "$found" ] || return 0
  printf '%s:\n%s\n' "$1" "$found"
  bad=1
}
search() {
  grep -nHE "$@" /dev/null
}
# Searches C code without its comments, strings and system headers.
search_code() {
  local pattern=$1 file
  for file in "${@:2}"; do
    sed -E 's,^ *(/\*| \* ).*,,; s,/\*.*,,; s/"([^"\\]|\\.)*"/""/g; s/<[a-z_]*\.h>//' "$file" |
      grep -nE "$pattern" | sed "s,^,$file:,"
  done
}

rooms=(base proto net api cli)
for i in "${!rooms[@]}"; do
  for right in "${rooms[@]:i+1}"; do
    search "^ *# *include *[\"<]$right/" src/"${rooms[i]}"/*.[ch] |
      forbid "${rooms[i]} may not include $right"
  done
done

search '^ *# *include *[<"](lua|lualib|lauxlib|luaconf)\.h' src/{base,proto,net}/*.[ch] |
  forbid "only api and cli know Lua"

mapfile -t others < <(printf '%s\n' src/*/*.c | grep -vx src/api/task.c)
search_code '\blua_(yieldk?|resume)\b' "${others[@]}" |
  forbid "only src/api/task.c yields and resumes"

mapfile -t others < <(printf '%s\n' src/{proto,net,api,cli}/*.c |
  grep -vE '^src/net/(host[a-z_]*|resolve[a-z_]*|holder|file|watch)\.c$')
search_code '\berrno\b' "${others[@]}" |
  forbid "errno belongs to base, the host backends, the resolver, files, watches and the holder look-up"

for header in src/*/*.h; do
  head -n 1 "$header" | grep -q '^/\*' || echo "$header:1"
done | forbid "a header opens with its contract"

for script in scripts/*.lua; do
  [ "$(wc -l <"$script")" -le 70 ] || echo "$script: $(wc -l <"$script") lines"
done | forbid "a script has 70 lines at most"

for file in src/*/*.[ch] lua/**/*.lua tests/*/*.[ch]; do
  [ "$(wc -l <"$file")" -le 500 ] || echo "$file: $(wc -l <"$file") lines"
done | forbid "a file has 500 lines at most"

if git rev-parse --git-dir >/dev/null 2>&1; then
  git ls-files | sed 's,/.*,,' | sort -u |
    grep -vxE 'Makefile|README\.md|LICENSE|src|scripts|tests|lua|docs|\..*' |
    forbid "these do not stand at the top"
fi

# Spelt so that this file does not break its own rule.
search '\b(TO''DO|FIX''ME)\b' Makefile {src,scripts,tests,docs}/**/*.* lua/**/*.lua |
  forbid "unfinished business goes into an issue"

exit "$bad"
