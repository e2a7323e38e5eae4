#!/usr/bin/env bash
# Gets a Debian machine that has only Go ready for the tests: packages, and a Consul server built from its Go module.
# May be run again and again: it does, and says, nothing where nothing is missing.
#   scripts/setup.sh            everything
#   scripts/setup.sh packages   only the Debian packages
#   scripts/setup.sh consul     only Consul; prints where the server is
#   scripts/setup.sh bench      the packages, and the programs that the benchmarks compare with
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Each line: a program that is there once its package is installed, and the package. gcc is for the race detector.
needed="gcc gcc
/usr/include/stdlib.h libc6-dev
make make
git git
/usr/sbin/sshd openssh-server
ssh openssh-client
ip iproute2
nft nftables
ping iputils-ping
hostname hostname
nsenter util-linux
ps procps
tcpdump tcpdump
tmux tmux
/usr/bin/openssl openssl
/usr/bin/curl curl
/usr/bin/wget wget
/usr/bin/python3 python3
/usr/lib/python3/dist-packages/torch python3-torch
zsh zsh
fish fish
/etc/ssl/certs/ca-certificates.crt ca-certificates"

# What others use to reach many hosts; only the benchmarks need it.
peers="pdsh pdsh
clush clustershell
mpirun openmpi-bin
/usr/share/doc/libopenmpi-dev libopenmpi-dev"

# packages LIST installs those of a list that are missing.
packages() {
  # /usr/sbin is where half of these live and is not on everybody's path.
  local PATH=$PATH:/usr/sbin:/sbin missing=() program package
  while read -r program package; do
    command -v "$program" >/dev/null || [ -e "$program" ] || missing+=("$package")
  done <<<"$1"
  if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "setup: missing here: ${missing[*]}. Run scripts/setup.sh as root on Debian, or install them by hand." >&2
      return 1
    fi
    echo "setup: installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
      tail -30 "$log" >&2
      echo "setup: apt-get failed; the above is the end of what it said" >&2
      rm -f "$log"
      return 1
    fi
    rm -f "$log"
  fi
  if [ "$(id -u)" = 0 ]; then
    # sshd insists on it, and a reboot removes it.
    mkdir -p /run/sshd
    # The smallest images have none; test hosts put their own over it.
    [ -e /etc/hosts ] || echo "127.0.0.1 localhost" >/etc/hosts
  fi
}

consul() {
  local version cache target
  version=$(sed -n 's#^require github.com/hashicorp/consul v##p' "$here/consul/go.mod")
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/tlaunch-test
  target=$cache/consul-$version
  if [ ! -x "$target" ]; then
    mkdir -p "$cache"
    # One builds, the others wait for it and find its result.
    exec 9>"$cache/consul.lock"
    flock 9
    if [ ! -x "$target" ]; then
      echo "setup: building Consul $version from its Go module, a server for tests only; takes about four minutes, once" >&2
      (
        cd "$here/consul"
        partial=$(mktemp "$cache/consul-$version.partial.XXXXXX")
        trap 'rm -f "$partial"' EXIT
        env -u GOOS -u GOARCH -u GOFLAGS GOWORK=off CGO_ENABLED=0 go build -trimpath -o "$partial" github.com/hashicorp/consul 9>&-
        chmod 755 "$partial"
        mv "$partial" "$target"
      )
    fi
    exec 9>&-
  fi
  [ "${1:-}" != say ] || echo "$target"
}

case ${1:-all} in
  all) packages "$needed"; consul ;;
  packages) packages "$needed" ;;
  bench) packages "$needed
$peers" ;;
  consul) consul say ;;
  *) echo "usage: scripts/setup.sh [packages|consul|bench]" >&2; exit 2 ;;
esac
