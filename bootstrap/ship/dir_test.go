package ship

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/sshtest"
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

func TestPutDir(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	dir := tree(t, map[string]string{
		"a.txt": "A", "sub/b c.txt": "B", "sub/link": "-> ../a.txt", ".git/config": "x", "sub/.venv/x": "x", ".tlaunchignore": "*.log\n/build/\n", "x.log": "x",
		"sub/y.log": "x", "build/o": "x", "sub/build/kept": "K",
	})
	require.NoError(t, os.Chmod(filepath.Join(dir, "a.txt"), 0o755))
	d, err := OpenDir(dir)
	require.NoError(t, err)
	require.Equal(t, 4, d.Files)

	p := probe(t, c)
	calls := 0
	progress := func(int64, int64) { calls++ }
	require.NoError(t, PutDir(t.Context(), c, p, d, "work/run 1", progress))
	require.NotZero(t, calls)
	at := output(t, c, "cd && pwd")
	at = filepath.Join(strings.TrimSpace(at), "work/run 1")
	require.Equal(t, "A", output(t, c, "cat '"+at+"/sub/link'"))
	var names []string
	require.NoError(t, filepath.WalkDir(at, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(at, path)
			names = append(names, rel)
		}
		return err
	}))
	require.Equal(t, []string{"a.txt", "sub/b c.txt", "sub/build/kept", "sub/link"}, names)
	info, err := os.Stat(filepath.Join(at, "a.txt"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)

	require.NoError(t, os.Chtimes(filepath.Join(dir, "a.txt"), time.Now(), time.Now().Add(time.Hour)))
	same, err := OpenDir(dir)
	require.NoError(t, err)
	require.Equal(t, d.SHA256, same.SHA256, "times do not count")
	calls = 0
	require.NoError(t, PutDir(t.Context(), c, p, same, s.Home+"/second", progress))
	require.Zero(t, calls, "the host has it")
	require.FileExists(t, s.Home+"/second/a.txt")

	err = PutDir(t.Context(), c, p, same, "/dev/null/x", nil)
	var script *ScriptError
	require.ErrorAs(t, err, &script)
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

func FuzzProbe(f *testing.F) {
	f.Add("Linux\nx86_64\n0\n/root\n\nabc /root/.cache/tlaunch")
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
