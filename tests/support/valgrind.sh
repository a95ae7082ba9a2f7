#!/bin/bash
# Runs the suites under valgrind's memcheck: valgrind.sh build/debug [SUITE ...]. Fails when
# a test fails or memcheck finds something; the findings are printed once each.
#
# Only what is definitely lost counts as a leak: Lua points into the middle of its state.
# glibc's own cleaning up is left out, because helper threads that ask for names may live to
# the end of the process: it would free what holds their share.
set -u

modes=$(realpath "$1")
shift
suites=("$@")
[ $# -gt 0 ] || suites=(unit lua e2e)
work=$PWD/build/valgrind
rm -rf "$work" && mkdir -p "$work/bin" "$work/logs"

RUN="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
--errors-for-leak-kinds=definite --run-libc-freeres=no \
--log-file=$work/logs/%p"
# The end-to-end tests start the program by its path.
for program in soquete soquete-faulty; do
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$RUN" "$modes/$program" >"$work/bin/$program"
  chmod 755 "$work/bin/$program"
done

# Of what io_uring writes into memory valgrind knows too little.
export SOQUETE_BACKEND=epoll

# Valgrind plays the limit of descriptors itself: tests that need it skip themselves, so a
# skip is no failure.
export RUN SLOW=${SLOW:-20} UNDER_VALGRIND=1 CI=
MAKE="${MAKE:-make} MODE=debug WRAPPER=$work/bin/soquete" tests/support/tally.sh "${suites[@]}"
status=$?

# A report's lines begin with ==PID==; the same one may come from many processes.
findings=$(grep -hE '^==[0-9]+== ' "$work"/logs/* | sed -E 's/^==[0-9]+== ?//; s/0x[0-9A-F]+/0x/g')
count=$(grep -lE '^==[0-9]+== ' "$work"/logs/* | wc -l)
if [ -n "$findings" ]; then
  awk 'BEGIN { RS = "" } !seen[$0]++ { print $0 "\n" }' <<<"$findings"
  status=1
fi
echo "valgrind: $(find "$work/logs" -type f | wc -l) processes, $count with findings"
exit "$status"
