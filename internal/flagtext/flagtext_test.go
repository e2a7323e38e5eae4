package flagtext

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
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

// fixture has a few flags, and notes when all of them are shown.
func fixture(out *bytes.Buffer, usage *bool) *flag.FlagSet {
	fs := flag.NewFlagSet("script", flag.ContinueOnError)
	fs.SetOutput(out)
	for _, name := range []string{"hosts", "launch", "logs"} {
		fs.String(name, "", "")
	}
	fs.Bool("quiet", false, "")
	fs.Bool("kill", false, "")
	fs.Int("parallel", 0, "")
	fs.Duration("notice", 0, "")
	fs.Float64("rate", 0, "")
	fs.TextVar(new(slog.Level), "level", slog.LevelInfo, "")
	fs.Func("own", "", func(string) error { return errors.New("write nothing") })
	if usage != nil {
		fs.Usage = func() { *usage = true }
	}
	return fs
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-host", "f"}, "flag provided but not defined: -host (is it -hosts?); -help lists the flags"},
		{[]string{"-quiet", "--lanuch=ssh", "-hosts", "f"}, "flag provided but not defined: -lanuch (is it -launch?); -help lists the flags"},
		{[]string{"-colour"}, "flag provided but not defined: -colour; -help lists the flags"},
		{[]string{"-all"}, "flag provided but not defined: -all; -help lists the flags"},
		{[]string{"-parallel", "many"}, "invalid value \"many\" for flag -parallel: write a whole number, such as 10; -help lists the flags"},
		{[]string{"-parallel=99999999999999999999"}, "invalid value \"99999999999999999999\" for flag -parallel: write a whole number, such as 10; -help lists the flags"},
		{[]string{"-notice", "5"}, "invalid value \"5\" for flag -notice: write a time with its unit, such as 10s or 500ms; -help lists the flags"},
		{[]string{"-quiet=of"}, "invalid boolean value \"of\" for -quiet: write true or false; -help lists the flags"},
		{[]string{"-rate", "fast"}, "invalid value \"fast\" for flag -rate: write a number, such as 0.5; -help lists the flags"},
		{[]string{"-level", "loud"}, "invalid value \"loud\" for flag -level: choose DEBUG, INFO, WARN or ERROR; -help lists the flags"},
		{[]string{"-own", "x"}, "invalid value \"x\" for flag -own: write nothing; -help lists the flags"},
		{[]string{"-hosts"}, "flag needs an argument: -hosts; -help lists the flags"},
		{[]string{"-=x"}, "bad flag syntax: -=x; -help lists the flags"},
	} {
		var out bytes.Buffer
		usage := false
		fs := fixture(&out, &usage)
		require.EqualError(t, Parse(fs, c.args), c.want)
		require.Empty(t, out.String())
		require.False(t, usage)
		require.ErrorIs(t, Parse(fs, []string{"-help"}), flag.ErrHelp)
		require.True(t, usage)
		require.NoError(t, Parse(fs, []string{"-hosts", "f", "-quiet", "-notice", "5s", "rest"}))
		require.Equal(t, "5s", fs.Lookup("notice").Value.String())
		require.Equal(t, []string{"rest"}, fs.Args())
	}
}

func TestHelp(t *testing.T) {
	var ours, theirs bytes.Buffer
	require.ErrorIs(t, Parse(fixture(&ours, nil), []string{"-help"}), flag.ErrHelp)
	require.ErrorIs(t, fixture(&theirs, nil).Parse([]string{"-help"}), flag.ErrHelp)
	require.Equal(t, theirs.String(), ours.String())
}
