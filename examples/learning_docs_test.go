package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLearningProgramRuns(t *testing.T) {
	page := read(t, "../docs/learning.md")
	text := "package main" + block(t, page, "go\npackage main")
	require.Less(t, strings.Count(text, "\n"), 100)
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o600))
	program := build(t, source)
	for _, launch := range []string{"inproc", "procs"} {
		out, err := exec.CommandContext(t.Context(), program, "-launch", launch).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "learned left=")
	}
	for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
		_, err := os.Stat(filepath.Join("../docs", found[1]))
		require.NoError(t, err, found[0])
	}
}
