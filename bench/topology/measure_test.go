package topology

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"x", "is no flag"},
		{"-hosts 1", "at least 2"},
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
	require.Equal(t, programConfig{[]string{"barrier"}, []string{"chain", "ring"}, []int{1024, 2 << 20, 16}, 0, 5, ""}, c.program)
}

// Every operation between three processes: what the table and the lines of JSON say.
func TestMeasure(t *testing.T) {
	var out, errs bytes.Buffer
	args := "-local -hosts 3 -rounds 1 -sizes 24KiB -algorithms ring -json -ops " + strings.Join(operationNames(), ",")
	require.Zero(t, Command(t.Context(), strings.Fields(args), nil, &out, &errs), &errs)
	d := json.NewDecoder(&out)
	for _, name := range operationNames() {
		var r row
		require.NoError(t, d.Decode(&r))
		require.Equal(t, name, r.Operation)
		require.Equal(t, "ring", r.Algorithm)
		require.Equal(t, 3, r.Hosts)
		require.Zero(t, r.Wrong)
		require.Positive(t, r.Seconds)
		require.Positive(t, r.Goodput)
		require.Equal(t, name != "barrier", r.Bound > 0)
		require.Contains(t, errs.String(), "\n"+name)
	}
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
