#!/usr/bin/env bash
# What must hold of the source before a test runs: formatted, vetted, checked, and built for the other systems.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
targets="darwin/arm64 windows/amd64 linux/arm64"

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  printf 'lint: not formatted; run gofmt -w on\n%s\n' "$unformatted" >&2
  exit 1
fi
for tags in "" hosts; do
  echo "lint: vet and staticcheck${tags:+ with tag $tags}"
  go vet -tags "$tags" ./...
  go run "$staticcheck" -tags "$tags" ./...
done
for target in $targets; do
  echo "lint: build for $target"
  CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build ./...
done
