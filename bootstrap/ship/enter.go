package ship

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Wanted is an executable that a host may have.
type Wanted struct {
	Platform string // os/arch of the hosts that it is for
	SHA256   string // in hexadecimal
}

// guarded holds for a file $f in a folder $d, no link, that are both the user's own, where the folder has the sticky bit: nobody else can put another file
// in the place of this one, whatever the folder's mode. It says less than private, but begins no process; what puts files there sees to the bit.
const guarded = `[ -O "$f" ] && [ -O "$d" ] && [ ! -h "$d" ] && [ -k "$d" ]`

// EnterNone is what the script of [EnterScript] prints after its $0 where the host has none of the executables.
const EnterNone = "none"

// EnterScript returns a line of POSIX sh that becomes the executable for the host's platform, where the host has it: with the words after $0 as its arguments and env (NAME=VALUE, words apart by blanks that mean nothing to sh) in its environment.
// Before, under the same process id, it prints a line of $0, its process id, ';', $SSH_CONNECTION, ';' and the executable's path. Where the host has none it prints $0 and [EnterNone], and ends.
//
// It begins as few processes as it can, on most hosts none: a launch is mostly what its hosts' processors do, and each process is a millisecond of that.
func EnterScript(env string, wanted []Wanted) string {
	var cases strings.Builder
	for _, w := range wanted {
		if pattern := unamePattern(w.Platform); pattern != "" {
			fmt.Fprintf(&cases, "%s) h=%s;; ", pattern, w.SHA256)
		}
	}
	return script(`
k=$0; h=; { read -r m </proc/sys/kernel/arch; } 2>/dev/null && m="Linux $m" || m=$(uname -sm); case $m in ` + cases.String() + `esac;
t() { d=$1; f=$d/$h; [ -x "$f" ] && ` + guarded + ` && echo "$k$$;$SSH_CONNECTION;$f" && shift && export ` + env + ` && exec "$f" "$@"; };
if [ -n "$h" ]; then t "${XDG_CACHE_HOME:-$HOME/.cache}/tlaunch" "$@"; t ~/.cache/tlaunch "$@"; u=$(id -u); t /var/tmp/tlaunch-$u "$@"; t /tmp/tlaunch-$u "$@"; fi;
echo "${k}` + EnterNone + `"`)
}

// Entered is where a host has become the program.
type Entered struct {
	Path string     // of the executable
	Addr netip.Addr // by which the connection reached the host, as the host sees that; zero when its sshd does not say
}

// ParseEntered reads what the script of [EnterScript] prints after its $0.
func ParseEntered(said string) (Entered, error) {
	parts := strings.SplitN(said, ";", 3)
	if len(parts) < 3 || !strings.HasPrefix(parts[2], "/") {
		return Entered{}, &ScriptError{Step: "looking for the program", Output: said, Err: errors.New("not what it was to say")}
	}
	return Entered{Path: parts[2], Addr: serverAddr(parts[1])}, nil
}

// serverAddr is the third word of SSH_CONNECTION (client's address and port, server's address and port); zero where there is none.
func serverAddr(connection string) netip.Addr {
	words := strings.Fields(connection)
	if len(words) != 4 {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(words[2])
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// unamePattern is what a case of sh compares "uname -sm" with, for hosts of a platform; empty for systems that processes are not started on.
func unamePattern(platform string) string {
	system, arch, _ := strings.Cut(platform, "/")
	names := map[string]string{"linux": "Linux", "darwin": "Darwin"}
	machines := map[string][]string{
		"amd64": {"x86_64", "amd64"}, "arm64": {"aarch64", "arm64"}, "386": {"i386", "i486", "i586", "i686"}, "loong64": {"loongarch64"}, "arm": {"armv6l", "armv7l", "armv8l"},
	}[arch]
	if machines == nil {
		machines = []string{arch}
	}
	if names[system] == "" {
		return ""
	}
	var patterns []string
	for _, m := range machines {
		patterns = append(patterns, fmt.Sprintf("%q", names[system]+" "+m))
	}
	return strings.Join(patterns, "|")
}
