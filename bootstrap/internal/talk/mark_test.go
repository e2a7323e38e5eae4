package talk

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMark(t *testing.T) {
	long := strings.Repeat("x", 70)
	for _, c := range []struct {
		run, host   string
		incarnation int
		want        string
	}{
		{"k3m", "host1", 1, "k3m/host1/1"},
		{"run 1", "a/b", 12, "run_1/a_b/12"},
		{"", "$(rm)", 1, "_/__rm_/1"},
		{long, "wörker", 1, long[:64] + "/w_rker/1"},
	} {
		m := NewMark(c.run, c.host, c.incarnation)
		require.Equal(t, c.want, m.String())
		got, ok := ParseMark(c.want)
		require.True(t, ok)
		require.Equal(t, m, got)
	}
	for _, bad := range []string{"", "a", "a/b", "a/b/0", "a/b/-1", "a/b/01", "a/b/c", "a/b/1/2", "/b/1", "a b/c/1", long + "/b/1"} {
		_, ok := ParseMark(bad)
		require.False(t, ok, bad)
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("k3m/host1/1")
	f.Add("a/b/0")
	f.Add("//")
	f.Fuzz(func(t *testing.T, s string) {
		if m, ok := ParseMark(s); ok {
			require.Equal(t, s, m.String())
		}
	})
}
