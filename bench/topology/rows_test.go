package topology

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// Rows that need neither root nor Open MPI, between three processes: what the lines of JSON and the table say.
func TestRows(t *testing.T) {
	var out bytes.Buffer
	var errs output.Buffer // several processes write to it
	args := "-local -hosts 3 -rounds 1 -sizes 24KiB -json -rows all-reduce,auto,killed,slow,publish,memory"
	require.Zero(t, Command(t.Context(), strings.Fields(args), nil, &out, &errs), &errs)
	rows := map[string]int{}
	for d := json.NewDecoder(&out); d.More(); {
		var p promise
		require.NoError(t, d.Decode(&p))
		require.Equal(t, "topology", p.Bench)
		require.Positive(t, p.Target)
		require.Equal(t, p.Value <= p.Target, p.Met)
		require.NotEmpty(t, p.Case)
		require.NotEmpty(t, p.Note)
		rows[p.Row]++
		require.Contains(t, errs.String(), p.Case)
	}
	require.Equal(t, map[string]int{"all-reduce": 2, "auto": 2, "killed": 1, "slow": 1, "publish": 2, "memory": 1}, rows)
	require.Contains(t, errs.String(), "machine: ")
}

func TestRowsAreKnown(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, tlaunch.StatusUsage, Command(t.Context(), []string{"-rows", "weather"}, nil, &out, &out))
	require.Contains(t, out.String(), "-rows weather: of all, broadcast, all-reduce")
	c, err := parse(strings.Fields("-rows all -hosts 4"), &out)
	require.NoError(t, err)
	require.Equal(t, rowNames(), c.rows)
	s := &survey{cfg: c}
	at := s.at(narrow, []string{"gather"}, []string{"auto"}, nil)
	require.Equal(t, "gather of 64 MiB, 4 hosts, links of 250mbit, TLS", at.what("gather"), "what the command line says goes before what the row does")
}

func TestTenthOfARate(t *testing.T) {
	for rate, want := range map[string]string{"1gbit": "100mbit", "250mbit": "25000kbit", "2.5gbit": "250mbit"} {
		tenth, err := tenthOf(rate)
		require.NoError(t, err)
		require.Equal(t, want, tenth)
	}
	for _, rate := range []string{"gbit", "125mbps", ""} {
		_, err := tenthOf(rate)
		require.Error(t, err, rate)
	}
}

// Two readers: one has every version that is finished, the other is three behind when it has read its first.
func TestLags(t *testing.T) {
	all := []finding{
		{Rank: 0},
		{Rank: 1, Reads: []read{{1, 10}, {3, 20}, {4, 30}, {8, 40}}},
		{Rank: 2, Reads: []read{{1, 15}, {8, 50}}},
	}
	finished, behind := lags(all)
	require.Equal(t, 4, finished)
	require.Equal(t, 3, behind)
	finished, behind = lags(all[:1])
	require.Zero(t, finished)
	require.Zero(t, behind)
}

// The worst cell is what counts, and those from 1 MiB up are promised more.
func TestJudge(t *testing.T) {
	var said []promise
	s := &survey{say: func(p promise) error { said = append(said, p); return nil }}
	require.NoError(t, s.judge([]cell{{"a", 1.05, 1.9, false}, {"b", 1.3, 1.2, true}, {"c", 1, 1.1, true}}))
	require.Len(t, said, 3)
	require.Equal(t, []any{1.3, false, "2 of 3 cells as promised, the median 1.05; the worst: b"}, []any{said[0].Value, said[0].Met, said[0].Note})
	require.Equal(t, []any{1.2, true}, []any{said[1].Value, said[1].Met})
	require.Equal(t, []any{1.9, 2.0, true}, []any{said[2].Value, said[2].Target, said[2].Met})
	said = nil
	require.NoError(t, s.judge(nil))
	require.Empty(t, said)
}

// Of several rounds the slowest member counts in each, and the median of these.
func TestSlowest(t *testing.T) {
	all := []finding{{Rank: 0, Seconds: []float64{9, 9, 9}}, {Rank: 1, Seconds: []float64{1, 2, 3}}, {Rank: 2, Seconds: []float64{2, 1, 1}}}
	require.Equal(t, 2.0, slowest(all, func(f finding) bool { return f.Rank > 0 }))
	require.Equal(t, 9.0, slowest(all, func(finding) bool { return true }))
}
