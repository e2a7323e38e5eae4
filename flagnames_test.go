package tlaunch

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"hosts", "hosts", 0}, {"host", "hosts", 1}, {"kitten", "sitting", 3}, {"lanuch", "launch", 2},
	} {
		require.Equal(t, c.want, editDistance(c.a, c.b), "%q %q", c.a, c.b)
		require.Equal(t, c.want, editDistance(c.b, c.a), "%q %q", c.b, c.a)
	}
}

// A mistyped flag is answered by a line.
func TestMistypedFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-host", "f"}, "flag provided but not defined: -host (is it -hosts?); -help lists the flags\n"},
		{[]string{"-quiet", "--lanuch=ssh", "-hosts", "f"}, "flag provided but not defined: -lanuch (is it -launch?); -help lists the flags\n"},
		{[]string{"-colour"}, "flag provided but not defined: -colour; -help lists the flags\n"},
		{[]string{"-parallel", "many"}, "invalid value \"many\" for flag -parallel: parse error; -help lists the flags\n"},
		{[]string{"-hosts"}, "flag needs an argument: -hosts; -help lists the flags\n"},
		{[]string{"-=x"}, "bad flag syntax: -=x; -help lists the flags\n"},
	} {
		var f mainFlags
		var out bytes.Buffer
		fs := flag.NewFlagSet("script", flag.ContinueOnError)
		fs.SetOutput(&out)
		usage := false
		fs.Usage = func() { usage = true }
		require.NoError(t, f.register(fs))
		require.ErrorAs(t, f.parse(fs, c.args), new(*UsageError))
		require.Equal(t, c.want, out.String())
		require.False(t, usage)
		require.ErrorIs(t, f.parse(fs, []string{"-help"}), flag.ErrHelp)
		require.True(t, usage)
	}
}
