package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// filled is a table of n items without limits, with priorities 0, 1, 2, 3, 0 …
func filled(s Selector, n int, payload []byte) (*Table, *Store) {
	store := &Store{}
	stream := NewStream(store, 0)
	t := New(Config{Sampler: s, Limiter: MinSize(1), MaxItems: n}, store, rand.NewPCG(42, 7))
	for i := range uint64(n) {
		stream.Append(store.Put(payload))
		t.Insert(stream, i, 1, float64(i%4))
		stream.Forget(i + 1)
	}
	return t, store
}

// Pearson's chi-square: the sum over all items of (observed - expected)²/expected is about normal with mean d and
// variance 2d for d degrees of freedom, as d is large. The seeds are fixed, so the test says the same each time.
func TestSamplesAreDistributedAsPromised(t *testing.T) {
	for _, s := range []Selector{{Kind: Uniform}, {Prioritised, 0}, {Prioritised, 0.5}, {Prioritised, 1}, {Prioritised, 3}} {
		for _, items := range []int{1, 2, 16, 17, 300, 5000} {
			t.Run(fmt.Sprint(s, items), func(t *testing.T) {
				table, _ := filled(s, items, []byte("x"))
				// Some go and some come, so that slots are in another order, and some change.
				stream := NewStream(table.store, 0)
				stream.Append(table.store.Put([]byte("y")))
				for slot := range uint32(items) {
					if it := table.items.at(slot); slot%3 == 1 {
						table.Delete(keyOf(slot, it))
						table.Insert(stream, 0, 1, float64(slot%5))
					} else if slot%7 == 2 {
						require.True(t, table.Update(keyOf(slot, it), 2.5))
					}
				}
				expected, total := map[Key]float64{}, 0.0
				for it := range table.Snapshot().Items() {
					w := 1.0
					if s.Kind == Prioritised {
						w = math.Pow(it.Priority, s.Exponent)
					}
					expected[it.Key] = w
					total += w
				}
				if total == 0 { // then all are alike
					for k := range expected {
						expected[k] = 1
					}
					total = float64(len(expected))
				}
				draws := 40 * items
				observed := map[Key]int{}
				for range draws {
					observed[table.Sample(new([][]byte)).Key]++
				}
				chi, freedom := 0.0, -1.0
				for k, w := range expected {
					if w == 0 {
						require.Zero(t, observed[k], "an item without weight was sampled")
						continue
					}
					e := w / total * float64(draws)
					chi += (float64(observed[k]) - e) * (float64(observed[k]) - e) / e
					freedom++
				}
				require.LessOrEqual(t, math.Abs(chi-freedom), 4.5*math.Sqrt(2*freedom)+3)
			})
		}
	}
}

// A remover that selects at random is held to the same.
func TestRandomRemoversAreDistributedAsPromised(t *testing.T) {
	const rounds, items = 4000, 8
	observed := map[float64]int{}
	for round := range uint64(rounds) {
		store := &Store{}
		stream := NewStream(store, 0)
		stream.Append(store.Put([]byte("x")))
		table := New(Config{Remover: Selector{Prioritised, 1}, Limiter: MinSize(1), MaxItems: items}, store, rand.NewPCG(round, 9))
		for i := range items + 1 {
			table.Insert(stream, 0, 1, float64(i))
		}
		left := map[float64]bool{}
		for it := range table.Snapshot().Items() {
			left[it.Priority] = true
		}
		for i := range items {
			if !left[float64(i)] {
				observed[float64(i)]++
			}
		}
	}
	chi := 0.0
	for i := range items {
		e := float64(i) / 28 * rounds
		if i == 0 {
			require.Zero(t, observed[0])
			continue
		}
		chi += (float64(observed[float64(i)]) - e) * (float64(observed[float64(i)]) - e) / e
	}
	require.Less(t, chi, 22.5) // 6 degrees of freedom, one in a thousand
}
