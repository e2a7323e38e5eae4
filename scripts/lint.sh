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
  echo "lint: vet${tags:+ with tag $tags}"
  go vet -tags "$tags" ./...
done
echo "lint: staticcheck" # with the tag, which adds files and leaves none out
go run "$staticcheck" -tags hosts ./...
for target in $targets; do
  echo "lint: build for $target" # all packages are compiled, and one program linked
  export CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/}
  go list -export ./... >/dev/null
  go build -o /dev/null ./internal/clustertest/testprog
done
