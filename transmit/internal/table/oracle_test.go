package table_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/tartrl/tlaunch-go/transmit/internal/table" // the oracle imports it
	"github.com/tartrl/tlaunch-go/transmit/internal/table/oracle"
)

// player does the same to a table and to its oracle.
type player struct {
	t      *testing.T
	next   func(n int) int // a choice of [0, n)
	store  *Store
	table  *Table
	oracle *oracle.Table
	stream *Stream
	steps  map[uint64]string
	seed   uint64
}

func newPlayer(t *testing.T, c Config, seed uint64, next func(int) int) *player {
	require.NoError(t, c.Validate())
	s := &Store{}
	return &player{
		t: t, next: next, store: s, table: New(c, s, rand.NewPCG(seed, 1)), oracle: &oracle.Table{Config: c},
		stream: NewStream(s, 7), steps: map[uint64]string{}, seed: seed,
	}
}

func (p *player) priority() float64 { return []float64{0, 0.5, 1, 1, 2, 3, 10}[p.next(7)] }

func (p *player) key() Key {
	if len(p.oracle.Items) == 0 || p.next(5) == 0 {
		if len(p.oracle.Gone) > 0 && p.next(2) == 0 {
			return p.oracle.Gone[p.next(len(p.oracle.Gone))]
		}
		return Key(p.next(1 << 20))
	}
	return p.oracle.Items[p.next(len(p.oracle.Items))].Key
}

func (p *player) append() {
	n := p.stream.Next()
	b := fmt.Sprintf("%d:", n)
	size := p.next(40)
	if p.next(50) == 0 {
		size = SlabSize/4 + p.next(100)
	}
	b += strings.Repeat("x", max(size-len(b), 0))
	p.steps[n] = b
	if p.next(4) == 0 {
		p.stream.Append(p.store.PutShared([]byte("tag"+b+"end"), []Span{{3, uint32(len(b))}})[0])
		return
	}
	p.stream.Append(p.store.Put([]byte(b)))
}

func (p *player) insert() {
	held := int(p.stream.Next() - p.stream.Base())
	if held == 0 {
		return
	}
	count := 1 + p.next(min(held, 4))
	first := p.stream.Next() - uint64(count) - uint64(p.next(held-count+1))
	priority := p.priority()
	if err := p.table.Check(p.stream, first, uint64(count), priority); err != nil {
		require.ErrorIs(p.t, err, ErrTooLarge)
		return
	}
	require.Equal(p.t, p.oracle.MayInsert(), p.table.MayInsert())
	if !p.table.MayInsert() {
		return
	}
	it := &oracle.Item{Key: p.table.Insert(p.stream, first, uint64(count), priority), Priority: priority}
	for i := range count {
		it.Steps = append(it.Steps, p.steps[first+uint64(i)])
	}
	var there []Key
	for it := range p.table.Snapshot().Items() {
		there = append(there, it.Key)
	}
	require.NoError(p.t, p.oracle.Insert(it, there))
}

func (p *player) sample() {
	may := p.oracle.MaySample()
	require.Equal(p.t, may, p.table.MaySample())
	if may {
		require.NoError(p.t, p.oracle.Sample(p.table.Sample(new([][]byte))))
	}
}

func (p *player) update() {
	k, priority := p.key(), p.priority()
	require.Equal(p.t, p.oracle.Update(k, priority), p.table.Update(k, priority))
}

func (p *player) delete() {
	k := p.key()
	require.Equal(p.t, p.oracle.Delete(k), p.table.Delete(k))
}

// restore goes on with a table and a store that were made of snapshots.
func (p *player) restore() {
	tables, payloads := p.table.Snapshot(), p.store.Snapshot()
	for range p.next(5) { // none of which is in the snapshots
		p.table.Insert(p.stream, p.stream.Next()-1, 1, 1)
		p.append()
	}
	store, renamed := &Store{}, map[uint32]uint32{}
	for id, b := range payloads.Payloads() {
		renamed[id] = store.Put(b)
	}
	table := New(p.table.Config, store, rand.NewPCG(p.seed, 2))
	r := NewRestorer(table, Snapshot{Counts: tables.Counts, Generation: tables.Generation})
	n := 0
	for it := range tables.Items() {
		n++
		for i, id := range it.Payloads {
			it.Payloads[i] = renamed[id]
		}
		require.NoError(p.t, r.Add(it))
	}
	require.Equal(p.t, tables.Len(), n)
	require.NoError(p.t, r.Close())
	for _, id := range renamed {
		store.Unref(id)
	}
	p.store, p.table, p.stream = store, table, NewStream(store, p.stream.Next()+3)
}

func (p *player) compare() {
	require.Equal(p.t, len(p.oracle.Items), p.table.Len())
	require.Equal(p.t, p.oracle.Bytes(), p.table.Bytes())
	require.Equal(p.t, p.oracle.Counts, p.table.Counts())
	held := map[string]bool{}
	for i := p.stream.Base(); i < p.stream.Next(); i++ {
		held[p.steps[i]] = true
	}
	for _, it := range p.oracle.Items {
		for _, s := range it.Steps {
			held[s] = true
		}
	}
	require.Len(p.t, held, p.store.Len(), "shared steps are stored once, and go with the last item")
	bytes := int64(0)
	for s := range held {
		bytes += int64(len(s))
	}
	require.Equal(p.t, bytes, p.store.Bytes())
}

func (p *player) play(moves int) {
	for range moves {
		switch p.next(24) {
		case 0, 1, 2, 3, 4, 5:
			p.append()
		case 6, 7, 8, 9, 10, 11:
			p.insert()
		case 12, 13, 14, 15, 16:
			p.sample()
		case 17, 18:
			p.update()
		case 19, 20:
			p.delete()
		case 21:
			p.stream.Forget(p.stream.Base() + uint64(p.next(4)))
		case 22:
			if p.next(20) == 0 {
				p.table.Reset()
				p.oracle.Reset()
			}
		case 23:
			if p.next(10) == 0 && p.stream.Next() > p.stream.Base() {
				p.restore()
			}
		}
		p.compare()
	}
	p.table.Reset()
	p.stream.Forget(p.stream.Next())
	require.Zero(p.t, p.store.Len())
	require.Zero(p.t, p.store.Bytes())
	require.LessOrEqual(p.t, p.store.Held(), int64(SlabSize), "no memory is kept but the current slab")
}

// configs are all selectors with limiters and limits, in turn.
func configs() []Config {
	limiters := []Limiter{MinSize(1), MinSize(5), SampleToInsertRatio(2, 3, 4), SampleToInsertRatio(0.25, 1, 3), Queue(6), Queue(1)}
	var all []Config
	for i, s := range selectors {
		for j, r := range selectors {
			all = append(all, Config{
				Sampler: s, Remover: r, Limiter: limiters[(i+j)%len(limiters)], MaxItems: []int{6, 9, 30}[(i+2*j)%3],
				MaxBytes: []int64{0, 60}[(i+j)%2], MaxTimesSampled: []int{0, 1, 3}[(2*i+j)%3],
			})
			if last := &all[len(all)-1]; last.Validate() != nil {
				last.MaxTimesSampled = 0
			}
		}
	}
	return all
}

var selectors = []Selector{{Kind: FIFO}, {Kind: LIFO}, {Kind: Uniform}, {Prioritised, 0.6}, {Prioritised, 1}, {Prioritised, 0}, {Kind: MinHeap}, {Kind: MaxHeap}}

func TestTablesDoWhatTheOracleDoes(t *testing.T) {
	for i, c := range configs() {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			seed := uint64(100 + i)
			r := rand.New(rand.NewPCG(seed, 3))
			newPlayer(t, c, seed, r.IntN).play(300)
		})
	}
}

func FuzzTablesDoWhatTheOracleDoes(f *testing.F) {
	f.Add(uint8(3), []byte{0, 0, 0, 6, 1, 2, 12, 0, 7, 1, 1})
	f.Add(uint8(20), []byte("some steps, some items, and what follows from them"))
	f.Fuzz(func(t *testing.T, which uint8, moves []byte) {
		all, at := configs(), 0
		next := func(n int) int {
			if at++; at > len(moves) {
				return 0
			}
			return int(moves[at-1]) % n
		}
		newPlayer(t, all[int(which)%len(all)], 1, next).play(len(moves))
	})
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	s := &Store{}
	stream := NewStream(s, 10)
	for range 3 {
		stream.Append(s.Put(make([]byte, 10)))
	}
	stream.Forget(11)
	table := New(Config{Sampler: Selector{Prioritised, 2}, Limiter: MinSize(1), MaxItems: 5, MaxBytes: 15}, s, rand.NewPCG(1, 1))
	for name, c := range map[string]struct {
		first, count uint64
		priority     float64
		want         error
	}{
		"good":           {11, 1, 1, nil},
		"negative":       {11, 1, -1, ErrPriority},
		"not a number":   {11, 1, math.NaN(), ErrPriority},
		"infinite":       {11, 1, math.Inf(1), ErrPriority},
		"too heavy":      {11, 1, 1e200, ErrPriority},
		"empty":          {11, 0, 1, ErrWindow},
		"forgotten":      {10, 1, 1, ErrWindow},
		"not there yet":  {12, 2, 1, ErrWindow},
		"overflow":       {12, math.MaxUint64, 1, ErrWindow},
		"from far ahead": {math.MaxUint64, 2, 1, ErrWindow},
		"too large":      {11, 2, 1, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			err := table.Check(stream, c.first, c.count, c.priority)
			require.True(t, errors.Is(err, c.want), "%v", err)
			if c.want == ErrPriority {
				require.ErrorIs(t, table.CheckPriority(c.priority), ErrPriority)
			}
		})
	}
}

func TestValidateSaysWhatCanNeverBe(t *testing.T) {
	good := Config{Limiter: MinSize(1), MaxItems: 10}
	for want, change := range map[string]func(*Config){
		"":                            func(*Config) {},
		"exponent of -1":              func(c *Config) { c.Sampler = Selector{Prioritised, -1} },
		"exponent of NaN":             func(c *Config) { c.Remover = Selector{Prioritised, math.NaN()} },
		"room for 0 items":            func(c *Config) { c.MaxItems = 0 },
		"room for -1 bytes":           func(c *Config) { c.MaxBytes = -1 },
		"at most -1 times":            func(c *Config) { c.MaxTimesSampled = -1 },
		"at least 1":                  func(c *Config) { c.Limiter = MinSize(0) },
		"waits for 11 items":          func(c *Config) { c.Limiter = MinSize(11) },
		"samples per insert are 0":    func(c *Config) { c.Limiter = SampleToInsertRatio(0, 1, 5) },
		"samples per insert are -2":   func(c *Config) { c.Limiter = SampleToInsertRatio(-2, 1, 5) },
		"room for at least 1":         func(c *Config) { c.Limiter = Queue(0) },
		"buffer leaves nothing":       func(c *Config) { c.Limiter = SampleToInsertRatio(1, 1, 0) },
		"buffer must be at least 4":   func(c *Config) { c.Limiter = SampleToInsertRatio(4, 1, 3) },
		"lets 11 items wait":          func(c *Config) { c.Limiter = Queue(11) },
		"waits for 4 samples per ins": func(c *Config) { c.Limiter, c.MaxTimesSampled = SampleToInsertRatio(4, 1, 5), 3 },
	} {
		t.Run(want, func(t *testing.T) {
			c := good
			change(&c)
			if err := c.Validate(); want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestRestorerRefusesWhatCannotHaveBeenSaved(t *testing.T) {
	s := &Store{}
	a, b, c := s.Put([]byte("a")), s.Put([]byte("b")), s.Put([]byte("c"))
	for name, items := range map[string][]Item{
		"no such slot":        {{Key: 1<<32 | Key(None), Payloads: []uint32{a}}},
		"beyond all inserts":  {{Key: 1<<32 | 2, Payloads: []uint32{a}}, {Key: 1 << 32, Payloads: []uint32{b}}},
		"generation 0":        {{Key: 1, Payloads: []uint32{a}}},
		"a later generation":  {{Key: 9 << 32, Payloads: []uint32{a}}},
		"no steps":            {{Key: 1 << 32}},
		"twice":               {{Key: 1 << 32, Payloads: []uint32{a}}, {Key: 2 << 32, Payloads: []uint32{a}}},
		"two that follow one": {{Key: 1 << 32, Payloads: []uint32{a, b}}, {Key: 1<<32 + 1, Payloads: []uint32{a, c}}},
		"fewer than saved":    {{Key: 1 << 32, Payloads: []uint32{a}}},
	} {
		t.Run(name, func(t *testing.T) {
			table := New(Config{Limiter: MinSize(1), MaxItems: 5}, s, rand.NewPCG(1, 1))
			r := NewRestorer(table, Snapshot{Counts: Counts{Inserts: 2}, Generation: 3})
			var err error
			for _, it := range items {
				err = errors.Join(err, r.Add(it))
			}
			require.ErrorIs(t, errors.Join(err, r.Close()), ErrDamaged)
		})
	}
}
