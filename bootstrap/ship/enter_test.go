package ship

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseEntered(t *testing.T) {
	e, err := ParseEntered("17;10.0.0.1 4711 10.0.0.2 22;/home/a;b/.cache/tlaunch/0123")
	require.NoError(t, err)
	require.Equal(t, Entered{Path: "/home/a;b/.cache/tlaunch/0123", Addr: netip.MustParseAddr("10.0.0.2")}, e)
	e, err = ParseEntered("17;;/x")
	require.NoError(t, err)
	require.Equal(t, Entered{Path: "/x"}, e)
	for _, said := range []string{"", "17", "17;", "17;;", "17;;relative"} {
		_, err := ParseEntered(said)
		var script *ScriptError
		require.ErrorAs(t, err, &script, said)
	}
}

func FuzzParseEntered(f *testing.F) {
	f.Add("17;10.0.0.1 4711 10.0.0.2 22;/home/a/.cache/tlaunch/0123")
	f.Add("17;fe80::1%eth0 4711 ::ffff:10.0.0.2 22;/x")
	f.Fuzz(func(t *testing.T, said string) {
		e, err := ParseEntered(said)
		if err == nil {
			require.True(t, strings.HasSuffix(said, ";"+e.Path))
		}
	})
}

// What the script compares the host with is what the probe makes of the same words.
func TestUnamePattern(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/386", "linux/arm", "linux/riscv64", "linux/loong64", "darwin/arm64", "darwin/amd64"} {
		for pattern := range strings.SplitSeq(unamePattern(platform), "|") {
			system, machine, ok := strings.Cut(strings.Trim(pattern, `"`), " ")
			require.True(t, ok, pattern)
			require.Equal(t, platform, goos(system)+"/"+goarch(machine))
		}
	}
	require.Empty(t, unamePattern("windows/amd64"))
}

// With what is around it, it is all that a warm start sends to find its program.
func TestEnterScriptIsShort(t *testing.T) {
	text := EnterScript("TLAUNCH_HOST=agent", []Wanted{{"linux/amd64", strings.Repeat("0", 64)}})
	require.Less(t, len(text), 800)
	require.NotContains(t, text, "\n")
	require.NotContains(t, text, "'", "csh and sh do not agree on what is in such quotes")
}
