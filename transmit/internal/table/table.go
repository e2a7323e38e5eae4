package table

import (
	"errors"
	"fmt"
	"math"
)

// What can be wrong with a request.
var (
	ErrPriority = errors.New("transmit: bad priority")
	ErrTooLarge = errors.New("transmit: item larger than its table")
	ErrWindow   = errors.New("transmit: steps that are not there")
)

// MaxItemBytes is how many bytes an item may have: it is sampled in one message.
const MaxItemBytes = 32 << 20

// Config describes a table.
type Config struct {
	Sampler, Remover Selector
	Limiter          Limiter
	MaxItems         int   // at least 1
	MaxBytes         int64 // of the steps of all items; 0: no limit
	MaxTimesSampled  int   // an item goes with the sample of this number; 0: never
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	for _, s := range []Selector{c.Sampler, c.Remover} {
		if s.Kind > MaxHeap || !(s.Exponent >= 0) || math.IsInf(s.Exponent, 0) {
			return fmt.Errorf("an exponent of %v: it must be a number, 0 or more", s.Exponent)
		}
	}
	switch {
	case c.MaxItems < 1 || uint64(c.MaxItems) >= uint64(none):
		return fmt.Errorf("room for %d items: it must be at least 1 and less than 2³²", c.MaxItems)
	case c.MaxBytes < 0:
		return fmt.Errorf("room for %d bytes: it must be more than 0, or 0 for no limit", c.MaxBytes)
	case c.MaxTimesSampled < 0 || c.MaxTimesSampled > math.MaxInt32:
		return fmt.Errorf("items that are sampled at most %d times: it must be more than 0, or 0 for no limit", c.MaxTimesSampled)
	}
	return c.Limiter.validate(c.MaxItems, c.MaxTimesSampled)
}

// item is an element of a table, at a slot.
type item struct {
	priority   float64
	generation uint32 // grows each time the slot is used
	sampled    uint32 // how often
	first      uint32 // of its steps; of a free slot: the next free slot + 1
	count      uint32 // of its steps; 0: the slot is free
}

// step is a step that items of the table have.
type step struct {
	payload uint32 // none: the place is free
	refs    uint32 // items that have it
	next    uint32 // the step after, for items that have both; of a free place: the next free place + 1
}

// A Table holds items. See the package's documentation.
type Table struct {
	Config
	store   *Store
	rand    Rand
	items   vec[item]
	steps   vec[step]
	free    struct{ item, step uint32 } // slot + 1 of the first free one
	sampler selector
	remover selector
	counts  Counts
	newest  uint32 // generation: the greatest there has been
	oldest  uint32 // generation of slots that have not been used
	size    int    // items
	bytes   int64  // of steps
}

// New returns an empty table. c is valid.
func New(c Config, s *Store, r Rand) *Table {
	t := &Table{Config: c, store: s, rand: r}
	t.sampler, t.remover = newSelector(c.Sampler, t), newSelector(c.Remover, t)
	return t
}

// Len is how many items there are.
func (t *Table) Len() int { return t.size }

// Bytes is how many bytes the steps of the items have, each counted once.
func (t *Table) Bytes() int64 { return t.bytes }

// Counts are those since the table was made or reset.
func (t *Table) Counts() Counts { return t.counts }

// MayInsert tells whether the limiter lets one more item in.
func (t *Table) MayInsert() bool { return t.Limiter.mayInsert(t.counts) }

// MaySample tells whether the limiter lets one more sample out.
func (t *Table) MaySample() bool { return t.size > 0 && t.Limiter.maySample(t.counts) }

// A Key names an item of a table: slot and generation. No two items of a
// table have had the same, until a slot has been used 2³² times. It is never 0.
type Key uint64

// find is the slot of the item with a key.
func (t *Table) find(k Key) (uint32, bool) {
	slot, generation := uint32(k), uint32(k>>32)
	if slot >= t.items.len() {
		return 0, false
	}
	it := t.items.at(slot)
	return slot, it.count > 0 && it.generation == generation
}

// CheckPriority says why p is no priority here, nil when it is: an error that wraps [ErrPriority].
func (t *Table) CheckPriority(p float64) error {
	if !(p >= 0) || math.IsInf(p, 1) {
		return fmt.Errorf("%w: %v; it must be a number, 0 or more", ErrPriority, p)
	}
	for _, s := range []Selector{t.Sampler, t.Remover} {
		if s.Kind == Prioritised && !(weight(p, s.Exponent) <= greatestWeight) {
			return fmt.Errorf("%w: %v to the power of %v is more than %v", ErrPriority, p, s.Exponent, greatestWeight)
		}
	}
	return nil
}

// Check says why the item could never be inserted, nil when it can: an error
// that wraps [ErrPriority], [ErrWindow] or [ErrTooLarge].
func (t *Table) Check(s *Stream, first, count uint64, priority float64) error {
	if err := t.CheckPriority(priority); err != nil {
		return err
	}
	steps, err := s.window(first, count)
	if err != nil {
		return err
	}
	bytes := int64(0)
	for i := range steps {
		bytes += t.store.Size(steps[i].payload)
	}
	if bytes > MaxItemBytes {
		return fmt.Errorf("%w: an item of %d bytes, and one has at most %d", ErrTooLarge, bytes, MaxItemBytes)
	}
	if t.MaxBytes > 0 && bytes > t.MaxBytes {
		return fmt.Errorf("%w: %d bytes, and the table holds %d", ErrTooLarge, bytes, t.MaxBytes)
	}
	return nil
}

// Insert adds an item that passed [Table.Check], when [Table.MayInsert] has
// said so. Items that have to make room go as the remover selects them.
func (t *Table) Insert(s *Stream, first, count uint64, priority float64) Key {
	steps, _ := s.window(first, count)
	it := item{priority: priority, first: none, count: uint32(len(steps))}
	last := none
	for i := range steps {
		slot := t.hold(&steps[i])
		if last == none {
			it.first = slot
		} else if at := t.steps.at(last); at.next != slot {
			t.steps.ref(last).next = slot
		}
		last = slot
	}
	for t.size > 0 && (t.size >= t.MaxItems || t.MaxBytes > 0 && t.bytes > t.MaxBytes) {
		victim, _ := t.remover.pick(t.rand)
		t.remove(victim)
	}
	slot := t.newItem()
	place := t.items.ref(slot)
	it.generation = place.generation + 1
	t.newest = max(t.newest, it.generation)
	*place = it
	t.sampler.insert(slot)
	t.remover.insert(slot)
	t.size++
	t.counts.Inserts++
	return keyOf(slot, it)
}

func keyOf(slot uint32, it item) Key { return Key(it.generation)<<32 | Key(slot) }

func (t *Table) newItem() uint32 {
	if t.free.item > 0 {
		slot := t.free.item - 1
		t.free.item = t.items.at(slot).first
		return slot
	}
	t.items.push(item{generation: t.oldest})
	return t.items.len() - 1
}

// hold counts one more item that has a step, which it adds if need be.
func (t *Table) hold(s *streamStep) uint32 {
	at := s.slotIn(t)
	if *at < t.steps.len() && t.steps.at(*at).payload == s.payload {
		t.steps.ref(*at).refs++
		return *at
	}
	if *at = t.free.step - 1; t.free.step > 0 {
		t.free.step = t.steps.at(*at).next
	} else {
		*at = t.steps.len()
		t.steps.push(step{})
	}
	*t.steps.ref(*at) = step{payload: s.payload, refs: 1, next: none}
	t.store.Ref(s.payload)
	t.bytes += t.store.Size(s.payload)
	return *at
}

// remove lets an item go.
func (t *Table) remove(slot uint32) {
	t.sampler.remove(slot)
	t.remover.remove(slot)
	it := t.items.ref(slot)
	t.release(it.first, it.count)
	if it.sampled == 0 {
		t.counts.Unread++
	}
	it.count, it.first, t.free.item = 0, t.free.item, slot+1
	t.size--
	t.counts.Deletes++
}

// release counts one item less that has count steps from first.
func (t *Table) release(first, count uint32) {
	for range count {
		st := t.steps.ref(first)
		at := first
		first = st.next
		if st.refs--; st.refs == 0 {
			t.bytes -= t.store.Size(st.payload)
			t.store.Unref(st.payload)
			st.payload, st.next = none, t.free.step
			t.free.step = at + 1
		}
	}
}

// A Sample is an item as it was when it was sampled.
type Sample struct {
	Key         Key
	Priority    float64
	Probability float64 // of its having been chosen among Size
	Times       uint32  // how often it has been sampled, this one included
	Size        int     // of the table
	Steps       [][]byte
}

// Sample selects an item, when [Table.MaySample] has said so. The bytes of
// its steps are the store's and are never overwritten. The list of them is put
// at the end of room, which many samples may share.
func (t *Table) Sample(room *[][]byte) Sample {
	slot, probability := t.sampler.pick(t.rand)
	it := t.items.ref(slot)
	it.sampled++
	t.counts.Samples++
	begin, at := len(*room), it.first
	for range it.count {
		st := t.steps.at(at)
		*room = append(*room, t.store.Get(st.payload))
		at = st.next
	}
	s := Sample{keyOf(slot, *it), it.priority, probability, it.sampled, t.size, (*room)[begin:len(*room):len(*room)]}
	if t.MaxTimesSampled > 0 && it.sampled >= uint32(t.MaxTimesSampled) {
		t.remove(slot)
	}
	return s
}

// Update gives an item another priority that passed [Table.CheckPriority],
// and reports whether it is there.
func (t *Table) Update(k Key, priority float64) bool {
	slot, ok := t.find(k)
	if !ok {
		return false
	}
	t.items.ref(slot).priority = priority
	t.sampler.update(slot)
	t.remover.update(slot)
	return true
}

// Delete removes an item, and reports whether it was there.
func (t *Table) Delete(k Key) bool {
	slot, ok := t.find(k)
	if ok {
		t.remove(slot)
	}
	return ok
}

// Reset removes all items and begins to count anew. Keys are not used again.
func (t *Table) Reset() {
	for slot := range t.items.len() {
		if it := t.items.at(slot); it.count > 0 {
			t.release(it.first, it.count)
		}
	}
	t.items, t.steps, t.oldest = vec[item]{}, vec[step]{}, t.newest
	t.free.item, t.free.step, t.size, t.counts = 0, 0, 0, Counts{}
	t.sampler, t.remover = newSelector(t.Sampler, t), newSelector(t.Remover, t)
}

// nth is the slot of the item that has n others before it, in the order of slots.
func (t *Table) nth(n uint32) uint32 {
	for slot := range t.items.len() {
		if t.items.at(slot).count == 0 {
			continue
		}
		if n == 0 {
			return slot
		}
		n--
	}
	return none
}
