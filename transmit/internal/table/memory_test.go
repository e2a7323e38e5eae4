package table

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What an item costs beyond its payload is the same for a hundred thousand as for a million: everything grows by pages.
func TestItemsCostLessThanAHundredBytesBeyondTheirPayloads(t *testing.T) {
	const items, size = 40_000, 200
	for _, s := range []Selector{{Kind: FIFO}, {Kind: Uniform}, {Prioritised, 0.6}, {Kind: MaxHeap}} {
		before := heapInUse()
		table, store := filled(s, items, make([]byte, size))
		each := float64(heapInUse()-before)/items - size
		t.Logf("%v: %.1f bytes an item", s, each)
		require.Less(t, each, 85.0)
		runtime.KeepAlive(table)
		runtime.KeepAlive(store)
	}
}

// Where items go at random, what they leave behind is used again.
func TestHolesAreFilled(t *testing.T) {
	store := &Store{}
	r := rand.New(rand.NewPCG(5, 5))
	var ids []uint32
	for range 8_000 {
		ids = append(ids, store.Put(make([]byte, 1000)))
	}
	for range 12_000 {
		i := r.IntN(len(ids))
		store.Unref(ids[i])
		ids[i] = store.Put(make([]byte, 500+r.IntN(1000)))
	}
	require.LessOrEqual(t, store.held, store.Bytes()+store.Bytes()/16+6*SlabSize)
}

func benchmarkSample(b *testing.B, s Selector) {
	table, _ := filled(s, 1_000_000, []byte("payload"))
	b.ResetTimer()
	for b.Loop() {
		table.Sample(new([][]byte))
	}
}

func BenchmarkSampleUniform(b *testing.B)     { benchmarkSample(b, Selector{Kind: Uniform}) }
func BenchmarkSamplePrioritised(b *testing.B) { benchmarkSample(b, Selector{Prioritised, 0.6}) }
func BenchmarkInsertPrioritised(b *testing.B) {
	store := &Store{}
	stream := NewStream(store, 0)
	t := New(Config{Sampler: Selector{Prioritised, 0.6}, Limiter: MinSize(1), MaxItems: 1_000_000}, store, rand.NewPCG(42, 7))
	payload := make([]byte, 1024)
	for i := uint64(0); b.Loop(); i++ {
		stream.Append(store.Put(payload))
		t.Insert(stream, i, 1, float64(i%4))
		stream.Forget(i + 1)
	}
}
