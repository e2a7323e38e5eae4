package mailbox

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
)

// Every case runs, with processes of its own, and nothing is lost on the way.
func TestAllCasesRun(t *testing.T) {
	var out, errs bytes.Buffer
	profiles := t.TempDir()
	status := Command(t.Context(), []string{"-rounds", "1", "-duration", "5ms", "-json", "-cases", cases, "-profiles", profiles}, strings.NewReader(""), &out, &errs)
	require.Zero(t, status, errs.String())
	var seen []string
	for in := json.NewDecoder(&out); ; {
		var r row
		err := in.Decode(&r)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Positive(t, r.Value)
		require.Positive(t, r.PeerValue)
		require.Positive(t, r.Ratio)
		seen = append(seen, contest{kind: r.Case, size: r.Size, tls: r.TLS}.name()+r.Figure)
	}
	cfg, err := parse([]string{"-cases", cases}, &errs)
	require.NoError(t, err)
	var want []string
	for _, k := range cfg.cases {
		for _, t := range k.targets {
			want = append(want, k.name()+t.figure)
		}
	}
	require.Equal(t, want, seen)
	require.Contains(t, errs.String(), "machine: ")
	files, err := filepath.Glob(filepath.Join(profiles, "*.pprof"))
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(profiles, "tls-payload-65536-receives.pprof"))
}

func TestAProcessWithoutAnAssignmentFails(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "the assignment",
		`{"Who":"nobody"}`:           `"nobody" is no contestant`,
		`{"Who":"tcp","Address":""}`: "",
	} {
		var out, errs bytes.Buffer
		require.Equal(t, tlaunch.StatusFailed, Command(t.Context(), []string{childCommand}, strings.NewReader(in), &out, &errs))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), want)
	}
}
