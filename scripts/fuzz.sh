#!/usr/bin/env bash
# Fuzzes each fuzz target of the module for a while: scripts/fuzz.sh DURATION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
duration=$1
list='{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}'
files=$(go list -f "$list" ./... | sed '/^$/d')
found=0
while read -r package file; do
  for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
    found=$((found + 1))
    echo "== $package $target for $duration"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null
  done
done <<<"$files"
echo "== $found fuzz targets"
