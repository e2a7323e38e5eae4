package tlaunch

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlagFile(t *testing.T) {
	parse := func(t *testing.T, file string, args ...string) (f mainFlags, own []string, said string, err error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "flags")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
		var out bytes.Buffer
		fs := flag.NewFlagSet("script", flag.ContinueOnError)
		fs.SetOutput(&out)
		fs.Func("own", "a flag of the script that adds up", func(s string) error { own = append(own, s); return nil })
		require.NoError(t, f.register(fs))
		err = f.parse(fs, append(args, "-flagfile", path))
		return f, own, out.String(), err
	}

	t.Run("adds", func(t *testing.T) {
		f, own, _, err := parse(t, "-env=A=1\n# more\n--env=B\n-quiet\n", "-ship", "data", "-own", "x", "-own", "y")
		require.NoError(t, err)
		require.Equal(t, stringList{"A=1", "B"}, f.env)
		require.True(t, f.quiet)
		require.Equal(t, stringList{"data"}, f.ship, "what the command line repeats is taken once")
		require.Equal(t, []string{"x", "y"}, own)
	})
	t.Run("is overruled", func(t *testing.T) {
		f, _, _, err := parse(t, "-env=A\n-notice=1s\n", "-env", "B", "-notice", "2s")
		require.NoError(t, err)
		require.Equal(t, stringList{"B"}, f.env)
		require.Equal(t, "2s", f.notice.String())
	})
	for file, want := range map[string]string{
		"\n-colour=red\n":  ":2: flag provided but not defined: -colour",
		"-notice 5s\n":     ":1: flag provided but not defined: -notice 5s (is it -notice?); write -name=value",
		"-notice\n":        ":1: flag -notice needs a value: write -name=value",
		"-parallel=many\n": `:1: invalid value "many" for flag -parallel`,
		"parallel=many\n":  `:1: "parallel=many" is no flag: write -name=value`,
		"-own=1\n-quiet=?": `:2: invalid value "?" for flag -quiet`,
	} {
		t.Run(want, func(t *testing.T) {
			_, _, said, err := parse(t, file)
			require.ErrorAs(t, err, new(*UsageError))
			require.Contains(t, said, want)
		})
	}
}
