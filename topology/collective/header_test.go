package collective

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	h := header{kind: kindData, flags: flagLast, from: 3, seq: 1 << 40, stream: 7, index: 9, instance: 5,
		sig: signature{op: opReduce, algo: Ring, elem: elemFloat32, big: true, root: 2, size: 1 << 33, chunk: 64, reduce: 77, members: 4}}
	for _, k := range []kind{kindData, kindGrant, kindAbort} {
		h.kind, h.credit = k, 99
		b := make([]byte, headerSize, headerSize+1)
		h.put(b)
		f.Add(append(b, 'x'), 4)
	}
	f.Add([]byte("short"), 4)
	f.Fuzz(func(t *testing.T, b []byte, members int) {
		if members < 1 || members > 1<<20 {
			return
		}
		h, payload, err := parse(b, members)
		if err != nil {
			require.ErrorIs(t, err, errMessage)
			return
		}
		require.Less(t, h.from, members)
		require.Equal(t, b[headerSize:], payload)
		again := make([]byte, headerSize)
		h.put(again)
		h2, _, err := parse(again, members)
		require.NoError(t, err)
		require.Equal(t, h, h2)
		require.NotEmpty(t, h.sig.text())
	})
}

func TestNames(t *testing.T) {
	require.Equal(t, "Barrier", opBarrier.String())
	require.Equal(t, "Direct", Direct.String())
	require.Equal(t, "float64", elemFloat64.String())
	for _, unknown := range []string{opKind(200).String(), Algorithm(200).String(), elemKind(200).String()} {
		require.NotEmpty(t, unknown)
	}
}

// In a double tree each member has others below it in one of the two at most.
func TestDoubleTree(t *testing.T) {
	for n := 1; n <= 40; n++ {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		trees := doubleTree(order)
		for _, tr := range trees {
			require.Len(t, tr.order, n)
			require.Len(t, tr.below(0), n)
		}
		for i := 1; i < n; i++ {
			require.True(t, len(trees[0].children[i]) == 0 || len(trees[1].children[i]) == 0, "%d of %d", i, n)
			require.LessOrEqual(t, len(trees[0].children[i]), 2)
			require.LessOrEqual(t, len(trees[1].children[i]), 2)
		}
	}
}
