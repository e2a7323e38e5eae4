#!/usr/bin/env bash
# Runs `go test` with these arguments, then repeats its closing line of each package, so that the end of a long log tells it all.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
SECONDS=0
echo "== tests"
go test "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
echo "== tests took $SECONDS s"
grep -E '^(--- FAIL|ok  |FAIL)' "$log"
if [ "$status" = 0 ] && ! grep -q '^ok  ' "$log"; then
  echo "no package had a test" >&2
  exit 1
fi
exit "$status"
