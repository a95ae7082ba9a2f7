#!/bin/bash
# The course's clients and servers, talking over loopback ports that the kernel chose.
# Prints the conversations, checks every reply, and fails on a wrong one. `make demo`
# runs it; by hand: SOQUETE=build/soquete tests/e2e/demo.sh
#
# SOQUETE is the program, SCRIPTS the folder of the scripts. A new scene is a function
# scene_*, called at the end: `serve` a script, `talk` to it with a client, `expect` lines.
set -u
cd "$(dirname "$0")/../.." || exit 1

SOQUETE=$(realpath "${SOQUETE:-build/soquete}")
SCRIPTS=$(realpath "${SCRIPTS:-scripts}")
PROMPT="Input lowercase sentence: "
PATIENCE=20 # seconds for any one step; all of them together take about one
servers=()
work=$(mktemp -d)

# --- machinery -----------------------------------------------------------------------

stop_servers() {
  local pid
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null; done
  servers=()
}
trap 'stop_servers; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fail() {
  local line
  while [ -n "${from_server:-}" ] && read -r -t 0.2 -u "$from_server" line; do
    say server "$line"
  done
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

headline() {
  stop_servers
  printf '\n== %s\n' "$1"
}

# Prints each line of $2 behind the speaker $1.
say() {
  local line
  while IFS= read -r line; do printf '%8s | %s\n' "$1" "$line"; done <<<"$2"
}

# serve SCRIPT [FOLDER [ARGUMENT]]: starts a server, in that folder, on a port of the kernel's
# choice; sets $port.
serve() {
  local line words=("$1" 0 127.0.0.1 "${@:3}")
  printf '\n    $ soquete %s\n' "${words[*]}"
  exec {from_server}< <(cd "${2:-.}" &&
    exec "$SOQUETE" "$SCRIPTS/${words[0]}" "${words[@]:1}" </dev/null 2>&1)
  servers+=("$!")
  read -r -t "$PATIENCE" -u "$from_server" line || fail "$1 did not say where it listens"
  say server "$line"
  [[ $line =~ ^listening\ on\ [^\ ]*:([0-9]+)$ ]] || fail "$1 said: $line"
  port=${BASH_REMATCH[1]}
}

# Prints a client's output $1 as a keyboard would have shown it: each of the sentences $2 …
# stands behind its prompt.
show() {
  local text=$1 sentence
  shift
  for sentence in "$@"; do
    text=${text/"${PROMPT}From"/"$PROMPT$sentence"$'\n'"From"}
  done
  say client "${text%$'\n'"$PROMPT"}"
}

# talk SCRIPT SENTENCE …: runs a client and types the sentences; sets $output.
talk() {
  local script=$1
  shift
  printf '\n    $ soquete %s 127.0.0.1 %s\n' "$script" "$port"
  output=$(printf '%s\n' "$@" |
    timeout "$PATIENCE" "$SOQUETE" "$SCRIPTS/$script" 127.0.0.1 "$port" 2>&1)
  local status=$?
  show "$output" "$@"
  [ "$status" -eq 0 ] || fail "$script ended with status $status"
}

# expect TEXT …: the output holds each, in this order, up to the end of its line.
expect() {
  local rest=$output$'\n' text
  for text in "$@"; do
    [[ $rest == *"$text"$'\n'* ]] || fail "expected \"$text\", got: $output"
    rest=${rest#*"$text"$'\n'}
  done
}

# --- scenes --------------------------------------------------------------------------

scene_udp() {
  headline "UDP: one datagram there, one back"
  serve 01-udp-server.lua
  talk 01-udp-client.lua "hello from the lab"
  expect "From Server 127.0.0.1:$port: HELLO FROM THE LAB"
  talk 01-udp-client.lua "ação"
  expect "From Server 127.0.0.1:$port: AÇÃO"
}

scene_tcp() {
  headline "TCP: one client after the other"
  serve 02-tcp-server.lua
  talk 02-tcp-client.lua "hello from the lab"
  expect "From Server: HELLO FROM THE LAB"
  talk 02-tcp-client.lua "ação"
  expect "From Server: AÇÃO"
}

# The first client has connected, and its user still thinks, while the second is served.
scene_tcp_concurrent() {
  local from_first keyboard said
  headline "TCP with one task a client: nobody waits for a silent one"
  serve 02-tcp-server-concurrent.lua
  printf '\n    $ soquete 02-tcp-client.lua 127.0.0.1 %s     (types nothing yet)\n' "$port"
  mkfifo "$work/keyboard"
  exec {keyboard}<>"$work/keyboard"
  exec {from_first}< <(exec timeout "$PATIENCE" "$SOQUETE" "$SCRIPTS/02-tcp-client.lua" \
    127.0.0.1 "$port" <"$work/keyboard" 2>&1)
  servers+=("$!")
  read -r -t "$PATIENCE" -N "${#PROMPT}" -u "$from_first" said || fail "no prompt"
  say client "$said"
  talk 02-tcp-client.lua "second, but served at once"
  expect "From Server: SECOND, BUT SERVED AT ONCE"
  printf '\n    (the first client types at last)\n'
  printf '%s\n' "first, ação" >&"$keyboard"
  read -r -t "$PATIENCE" -u "$from_first" output || fail "the first client fell silent"
  show "$PROMPT$output" "first, ação"
  expect "From Server: FIRST, AÇÃO"
  read -r -t "$PATIENCE" -u "$from_first" said && fail "the first client also said: $said"
}

# fetch PATH: asks the server for it as a browser does; sets $output.
fetch() {
  local web
  printf '\n    GET %s HTTP/1.0\n' "$1"
  exec {web}<>"/dev/tcp/127.0.0.1/$port" || fail "nobody listens on port $port"
  printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&"$web"
  output=$(timeout "$PATIENCE" tr -d '\r' <&"$web") || fail "no answer to GET $1"
  exec {web}>&-
  say client "$output"
}

scene_web() {
  headline "Web: the files of a folder, and nothing else"
  mkdir "$work/site"
  printf '<h1>Olá, ação!</h1>\n' >"$work/site/index.html"
  printf 'not to be seen\n' >"$work/secret"
  serve 03-web-server.lua "$work/site"
  fetch /index.html
  expect "HTTP/1.0 200 OK" "Content-Type: text/html" "Content-Length: 23" "" \
    "<h1>Olá, ação!</h1>"
  fetch /../secret
  expect "HTTP/1.0 404 Not Found"
}

scene_web_concurrent() {
  local silent
  headline "Web with one task a client: nobody waits for a silent one"
  serve 03-web-server-concurrent.lua "$work/site"
  printf '\n    (a client connects, and says nothing)\n'
  exec {silent}<>"/dev/tcp/127.0.0.1/$port" || fail "nobody listens on port $port"
  fetch /index.html
  expect "HTTP/1.0 200 OK" "<h1>Olá, ação!</h1>"
  exec {silent}>&-
}

# Both clients tell how much has arrived, and the server counts the same.
scene_throughput() {
  local script line
  headline "Throughput: what has arrived, and how fast"
  serve 04-throughput-server.lua
  for script in 04-throughput-client.lua 04-throughput-fast.lua; do
    printf '\n    $ soquete %s 127.0.0.1 %s 0.2\n' "$script" "$port"
    output=$(timeout "$PATIENCE" "$SOQUETE" "$SCRIPTS/$script" 127.0.0.1 "$port" 0.2 2>&1) ||
      fail "$script failed: $output"
    say client "$output"
    read -r -t "$PATIENCE" -u "$from_server" line || fail "the server measured nothing"
    say server "$line"
    [[ $output =~ ^([0-9]+)\ bytes\ in\ .*\ kb/s,\ .*\ Mbit/s$ ]] || fail "$script said: $output"
    [[ $line == *": ${BASH_REMATCH[1]} bytes in "* ]] || fail "the server has counted: $line"
  done
}

scene_hosts() {
  headline "Names and addresses"
  printf '\n    $ soquete 05-hosts.lua localhost\n'
  output=$(timeout "$PATIENCE" "$SOQUETE" "$SCRIPTS/05-hosts.lua" localhost 2>&1) ||
    fail "05-hosts.lua failed: $output"
  say client "$output"
  [[ $output == *127.0.0.1* || $output == *::1* ]] || fail "localhost has no address"
}

scene_lines() {
  headline "TCP with lines: many messages over one connection"
  serve 06-line-server.lua
  talk 06-line-client.lua "one" "two" "três, com ação"
  expect "From Server: ONE" "From Server: TWO" "From Server: TRÊS, COM AÇÃO"
}

scene_proxy() {
  headline "Proxy: the client speaks to one server through another"
  serve 02-tcp-server.lua
  serve 07-proxy.lua . "$port"
  talk 02-tcp-client.lua "through the proxy"
  expect "From Server: THROUGH THE PROXY"
}

scene_udp
scene_tcp
scene_tcp_concurrent
scene_web
scene_web_concurrent
scene_throughput
scene_hosts
scene_lines
scene_proxy
stop_servers
printf '\nEvery reply was right.\n'
