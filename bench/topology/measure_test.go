package topology

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"x", "is no flag"},
		{"-hosts 1", "at least 2"},
		{"-hosts 4,x", "at least 2"},
		{"-peers nccl", "openmpi-default, openmpi-best, gloo"},
		{"-rounds 0", "at least 1"},
		{"-ops shout", "all-to-all, barrier, broadcast"},
		{"-algorithms wave", "chain, direct, doubletree"},
		{"-sizes 7", "multiple of 8"},
		{"-sizes 1TiB", "multiple of 8"},
		{"-local -inventory f", "give one"},
	} {
		var out bytes.Buffer
		require.Equal(t, tlaunch.StatusUsage, Command(t.Context(), strings.Fields(c.args), nil, &out, &out), c.args)
		require.Contains(t, out.String(), c.want)
	}
	var out bytes.Buffer
	require.Zero(t, Command(t.Context(), []string{"-help"}, nil, &out, &out))
	c, err := parse(strings.Fields("-sizes 1KiB,2MiB,16 -algorithms Chain,ring -ops barrier"), &out)
	require.NoError(t, err)
	require.Equal(t, programConfig{Operations: []string{"barrier"}, Algorithms: []string{"chain", "ring"}, Sizes: []int{1024, 2 << 20, 16}, Rounds: 5}, c.program)
}

// Every operation between three processes: what the table and the lines of JSON say.
func TestMeasure(t *testing.T) {
	var out, errs bytes.Buffer
	plot := filepath.Join(t.TempDir(), "times.svg")
	args := "-local -hosts 3 -rounds 1 -sizes 24KiB -algorithms ring,auto -peers none -explain -json -plot " + plot + " -ops " + strings.Join(operationNames(), ",")
	require.Zero(t, Command(t.Context(), strings.Fields(args), nil, &out, &errs), &errs)
	d := json.NewDecoder(&out)
	for _, name := range operationNames() {
		for _, algorithm := range []string{"ring", "auto"} {
			var r row
			require.NoError(t, d.Decode(&r))
			require.Equal(t, name, r.Operation)
			require.Equal(t, algorithm, r.Algorithm)
			require.Equal(t, 3, r.Hosts)
			require.Zero(t, r.Wrong)
			require.Positive(t, r.Seconds)
			require.Positive(t, r.Expected)
			require.Positive(t, r.Goodput)
			require.Equal(t, name != "barrier", r.Bound > 0)
			require.Equal(t, algorithm == "auto", r.Taken != "")
			require.Equal(t, algorithm == "auto", r.Best > 0)
			require.Contains(t, errs.String(), "\n"+name)
		}
	}
	require.Contains(t, errs.String(), "AllReduce of 24 KiB, 3 members on 3 hosts: ")
	drawn, err := os.ReadFile(plot)
	require.NoError(t, err)
	require.Contains(t, string(drawn), "broadcast, 3 hosts")
}

// Without TLS all is as with it; and a chain of bare connections does what ours does.
func TestBare(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, Command(t.Context(), strings.Fields("-local -hosts 3 -rounds 1 -sizes 24KiB -algorithms auto,bare-chain -peers none -json -tls=false"), nil, &out, &errs), &errs)
	d := json.NewDecoder(&out)
	for _, want := range []string{"broadcast auto", "broadcast bare-chain", "all-reduce auto"} {
		var r row
		require.NoError(t, d.Decode(&r))
		require.False(t, r.TLS)
		require.Zero(t, r.Wrong)
		require.Equal(t, want, r.Operation+" "+r.Algorithm)
	}
	require.False(t, d.More())
	require.Contains(t, errs.String(), "ours without TLS")
}

// Peers stand beside ours in the table, in the lines of JSON and in the picture.
func TestReport(t *testing.T) {
	r := report{cfg: config{counts: []int{2, 4}, program: programConfig{Operations: []string{"broadcast"}, Sizes: []int{1 << 20, 8 << 20}, Rounds: 3}}}
	for _, n := range r.cfg.counts {
		b := bout{where: "here", hosts: n, rate: "1gbit"}
		for _, size := range r.cfg.program.Sizes {
			s := float64(size) / 100e6
			b.outcomes = append(b.outcomes,
				outcome{Operation: "broadcast", Algorithm: "auto", Size: size, Seconds: []float64{2 * s, 1.2 * s, s}, Processors: []float64{s, s, 3 * s}, Goodput: 100e6, Taken: "chain", Expected: s},
				outcome{Operation: "broadcast", Algorithm: "direct", Size: size, Seconds: []float64{3 * s, 4 * s, 5 * s}, Processors: []float64{s, s, s}, Goodput: 100e6, Busy: 0.5})
			b.feats = append(b.feats, feat{Peer: mpiBest, Operation: "broadcast", Size: size, How: "pipeline", Command: fmt.Sprint("mpirun x ", size), Seconds: []float64{s, 2 * s, 3 * s}, Processors: []float64{s, s, s}})
		}
		r.bouts = append(r.bouts, b)
	}
	var out strings.Builder
	require.NoError(t, r.writeJSON(&out))
	var one row
	require.NoError(t, json.NewDecoder(strings.NewReader(out.String())).Decode(&one))
	require.Equal(t, []any{"auto", mpiBest, "pipeline", 1.2, 0.3, 2, 1 << 20}, []any{one.Algorithm, one.Peer, one.PeerTaken, one.Ratio, one.Best, one.Hosts, one.Size})
	require.InDelta(t, 100e6/1.2, one.Bus, 1)
	require.InDelta(t, float64(1<<30)/100e6, one.PerGiB, 1e-3)
	require.Equal(t, 8, strings.Count(out.String(), "\n"))
	out.Reset()
	require.NoError(t, r.writeTable(&out))
	require.Contains(t, out.String(), "1.05: not met")
	require.Contains(t, out.String(), "openmpi-best, broadcast of 8388608 bytes: mpirun x 8388608")
	svg := r.draw()
	for _, text := range []string{"broadcast, 4 hosts", "broadcast of 8 MiB", ">star (direct)<", ">openmpi-best<", ">bound<", ">hosts<", ">1 MiB<"} {
		require.Contains(t, svg, text)
	}
}

// A picture that cannot be written is no reason to keep what was measured to oneself.
func TestPlotNowhere(t *testing.T) {
	var out, errs bytes.Buffer
	args := "-local -hosts 2 -rounds 1 -sizes 8 -ops barrier -algorithms tree -peers none -plot " + filepath.Join(t.TempDir(), "no", "times.svg")
	require.Equal(t, tlaunch.StatusFailed, Command(t.Context(), strings.Fields(args), nil, &out, &errs))
	require.Contains(t, out.String(), "\nbarrier")
	require.Contains(t, errs.String(), "times.svg")
}

// Each way of Open MPI is tried once, those that cut data into segments with each size of these that is smaller than the data.
func TestSweep(t *testing.T) {
	require.Len(t, waysOf("broadcast", 64<<20), 3+6*5)
	require.Len(t, waysOf("broadcast", 1<<10), 3+6)
	for _, name := range operationNames() {
		require.NotEmpty(t, waysOf(name, 1<<20), name)
	}
	w := waysOf("all-reduce", 1<<20)[5]
	require.Equal(t, "segmented ring, segments of 64 KiB", w.name)
	require.Equal(t, "--mca coll_tuned_use_dynamic_rules 1 --mca coll_tuned_allreduce_algorithm 5 --mca coll_tuned_allreduce_algorithm_segmentsize 65536", strings.Join(w.args, " "))
}

// A command that takes too long is ended, and the error of one that fails has what it complained of.
func TestRun(t *testing.T) {
	out, err := run(t.Context(), time.Minute, []byte("words"), "cat")
	require.NoError(t, err)
	require.Equal(t, "words", string(out))
	_, err = run(t.Context(), time.Minute, nil, "sh", "-c", "echo no good >&2; exit 3")
	var status *exec.ExitError
	require.ErrorAs(t, err, &status)
	require.Contains(t, err.Error(), "no good")
	_, err = run(t.Context(), time.Millisecond, nil, "sleep", "600")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A result that is not what it should be is found: one number of it that is another, or that of another round.
func TestWrong(t *testing.T) {
	for name, op := range operations {
		if op.want == nil {
			continue
		}
		c := check{round: 3, rank: 1, members: 4, size: 24}
		result := make([]float32, c.size)
		for i := range result {
			result[i] = op.want(c, i)
		}
		require.False(t, op.wrong(c, result), name)
		result[17]++
		require.True(t, op.wrong(c, result), name)
		result[17]--
		c.round++
		require.True(t, op.wrong(c, result), name)
	}
}
