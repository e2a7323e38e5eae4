package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// block is what a page has between a line and the next ``` line.
func block(t *testing.T, page, first string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n```"+first)
	require.True(t, ok, "no such block: %q", first)
	text, _, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok)
	return strings.TrimPrefix(text, "\n") + "\n"
}

// build makes a program, without what debuggers read: linking that is a third of the work.
func build(t *testing.T, what string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", program, what).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func TestReadmeProgramRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(block(t, read(t, "../README.md"), "go")), 0o600))
	out, err := exec.CommandContext(t.Context(), build(t, source)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "sum total=135") // three workers: 0 + 1 + … + 9
}

func TestProgramForThoseWhoComeFromLaunchpadRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(block(t, read(t, "../docs/others.md"), "go")), 0o600))
	out, err := exec.CommandContext(t.Context(), build(t, source)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `results="[0 1 2 3]"`)
}

func TestProgramOfGroupsRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(block(t, read(t, "../docs/groups.md"), "go")), 0o600))
	out, err := exec.CommandContext(t.Context(), build(t, source), "-launch", "procs").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "fitted slope=2 offset=1 above=19")
}

func TestGuideProgramOfPoliciesRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	program := "package main" + block(t, read(t, "../docs/guide.md"), "go\npackage main")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), build(t, source)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "done try=3")
	require.Contains(t, string(out), "node worker/0 on host2 failed; starting it again in ")
}

func TestObserveProgramRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	program := "package main" + block(t, read(t, "../docs/observe.md"), "go\npackage main")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), build(t, source)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `tlaunch_node_messages_total{node="exporter/0"} 10`)
}

// What docs/observe.md shows of traces is what ExampleTraced runs.
func TestObserveShowsTheExampleOfTraces(t *testing.T) {
	require.Contains(t, read(t, "../example_traced_test.go"), block(t, read(t, "../docs/observe.md"), "go\n// setUp")[1:])
}

func TestGuideListsFlags(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t, "./star"), "-help")
	cmd.Args[0] = "star"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, string(out), "Usage of star:\n"+block(t, read(t, "../docs/guide.md"), "\nUsage of star:"),
		"docs/guide.md should have what `go run ./examples/star -help` prints")
}

// The pictures of the pages are what -plot draws.
func TestPlots(t *testing.T) {
	for _, name := range []string{"star", "tree", "net", "weights"} {
		drawn := filepath.Join(t.TempDir(), name+".svg")
		out, err := exec.CommandContext(t.Context(), build(t, "./"+name), "-plot", drawn).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, read(t, "../docs/images/"+name+"-plot.svg"), read(t, drawn))
	}
}

func TestGuideHasPolicy(t *testing.T) {
	policy := read(t, "../cluster/consul-policy.hcl")
	require.Contains(t, read(t, "../docs/guide.md"), "\n```\n"+policy+"```\n")
}

var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

var fence = regexp.MustCompile("(?s)```.*?```")

var link = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchors are the names by which a page's headings are linked to.
func anchors(page string) (all []string) {
	for _, found := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, found[1])
		all = append(all, "#"+name)
	}
	return all
}

// Links within the repository lead somewhere, to a heading where they name one.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	docs, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	for _, page := range slices.Concat(pages, docs, []string{"README.md", "../README.md", "../remote/WIRE.md"}) {
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			_, err = os.Stat(target)
			require.NoError(t, err, page)
			if found[2] != "" {
				require.Contains(t, anchors(read(t, target)), found[2], "%s links to %s", page, target)
			}
		}
	}
}
