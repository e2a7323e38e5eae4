package ship

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree writes files into a new folder; a name that ends in '/' is a folder, a content that begins with "-> " a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			require.NoError(t, os.Symlink(to, path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

func TestOpenDirRefuses(t *testing.T) {
	_, err := OpenDir(tree(t, map[string]string{"out": "-> ../../etc/passwd", "abs": "-> /etc/passwd"}))
	require.ErrorContains(t, err, "out leads out of the folder")
	require.ErrorContains(t, err, "abs leads out of the folder")
	_, err = OpenDir(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenDir(tree(t, map[string]string{".tlaunchignore": "ok\n!no\na/**/b\n[\n//\n"}))
	for _, want := range []string{`:2: "!no"`, `:3: "a/**/b"`, `:4: "["`, `:5: "//"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestIgnore(t *testing.T) {
	ig, err := parseIgnore("f", []byte("# c\n*.o\n/top\nsub/x?\nonly/\n"))
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		dir  bool
		want bool
	}{
		{"a.o", false, true}, {"d/a.o", false, true}, {"top", false, true}, {"d/top", false, false}, {"sub/x1", false, true}, {"d/sub/x1", false, false},
		{"only", true, true}, {"only", false, false}, {"d/only", true, true}, {".git", true, true}, {"d/.venv", true, true}, {"d/.tlaunchignore", false, false}, {".tlaunchignore", false, true},
	} {
		require.Equal(t, c.want, ig.Match(c.name, c.dir), c.name)
	}
}

func FuzzIgnore(f *testing.F) {
	for _, s := range []string{"*.o\n", "/a/\n!b", "a/[b-", "\\", "**", "#\n\n x \n"} {
		f.Add(s, "a/b.o")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if ig, err := parseIgnore("f", []byte(text)); err == nil {
			ig.Match(name, false)
		}
	})
}

func TestProbeAddress(t *testing.T) {
	for said, want := range map[string]string{
		"10.0.0.9 50000 10.0.0.1 22": "10.0.0.1", "2001:db8::9 50000 2001:db8::1 22": "2001:db8::1", "::ffff:10.0.0.9 5 ::ffff:10.0.0.1 22": "10.0.0.1",
		"": "invalid IP", "a b c d": "invalid IP", "10.0.0.9 5 10.0.0.1": "invalid IP",
	} {
		p, err := parseProbe([]string{"Linux", "x86_64", "0", "/root", "", said})
		require.NoError(t, err)
		require.Equal(t, want, p.Addr.String(), said)
	}
}

func FuzzProbe(f *testing.F) {
	f.Add("Linux\nx86_64\n0\n/root\n\n10.0.0.1 5 10.0.0.2 22\nabc /root/.cache/tlaunch")
	f.Add("Linux\nx86_64\n0\n/root\n\n::1 5 fe80::1%eth0 22")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseProbe(strings.Split(text, "\n"))
		if err == nil {
			for _, d := range p.Dirs {
				require.True(t, strings.HasPrefix(d, "/"))
			}
		}
	})
}

func ExampleIgnore_Match() {
	var ig Ignore
	fmt.Println(ig.Match(".git", true), ig.Match("main.go", false))
	// Output: true false
}
