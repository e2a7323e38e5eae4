package ship

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Platform is what a host is and has.
type Platform struct {
	GOOS   string
	GOARCH string
	Home   string            // home folder of the user
	UID    string            // number of the user
	Addr   netip.Addr        // by which the connection reached it, as the host sees that; zero when its sshd does not say
	Near   bool              // set by the caller: the way there is so short that compressing what is sent would take longer than it saves
	Dirs   []string          // folders that files may be kept in, the best first; nothing is known of their state
	cached map[string]string // hash to path
}

// String is os/arch.
func (p Platform) String() string { return p.GOOS + "/" + p.GOARCH }

// Cached returns where the host keeps the file of that SHA-256 in hexadecimal, and whether it has it.
func (p Platform) Cached(sha256 string) (path string, ok bool) {
	path, ok = p.cached[sha256]
	return path, ok
}

// private holds for a folder $d that is the user's own, is no link, and closed to others. The folder may have the sticky bit.
const private = `[ -O "$d" ] && case $(ls -ld "$d") in drwx-----[-T]*) ;; *) false;; esac`

// probeScript wants the hashes in $w.
var probeScript = script(`
u=$(id -u); echo; echo ` + begin + `; uname -s; uname -m; echo "$u"; echo "$HOME"; echo "$XDG_CACHE_HOME"; echo "$SSH_CONNECTION";
for d in "${XDG_CACHE_HOME:-$HOME/.cache}/tlaunch" ~/.cache/tlaunch /var/tmp/tlaunch-$u /tmp/tlaunch-$u; do
` + private + ` && for h in $w; do [ -x "$d/$h" ] && touch -c "$d/$h" && chmod 1700 "$d" && echo "$h $d"; done; done 2>/dev/null; echo ` + end)

// Probe asks a host what it is, and which of the files with these SHA-256 (hexadecimal) it has; those count as used now. A host that runs no POSIX sh is a [*ScriptError].
func Probe(ctx context.Context, c *ssh.Client, hashes ...string) (Platform, error) {
	lines, err := run(ctx, c, "asking what it is", "w="+quote(strings.Join(hashes, " "))+"; "+probeScript, func(r *remote) (lines []string, err error) {
		for {
			line, ok, err := r.line()
			if err != nil || !ok {
				return lines, err
			}
			lines = append(lines, line)
		}
	})
	if err != nil {
		return Platform{}, err
	}
	return parseProbe(lines)
}

// parseProbe reads the lines that the probe prints.
func parseProbe(lines []string) (Platform, error) {
	const fixed = 6
	if len(lines) < fixed {
		return Platform{}, &ScriptError{Step: "asking what it is", Output: strings.Join(lines, "\n"), Err: errors.New("too few lines")}
	}
	p := Platform{GOOS: goos(lines[0]), GOARCH: goarch(lines[1]), UID: lines[2], Home: lines[3], Addr: serverAddr(lines[5]), cached: map[string]string{}}
	cache := lines[4]
	if cache == "" {
		cache = p.Home + "/.cache"
	}
	for _, d := range []string{cache + "/tlaunch", p.Home + "/.cache/tlaunch", "/var/tmp/tlaunch-" + p.UID, "/tmp/tlaunch-" + p.UID} {
		if strings.HasPrefix(d, "/") && (len(p.Dirs) == 0 || p.Dirs[0] != d) {
			p.Dirs = append(p.Dirs, d)
		}
	}
	for _, line := range lines[fixed:] {
		if hash, dir, ok := strings.Cut(line, " "); ok && p.cached[hash] == "" {
			p.cached[hash] = dir + "/" + hash
		}
	}
	return p, nil
}

// goos is Go's name for what uname -s prints.
func goos(uname string) string { return strings.ToLower(strings.TrimSpace(uname)) }

// goarch is Go's name for what uname -m prints; one that Go has no other name for is returned as it is.
func goarch(uname string) string {
	uname = strings.TrimSpace(uname)
	switch uname {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	case "i386", "i486", "i586", "i686":
		return "386"
	case "loongarch64":
		return "loong64"
	}
	if strings.HasPrefix(uname, "armv") {
		return "arm"
	}
	return uname
}
