// Package oracle has a table as one would write it who has all the time in the
// world. Tests of tables, and of the node that holds them, are held to it: each
// method does what a table is said to have done, or says why that cannot be.
package oracle

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// A Table is what a table should have.
type Table struct {
	table.Config
	Items  []*Item // in the order of insertion
	Counts table.Counts
	Gone   []table.Key // of items that were there
}

// An Item is what an item should be.
type Item struct {
	Key      table.Key
	Priority float64
	Times    uint32   // that it has been sampled
	Steps    []string // contents, each of its own
}

// Bytes is how many bytes the steps of the items have, each counted once.
func (t *Table) Bytes() int64 { return bytesOf(t.Items) }

func bytesOf(items []*Item) (n int64) {
	seen := map[string]bool{}
	for _, it := range items {
		for _, s := range it.Steps {
			if !seen[s] {
				n += int64(len(s))
			}
			seen[s] = true
		}
	}
	return n
}

// Find is the item with a key, or nil.
func (t *Table) Find(k table.Key) *Item {
	i := slices.IndexFunc(t.Items, func(it *Item) bool { return it.Key == k })
	if i < 0 {
		return nil
	}
	return t.Items[i]
}

func (t *Table) remove(it *Item) {
	t.Items = slices.DeleteFunc(t.Items, func(other *Item) bool { return other == it })
	t.Gone = append(t.Gone, it.Key)
	if it.Times == 0 {
		t.Counts.Unread++
	}
	t.Counts.Deletes++
}

// chance is how probable it is that a selector picks an item; negative: it is one among several that are all right.
func (t *Table) chance(s table.Selector, it *Item) float64 {
	n := float64(len(t.Items))
	compare := func(better func(a, b float64) bool) float64 {
		for _, other := range t.Items {
			if better(other.Priority, it.Priority) {
				return 0
			}
		}
		return -1
	}
	switch s.Kind {
	case table.FIFO:
		return truth(t.Items[0] == it)
	case table.LIFO:
		return truth(t.Items[len(t.Items)-1] == it)
	case table.Uniform:
		return 1 / n
	case table.MinHeap:
		return compare(func(a, b float64) bool { return a < b })
	case table.MaxHeap:
		return compare(func(a, b float64) bool { return a > b })
	}
	total := 0.0
	for _, other := range t.Items {
		total += math.Pow(other.Priority, s.Exponent)
	}
	if total == 0 {
		return 1 / n
	}
	return math.Pow(it.Priority, s.Exponent) / total
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// inserts are those that count for the limiter.
func (t *Table) inserts() float64 {
	n := float64(t.Counts.Inserts)
	if t.Limiter.Unread {
		n -= float64(t.Counts.Unread)
	}
	return n
}

// MayInsert tells whether the limiter lets one more item in.
func (t *Table) MayInsert() bool {
	l := t.Limiter
	return len(t.Items)+1 <= l.MinSize || (t.inserts()+1)*l.Ratio-float64(t.Counts.Samples) <= l.MaxDiff
}

// MaySample tells whether there is an item, and the limiter lets one more sample out.
func (t *Table) MaySample() bool {
	l := t.Limiter
	return len(t.Items) > 0 && len(t.Items) >= l.MinSize && t.inserts()*l.Ratio-float64(t.Counts.Samples+1) >= l.MinDiff
}

// Insert adds an item. There says which items the table has after that: those
// that are missing have made room, and each must be one that the remover could have picked.
func (t *Table) Insert(come *Item, there []table.Key) error {
	switch {
	case !t.MayInsert():
		return fmt.Errorf("an insert that the limiter forbids, after %+v", t.Counts)
	case t.Find(come.Key) != nil || slices.Contains(t.Gone, come.Key):
		return fmt.Errorf("the key %x was used before", come.Key)
	}
	full := func() bool {
		return len(t.Items) > 0 && (len(t.Items) >= t.MaxItems || t.MaxBytes > 0 && bytesOf(append(slices.Clone(t.Items), come)) > t.MaxBytes)
	}
	victims := len(t.Items) + 1 - len(there)
	if victims > 0 != full() {
		return fmt.Errorf("%d items went, and the table was full: %v", victims, full())
	}
	for range victims { // in an order that may have been
		i := slices.IndexFunc(t.Items, func(it *Item) bool { return !slices.Contains(there, it.Key) && t.chance(t.Remover, it) != 0 })
		if i < 0 {
			return errors.New("an item went that the remover would not have picked")
		}
		t.remove(t.Items[i])
	}
	if full() {
		return fmt.Errorf("%d items in a table that is full", len(t.Items)+1)
	}
	t.Items = append(t.Items, come)
	t.Counts.Inserts++
	return nil
}

// Sample takes a sample.
func (t *Table) Sample(s table.Sample) error {
	it := t.Find(s.Key)
	switch {
	case !t.MaySample():
		return fmt.Errorf("a sample that the limiter forbids, after %+v", t.Counts)
	case it == nil:
		return fmt.Errorf("a sample of the item %x, which is not there", s.Key)
	}
	steps := make([]string, len(s.Steps))
	for i, b := range s.Steps {
		steps[i] = string(b)
	}
	chance := t.chance(t.Sampler, it)
	if chance < 0 {
		chance = 1
	}
	it.Times++
	t.Counts.Samples++
	if s.Times != it.Times || s.Priority != it.Priority || s.Size != len(t.Items) || !slices.Equal(steps, it.Steps) {
		return fmt.Errorf("a sample of another item than there is: %+v of %d, and it is %+v of %d", s, s.Size, it, len(t.Items))
	}
	if chance == 0 || math.Abs(s.Probability-chance) > 1e-9*chance {
		return fmt.Errorf("a sample of probability %v, and it is %v", s.Probability, chance)
	}
	if t.MaxTimesSampled > 0 && int(it.Times) >= t.MaxTimesSampled {
		t.remove(it)
	}
	return nil
}

// Update gives an item another priority, and reports whether it is there.
func (t *Table) Update(k table.Key, priority float64) bool {
	it := t.Find(k)
	if it != nil {
		it.Priority = priority
	}
	return it != nil
}

// Delete removes an item, and reports whether it was there.
func (t *Table) Delete(k table.Key) bool {
	it := t.Find(k)
	if it != nil {
		t.remove(it)
	}
	return it != nil
}

// Reset removes all items and begins to count anew.
func (t *Table) Reset() {
	for len(t.Items) > 0 {
		t.remove(t.Items[0])
	}
	t.Counts = table.Counts{}
}
