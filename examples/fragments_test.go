package examples

import (
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	marker  = regexp.MustCompile(`(?m)^[ \t]*// fragment: (.*)\n`)
)

// frameOf is the name of a page among all: its own in docs, elsewhere with its folder in front, as several are called README.
func frameOf(page string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(page, "../"), "docs/"), ".md"), "/", "-")
}

// Go on the pages compiles and is formatted. A block is a program, or a fragment: what surrounds it is in testdata/pages, in a
// file named as the page (frameOf), where the line "// fragment: …" with the fragment's first line stands in its place.
func TestGoOnPagesCompiles(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	here, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	written := t.TempDir()
	add := func(name, source string) {
		file := filepath.Join(written, name+".go")
		require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
		overlay.Replace[filepath.Join(root, "examples", "pages", name, name+".go")] = file // as if it were there
	}
	frames := 0
	for _, page := range append(append(pages, here...), "../README.md") {
		name := frameOf(page)
		fragments := map[string]string{}
		for i, found := range goBlock.FindAllStringSubmatch(read(t, page), -1) {
			source := found[1]
			formatted, err := format.Source([]byte(source))
			require.NoError(t, err, "%s: block %d: %s", page, i, source)
			require.Equal(t, string(formatted), source, "%s: gofmt", page)
			if strings.HasPrefix(source, "package main\n") {
				add(fmt.Sprintf("%s%d", name, i), source)
				continue
			}
			first, _, _ := strings.Cut(source, "\n")
			require.NotContains(t, fragments, first, "%s has two blocks that begin so", page)
			fragments[first] = source
		}
		if len(fragments) == 0 {
			continue
		}
		frames++
		frame := read(t, "testdata/pages/"+name+".go")
		add(name, marker.ReplaceAllStringFunc(frame, func(line string) string {
			first := marker.FindStringSubmatch(line)[1]
			require.Contains(t, fragments, first, "%s has no such block, or it is twice in testdata", page)
			defer delete(fragments, first)
			return fragments[first]
		}))
		require.Empty(t, fragments, "testdata/pages/%s.go should have lines for these, with what they need around them", name)
	}
	all, err := filepath.Glob("testdata/pages/*.go")
	require.NoError(t, err)
	require.Len(t, all, frames, "a file in testdata/pages has no page with fragments")
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	file := filepath.Join(written, "overlay.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-tags", "hosts", "-overlay", file, "./pages/...").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
