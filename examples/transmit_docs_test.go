package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransmitProgramRuns(t *testing.T) {
	page := read(t, "../docs/transmit.md")
	text := block(t, page, "go\npackage main")
	require.Less(t, strings.Count(text, "\n"), 100)
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte("package main\n"+text), 0o600))
	program := build(t, source)
	for _, launch := range []string{"inproc", "procs"} {
		out, err := exec.CommandContext(t.Context(), program, "-launch", launch).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "learned batches=40")
	}
	for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
		require.FileExists(t, filepath.Join("../docs", found[1]))
	}
}
