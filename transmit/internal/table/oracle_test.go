package table

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oracle is a table as one would write it who has all the time in the world.
type oracle struct {
	Config
	items  []*oracleItem // in the order of insertion
	counts Counts
}

type oracleItem struct {
	key      Key
	priority float64
	times    uint32
	steps    []string // contents, each of its own
}

func (o *oracle) bytes() (n int64) {
	seen := map[string]bool{}
	for _, it := range o.items {
		for _, s := range it.steps {
			if !seen[s] {
				n += int64(len(s))
			}
			seen[s] = true
		}
	}
	return n
}

func (o *oracle) find(k Key) *oracleItem {
	i := slices.IndexFunc(o.items, func(it *oracleItem) bool { return it.key == k })
	if i < 0 {
		return nil
	}
	return o.items[i]
}

func (o *oracle) remove(k Key) {
	o.items = slices.DeleteFunc(o.items, func(it *oracleItem) bool {
		if it.key == k && it.times == 0 {
			o.counts.Unread++
		}
		return it.key == k
	})
	o.counts.Deletes++
}

// chance is how probable it is that a selector picks an item; negative: it is one among several that are all right.
func (o *oracle) chance(s Selector, it *oracleItem) float64 {
	n := float64(len(o.items))
	compare := func(better func(a, b float64) bool) float64 {
		for _, other := range o.items {
			if better(other.priority, it.priority) {
				return 0
			}
		}
		return -1
	}
	switch s.Kind {
	case FIFO:
		return truth(o.items[0] == it)
	case LIFO:
		return truth(o.items[len(o.items)-1] == it)
	case Uniform:
		return 1 / n
	case MinHeap:
		return compare(func(a, b float64) bool { return a < b })
	case MaxHeap:
		return compare(func(a, b float64) bool { return a > b })
	}
	total := 0.0
	for _, other := range o.items {
		total += math.Pow(other.priority, s.Exponent)
	}
	if total == 0 {
		return 1 / n
	}
	return math.Pow(it.priority, s.Exponent) / total
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (o *oracle) mayInsert() bool {
	l, inserts := o.Limiter, float64(o.counts.Inserts)
	if l.Unread {
		inserts -= float64(o.counts.Unread)
	}
	return len(o.items)+1 <= l.MinSize || (inserts+1)*l.Ratio-float64(o.counts.Samples) <= l.MaxDiff
}

func (o *oracle) maySample() bool {
	l, inserts := o.Limiter, float64(o.counts.Inserts)
	if l.Unread {
		inserts -= float64(o.counts.Unread)
	}
	return len(o.items) >= l.MinSize && inserts*l.Ratio-float64(o.counts.Samples+1) >= l.MinDiff
}

// player does the same to a table and to its oracle.
type player struct {
	t      *testing.T
	next   func(n int) int // a choice of [0, n)
	store  *Store
	table  *Table
	oracle *oracle
	stream *Stream
	steps  map[uint64]string
	gone   []Key
	seed   uint64
}

func newPlayer(t *testing.T, c Config, seed uint64, next func(int) int) *player {
	require.NoError(t, c.Validate())
	s := &Store{}
	return &player{
		t: t, next: next, store: s, table: New(c, s, rand.NewPCG(seed, 1)), oracle: &oracle{Config: c},
		stream: NewStream(s, 7), steps: map[uint64]string{}, seed: seed,
	}
}

func (p *player) priority() float64 { return []float64{0, 0.5, 1, 1, 2, 3, 10}[p.next(7)] }

func (p *player) key() Key {
	if len(p.oracle.items) == 0 || p.next(5) == 0 {
		if len(p.gone) > 0 && p.next(2) == 0 {
			return p.gone[p.next(len(p.gone))]
		}
		return Key(p.next(1 << 20))
	}
	return p.oracle.items[p.next(len(p.oracle.items))].key
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
	held := int(p.stream.Next() - p.stream.base)
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
	require.Equal(p.t, p.oracle.mayInsert(), p.table.MayInsert())
	if !p.table.MayInsert() {
		return
	}
	before := p.table.Len()
	k := p.table.Insert(p.stream, first, uint64(count), priority)
	it := &oracleItem{key: k, priority: priority}
	for i := range count {
		it.steps = append(it.steps, p.steps[first+uint64(i)])
	}
	require.Nil(p.t, p.oracle.find(k))
	require.False(p.t, slices.Contains(p.gone, k))
	p.evict(before, it)
	p.oracle.items = append(p.oracle.items, it)
	p.oracle.counts.Inserts++
}

// evict finds the items that made room for a new one and checks that each may have been selected.
func (p *player) evict(before int, come *oracleItem) {
	there := map[Key]bool{}
	for it := range p.table.Snapshot().Items() {
		there[it.Key] = true
	}
	full := func() bool {
		all := &oracle{items: append(slices.Clone(p.oracle.items), come)}
		return len(p.oracle.items) > 0 && (len(p.oracle.items) >= p.oracle.MaxItems || p.oracle.MaxBytes > 0 && all.bytes() > p.oracle.MaxBytes)
	}
	victims := before + 1 - p.table.Len()
	require.Equal(p.t, victims > 0, full())
	for range victims {
		i := slices.IndexFunc(p.oracle.items, func(it *oracleItem) bool { return !there[it.key] && p.oracle.chance(p.oracle.Remover, it) != 0 })
		require.GreaterOrEqual(p.t, i, 0, "an item went that the remover would not have picked")
		p.forget(p.oracle.items[i].key)
	}
	require.False(p.t, full())
}

func (p *player) forget(k Key) {
	p.oracle.remove(k)
	p.gone = append(p.gone, k)
}

func (p *player) sample() {
	may := len(p.oracle.items) > 0 && p.oracle.maySample()
	require.Equal(p.t, may, p.table.MaySample())
	if !may {
		return
	}
	s := p.table.Sample()
	it := p.oracle.find(s.Key)
	require.NotNil(p.t, it)
	it.times++
	p.oracle.counts.Samples++
	require.Equal(p.t, it.times, s.Times)
	require.Equal(p.t, it.priority, s.Priority)
	require.Equal(p.t, len(p.oracle.items), s.Size)
	var got []string
	for _, b := range s.Steps {
		got = append(got, string(b))
	}
	require.Equal(p.t, it.steps, got)
	if want := p.oracle.chance(p.oracle.Sampler, it); want < 0 {
		require.InDelta(p.t, 1, s.Probability, 0)
	} else {
		require.Positive(p.t, want)
		require.InEpsilon(p.t, want, s.Probability, 1e-9)
	}
	if p.oracle.MaxTimesSampled > 0 {
		require.LessOrEqual(p.t, int(it.times), p.oracle.MaxTimesSampled)
		if int(it.times) == p.oracle.MaxTimesSampled {
			p.forget(it.key)
		}
	}
}

func (p *player) update() {
	k, priority := p.key(), p.priority()
	it := p.oracle.find(k)
	require.Equal(p.t, it != nil, p.table.Update(k, priority))
	if it != nil {
		it.priority = priority
	}
}

func (p *player) delete() {
	k := p.key()
	it := p.oracle.find(k)
	require.Equal(p.t, it != nil, p.table.Delete(k))
	if it != nil {
		p.forget(k)
	}
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
	require.Equal(p.t, len(p.oracle.items), p.table.Len())
	require.Equal(p.t, p.oracle.bytes(), p.table.Bytes())
	require.Equal(p.t, p.oracle.counts, p.table.Counts())
	held := map[string]bool{}
	for i := p.stream.base; i < p.stream.Next(); i++ {
		held[p.steps[i]] = true
	}
	for _, it := range p.oracle.items {
		for _, s := range it.steps {
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
			p.stream.Forget(p.stream.base + uint64(p.next(4)))
		case 22:
			if p.next(20) == 0 {
				for _, it := range p.oracle.items {
					p.gone = append(p.gone, it.key)
				}
				p.table.Reset()
				p.oracle.items, p.oracle.counts = nil, Counts{}
			}
		case 23:
			if p.next(10) == 0 && p.stream.Next() > p.stream.base {
				p.restore()
			}
		}
		p.compare()
	}
	p.table.Reset()
	p.stream.Forget(p.stream.Next())
	require.Zero(p.t, p.store.Len())
	require.Zero(p.t, p.store.Bytes())
	require.LessOrEqual(p.t, p.store.held, int64(SlabSize), "no memory is kept but the current slab")
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
		"no such slot":        {{Key: 1<<32 | Key(none), Payloads: []uint32{a}}},
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
