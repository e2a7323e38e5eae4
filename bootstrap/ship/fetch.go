package ship

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

// Source is a host that passes an executable on: it answers a line with the token, or GET /token over HTTP, with the bytes of the file.
type Source struct {
	Host  string // name or address
	Port  string
	Token string // letters and digits
}

// ErrNoMeans is returned by Fetch for a host that has nothing to fetch a file with, or nothing to check its SHA-256 with.
var ErrNoMeans = errors.New("ship: the host has nothing to fetch a file with: none of bash with timeout, curl, wget and python3, or nothing that computes SHA-256")

// ErrNotFetched is returned by Fetch for a file that the host could not get, or that was another one.
var ErrNotFetched = errors.New("ship: the host could not fetch the file")

// fetchScript writes what the source in $G, $P, $T and $U has to $p, with the first means that is there, in $S seconds.
// Hosts in between see the token: it is good for nothing else than this file, whose hash is checked.
const fetchScript = `
get() { case $w in
bash) timeout 3 bash -c 'exec 3<>/dev/tcp/$G/$P' && timeout $S bash -c 'exec 3<>/dev/tcp/$G/$P && echo $T >&3 && exec cat <&3';;
curl) echo "url=http://$U/$T" | curl -sf --noproxy "*" --connect-timeout 3 -m $S -K -;;
wget) echo "http://$U/$T" | wget -q --no-proxy -t 1 -T 10 -O - -i -;;
python3) python3 -c 'import os,shutil,socket,sys; e=os.environ; s=socket.create_connection((e["G"],int(e["P"])),3); s.settimeout(10); s.sendall(e["T"].encode()+b"\n"); shutil.copyfileobj(s.makefile("rb"),sys.stdout.buffer)';; esac; };
fetch() { [ $v != cksum ] || { echo unable; return 1; }; export G P T;
for w in bash curl wget python3 none; do [ $w = none ] || command -v $w >/dev/null 2>&1 || continue; [ $w != bash ] || command -v timeout >/dev/null 2>&1 || continue; break; done;
[ $w != none ] || { echo unable; return 1; }; get >"$p" 2>/dev/null && [ -s "$p" ] || { echo "unfetched $w"; return 1; }; };`

// Fetch makes sure that the host has b, as Put does, but has the host get it from another one. What it gets is checked by its SHA-256. Its errors are [*PlatformError], [ErrNoMeans], [ErrNotFetched], [*ScriptError] and
// the context's; after each of them but the first and the last Put may do better.
func Fetch(ctx context.Context, c *ssh.Client, p Platform, b *Binary, from Source) (remotePath string, err error) {
	if p.String() != b.Platform() {
		return "", &PlatformError{Host: p.String(), Binary: b.Platform(), Path: b.Path}
	}
	u := upload{blob: b.blob, path: b.Path, interp: b.Interp, from: &from}
	v, err := u.try(ctx, c, p.Dirs)
	switch {
	case err != nil:
		return "", err
	case v.path != "":
		return v.path, nil
	case v.unable:
		return "", ErrNoMeans
	case v.corrupt:
		return "", fmt.Errorf("%w from %s: it was another one", ErrNotFetched, from.Host)
	}
	return "", fmt.Errorf("%w from %s with %s", ErrNotFetched, from.Host, v.unfetched)
}

// variables tells the script where to get content of that size from, and how long it may take.
func (s *Source) variables(size int64) string {
	if s == nil {
		return "T="
	}
	return fmt.Sprintf("G=%s; P=%s; T=%s; U=%s; S=%d", quote(s.Host), quote(s.Port), quote(s.Token), quote(net.JoinHostPort(s.Host, s.Port)), fetchSeconds(size))
}

// fetchSeconds is how long a host may take to fetch so many bytes. A source that has fallen silent holds a launch up for so long; one slower
// than 1 MiB/s is worse than a copy from elsewhere.
func fetchSeconds(size int64) int64 {
	const slowest, start, most = 1 << 20, 10, 300
	return min(start+size/slowest, most)
}
