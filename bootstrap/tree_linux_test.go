package bootstrap

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		stat string
		want process
		ok   bool
	}{
		{"12 (sh) S 3 4 5", process{pid: 12, parent: 3}, true},
		{"12 (a) R (b\n) Z 7 4", process{pid: 12, parent: 7, zombie: true}, true},
		{"12 (sh) S", process{}, false},
		{"12", process{}, false},
		{"", process{}, false},
		{")(", process{}, false},
		{"x (sh) S 3 4", process{}, false},
	} {
		got, ok := parseStat([]byte(c.stat))
		require.Equal(t, c.ok, ok, c.stat)
		require.Equal(t, c.want, got, c.stat)
	}
	own, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	p, ok := parseStat(own)
	require.True(t, ok)
	require.Equal(t, process{pid: os.Getpid(), parent: os.Getppid()}, p)
}
