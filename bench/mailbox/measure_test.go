package mailbox

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// Every case runs, with processes of its own, and nothing is lost on the way.
func TestAllCasesRun(t *testing.T) {
	cases := raced
	if cases == "" {
		cases = strings.Join(caseNames(slices.DeleteFunc(slices.Clone(contests), contest.onHosts)), ",")
	}
	var out bytes.Buffer
	var errs output.Buffer // several processes write to it
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

// A large value comes whole, beside pings; here over loopback, and small.
func TestTransfer(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := figures.ReadMemory(false)
		require.Error(t, err, "it is measured there only")
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	k := contest{transfer, 5 << 20, false, bound, microseconds, []target{{p99, 1, true}, {growth, 1, true}}}
	b, err := newBout(k, config{rounds: 1, duration: time.Millisecond}, exe, io.Discard)
	require.NoError(t, err)
	sent, _, err := b.meet(t.Context(), ours)
	require.NoError(t, err)
	require.Positive(t, sent.Figures[p99])
	require.Greater(t, sent.Figures[growth], float64(5<<20))
	promised, _, err := b.meet(t.Context(), bound)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{p99: 8000, growth: 13 << 20}, promised.Figures)
}

// What was promised for a length goes on for as long, once, unless somebody has said how long and how often.
func TestLongContests(t *testing.T) {
	for _, full := range []bool{true, false} {
		cfg := config{rounds: 5, duration: time.Second, full: full}
		for _, k := range contests {
			first, last, d := k.schedule(cfg)
			if full && k.kind == slowConsumer {
				require.Equal(t, []any{1, 1, time.Minute}, []any{first, last, d})
			} else {
				require.Equal(t, []any{0, 5, time.Second}, []any{first, last, d})
			}
		}
	}
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
