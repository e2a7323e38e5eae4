package transmit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckNamesTheTable(t *testing.T) {
	for want, c := range map[string]Config{
		"":                             {Tables: append(RLTables(3), Table{Name: "x"}, Queue("q", 1), Stack("s", 2))},
		`table "": its name must be`:   {Tables: []Table{{}}},
		`two tables are called "a"`:    {Tables: []Table{{Name: "a"}, {Name: "a"}}},
		`two columns are called "c"`:   {Tables: []Table{{Name: "a", Columns: []Column{{"c", Bool, nil}, {"c", Bool, nil}}}}},
		`column "c" has no type`:       {Tables: []Table{{Name: "a", Columns: []Column{{"c", 0, nil}}}}},
		`has a dimension of -2`:        {Tables: []Table{{Name: "a", Columns: []Column{{"c", Bool, []int{-2}}}}}},
		`table "a": the limiter waits`: {Tables: []Table{{Name: "a", Limiter: MinSize(10), MaxItems: 9}}},
		`an exponent of -1`:            {Tables: []Table{{Name: "a", Sampler: Prioritised(-1)}}},
		`table "id": the limiter`:      {Tables: RLTables(0)[1:]},
		`Dir is "run/data"`:            {Checkpoints: Checkpoints{Dir: "run/data"}},
		`Keep is negative`:             {Checkpoints: Checkpoints{Keep: -1}},
	} {
		t.Run(want, func(t *testing.T) {
			if err := NewNode(c).Check(); want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
				require.Error(t, NewNode(c).Start(t.Context()))
			}
		})
	}
}

func TestRLTablesPassValues(t *testing.T) {
	ctx := patient(t)
	ref := started(t, Config{Tables: RLTables(2)})
	for i := range int64(2) {
		_, err := Insert(ctx, ref, "id", number(i), 1)
		require.NoError(t, err)
	}
	seen := map[int64]bool{}
	for range 2 {
		it, err := Sample(ctx, ref, "id")
		require.NoError(t, err)
		seen[numbers(t, it)[0]] = true
	}
	require.Len(t, seen, 2, "each id is given out once")
	for _, name := range []string{"weight_0", "weight_1", "replay_buffer_0", "replay_buffer_1", "sync_signal"} {
		_, err := Insert(ctx, ref, name, number(7), 1)
		require.NoError(t, err)
		_, err = Sample(ctx, ref, name)
		require.NoError(t, err)
	}
}
