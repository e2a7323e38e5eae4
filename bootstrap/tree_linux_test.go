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

func TestReadOnlyMapping(t *testing.T) {
	for _, c := range []struct {
		line       string
		start, end uintptr
		ok         bool
	}{
		{"00400000-00500000 r-xp 00000000 08:01 42   /bin/my prog\n", 0x400000, 0x500000, true},
		{"00400000-00500000 r--p 00000000 08:01 42   /bin/my prog\n", 0x400000, 0x500000, true},
		{"00400000-00500000 rw-p 00000000 08:01 42   /bin/my prog\n", 0, 0, false},
		{"00400000-00500000 r--s 00000000 08:01 42   /bin/my prog\n", 0, 0, false},
		{"00400000-00500000 r--p 00000000 08:01 42   /lib/other\n", 0, 0, false},
		{"00400000 r--p 00000000 08:01 42   /bin/my prog\n", 0, 0, false},
		{"00500000-00400000 r--p 00000000 08:01 42   /bin/my prog\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		start, end, ok := readOnlyMapping([]byte(c.line), "/bin/my prog")
		require.Equal(t, c.ok, ok, c.line)
		require.Equal(t, c.start, start, c.line)
		require.Equal(t, c.end, end, c.line)
	}
}
