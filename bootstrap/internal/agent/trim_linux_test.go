package agent

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
