package bootstrap

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `''`, quote(""))
	require.Equal(t, `'a b'`, quote("a b"))
	require.Equal(t, `'it'\''s '\!''\\''`, quote(`it's !\`))
	require.Equal(t, `exec sh -c 'echo "$0$$"; export TLAUNCH_HOST=agent TLAUNCH_MARK=r/h/1 GOMAXPROCS=1; exec "$@"' 'mark-' '/p/q' 'x'`, loginCommand(pathScript(part{talk.RoleAgent, "r/h/1"}), "mark-", "/p/q", "x"))
}

func TestProcessIDAmongNoise(t *testing.T) {
	for name, c := range map[string]struct {
		mark, line string
		noise      []string
		pid        int64
	}{
		"alone":              {"mark-", "mark-123", nil, 123},
		"after an open line": {"mark-", "Welcomemark-123", []string{"Welcome"}, 123},
		"noise":              {"mark-", "Welcome", []string{"Welcome"}, 0},
		"no number":          {"mark-", "mark-x", []string{"mark-x"}, 0},
		"nothing to expect":  {"", "mark-123", []string{"mark-123"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := &link{pidMark: c.mark}
			var noise []string
			l.heed(c.line, func(s string) { noise = append(noise, s) })
			require.Equal(t, c.noise, noise)
			require.Equal(t, c.pid, l.pid.Load())
		})
	}
}

// Behind a jump host a name means something only there, so the host's own word counts; an address needs no resolving.
func TestReachedAddress(t *testing.T) {
	for _, c := range []struct{ hostName, told, want string }{
		{"far", "10.0.0.7", "10.0.0.7"},
		{"far", "2001:db8::7", "2001:db8::7"},
		{"10.0.0.8", "10.0.0.7", "10.0.0.8"},
		{"2001:db8::8", "", "2001:db8::8"},
		{"far", "", "far"},
		{"far", "fe80::1%eth0", "far"}, // the zone is the host's own
	} {
		var told netip.Addr
		if c.told != "" {
			told = netip.MustParseAddr(c.told)
		}
		require.Equal(t, c.want, reachedAddress(&sshconn.Conn{HostName: c.hostName, Jumps: []string{"gate"}}, told))
	}
}
