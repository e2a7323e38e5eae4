package table

import "math/bits"

// Rand is a source of uniformly distributed numbers.
type Rand interface{ Uint64() uint64 }

// below is a number in [0, n), n > 0. Its bias is less than n/2⁶⁴ (Lemire,
// "Fast Random Integer Generation in an Interval", 2019, without the rejection).
func below(r Rand, n uint32) uint32 {
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return uint32(hi)
}

// unit is a number in [0, 1).
func unit(r Rand) float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Kind is a way to select among items.
type Kind uint8

// The ways to select. Numbers are part of the format of checkpoints.
const (
	FIFO        Kind = iota // the one inserted first
	LIFO                    // the one inserted last
	Uniform                 // any, all alike
	Prioritised             // any, in proportion to priority^exponent
	MinHeap                 // one with the least priority
	MaxHeap                 // one with the greatest priority
)

// Selector is a way to select, with what it needs to know.
type Selector struct {
	Kind     Kind
	Exponent float64 // of Prioritised
}

// selector keeps the slots of a table's items so that one can be picked.
// Slots are small numbers, used again after they were removed.
type selector interface {
	insert(slot uint32)
	update(slot uint32) // its priority has changed
	remove(slot uint32)
	// pick chooses a slot and says how probable that choice was. There must be one.
	pick(r Rand) (slot uint32, probability float64)
}

// newSelector makes an empty selector for the items of t.
func newSelector(s Selector, t *Table) selector {
	switch s.Kind {
	case LIFO:
		return &list{last: true, ends: link{none, none}}
	case Uniform:
		return &uniform{}
	case Prioritised:
		return &weighted{table: t, exponent: s.Exponent}
	case MinHeap:
		return &heap{table: t, sign: 1}
	case MaxHeap:
		return &heap{table: t, sign: -1}
	}
	return &list{ends: link{none, none}}
}

// none is no slot.
const none = ^uint32(0)
