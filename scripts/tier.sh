#!/usr/bin/env bash
# Runs one tier of `make test` and says how long it took: scripts/tier.sh NAME COMMAND…
set -euo pipefail
name=$1
shift
echo "== $name"
SECONDS=0
"$@" || { status=$?; echo "== $name failed after $SECONDS s" >&2; exit $status; }
echo "== $name took $SECONDS s"
