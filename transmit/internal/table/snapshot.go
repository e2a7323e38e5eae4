package table

import (
	"errors"
	"fmt"
	"iter"
)

// ErrDamaged is what a restored item is that cannot have been saved.
var ErrDamaged = errors.New("transmit: damaged")

// A Snapshot is a table as it was at one moment. It is read by any one
// goroutine while the table goes on.
type Snapshot struct {
	Counts     Counts
	Generation uint32 // the greatest of any key
	items      vec[item]
	steps      vec[step]
	order      *list // of insertion, where the table has it
}

// Snapshot costs microseconds, and a copy of each page that changes later.
func (t *Table) Snapshot() *Snapshot {
	s := &Snapshot{t.counts, t.newest, t.items.snapshot(), t.steps.snapshot(), nil}
	for _, sel := range []selector{t.sampler, t.remover} {
		if l, ok := sel.(*list); ok && s.order == nil {
			s.order = &list{links: l.links.snapshot(), ends: l.ends}
		}
	}
	return s
}

// Len is how many items there are.
func (s *Snapshot) Len() int { return int(s.Counts.Inserts - s.Counts.Deletes) }

// An Item is all that is to be known of an item.
type Item struct {
	Key      Key
	Priority float64
	Times    uint32   // that it has been sampled
	Payloads []uint32 // of its steps
}

// Items are the items in the order of their insertion, where that matters to
// the table, and else in any. What is yielded is valid until the next.
func (s *Snapshot) Items() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		var payloads []uint32
		one := func(slot uint32) bool {
			it := s.items.at(slot)
			payloads = payloads[:0]
			for at := it.first; uint32(len(payloads)) < it.count; {
				st := s.steps.at(at)
				payloads = append(payloads, st.payload)
				at = st.next
			}
			return yield(Item{keyOf(slot, it), it.priority, it.sampled, payloads})
		}
		if s.order != nil {
			for slot := s.order.ends.next; slot != none && one(slot); slot = s.order.links.at(slot).next {
			}
			return
		}
		for slot := range s.items.len() {
			if s.items.at(slot).count > 0 && !one(slot) {
				return
			}
		}
	}
}

// A StoreSnapshot is a store as it was at one moment; see [Snapshot].
type StoreSnapshot struct{ store Store }

// Snapshot costs microseconds, and a copy of each page that changes later.
func (s *Store) Snapshot() *StoreSnapshot {
	slabs := make([]slab, len(s.slabs))
	for i := range s.slabs {
		slabs[i].data = s.slabs[i].data
	}
	return &StoreSnapshot{Store{payloads: s.payloads.snapshot(), slabs: slabs, bytes: s.bytes, count: s.count}}
}

// Payloads are all payloads: number and bytes.
func (s *StoreSnapshot) Payloads() iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		for id := range s.store.payloads.len() {
			if p := s.store.payloads.at(id); p.slab != none && !yield(id, s.store.bytesOf(p)) {
				return
			}
		}
	}
}

// Slots is a number that is greater than that of any payload.
func (s *StoreSnapshot) Slots() uint32 { return s.store.payloads.len() }

// A Restorer fills an empty table with saved items.
type Restorer struct {
	table *Table
	saved Snapshot
	slots map[uint32]uint32 // of steps, by payload
}

// NewRestorer begins to restore a table; s has its counts and the limits of its keys.
func NewRestorer(t *Table, s Snapshot) *Restorer {
	return &Restorer{table: t, saved: s, slots: map[uint32]uint32{}}
}

// Add restores one item, whose payloads are in the store, and counts its
// referrals. The order is that of [Snapshot.Items]. Where the table has become
// smaller since, items go as its remover selects them.
func (r *Restorer) Add(i Item) error {
	t := r.table
	slot, generation := uint32(i.Key), uint32(i.Key>>32)
	if slot == none || generation == 0 || generation > r.saved.Generation || len(i.Payloads) == 0 {
		return fmt.Errorf("%w: item %x of %d steps", ErrDamaged, i.Key, len(i.Payloads))
	}
	if err := t.CheckPriority(i.Priority); err != nil {
		return err
	}
	if uint64(slot) >= r.saved.Counts.Inserts { // each has come with an insert
		return fmt.Errorf("%w: item %x of a table with %d inserts", ErrDamaged, i.Key, r.saved.Counts.Inserts)
	}
	t.items.grow(slot + 1)
	if t.items.at(slot).count > 0 {
		return fmt.Errorf("%w: item %x is there twice", ErrDamaged, i.Key)
	}
	it := item{priority: i.Priority, generation: generation, sampled: i.Times, first: none, count: uint32(len(i.Payloads))}
	last := none
	for _, p := range i.Payloads {
		at, err := r.step(p, last)
		if err != nil {
			return err
		}
		if last == none {
			it.first = at
		}
		last = at
	}
	*t.items.ref(slot) = it
	t.sampler.insert(slot)
	t.remover.insert(slot)
	t.size++
	t.counts.Inserts++
	return nil
}

// step counts one more item that has the step of a payload, which follows the step at last.
func (r *Restorer) step(p, last uint32) (uint32, error) {
	t := r.table
	at, ok := r.slots[p]
	if ok {
		t.steps.ref(at).refs++
	} else {
		at = t.steps.len()
		t.steps.push(step{payload: p, refs: 1, next: none})
		r.slots[p] = at
		t.store.Ref(p)
		t.bytes += t.store.Size(p)
	}
	if last == none {
		return at, nil
	}
	if next := t.steps.at(last).next; next != none && next != at || last == at {
		return 0, fmt.Errorf("%w: two steps follow the same one", ErrDamaged)
	}
	t.steps.ref(last).next = at
	return at, nil
}

// Close ends the restoring: the table counts on from where it was.
func (r *Restorer) Close() error {
	t := r.table
	if restored := uint64(t.size); restored != r.saved.Counts.Inserts-r.saved.Counts.Deletes {
		return fmt.Errorf("%w: %d items, and %d were saved", ErrDamaged, restored, r.saved.Counts.Inserts-r.saved.Counts.Deletes)
	}
	t.counts, t.newest, t.oldest = r.saved.Counts, r.saved.Generation, r.saved.Generation
	for slot := range t.items.len() {
		if it := t.items.ref(slot); it.count == 0 { // no key that may have been given is given again
			it.generation, it.first = t.newest, t.free.item
			t.free.item = slot + 1
		}
	}
	for slot := range t.items.len() {
		if it := t.items.at(slot); it.count > 0 && t.MaxTimesSampled > 0 && it.sampled >= uint32(t.MaxTimesSampled) {
			t.remove(slot)
		}
	}
	for t.size > 0 && (t.size > t.MaxItems || t.MaxBytes > 0 && t.bytes > t.MaxBytes) {
		victim, _ := t.remover.pick(t.rand)
		t.remove(victim)
	}
	return nil
}
