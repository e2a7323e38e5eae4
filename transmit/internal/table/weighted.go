package table

import "math"

// fanout is how many children a node of the tree of sums has: a level is read
// as two cache lines, and the levels above the weights take a fifteenth of their memory.
const fanout = 16

// greatestWeight keeps the sum over 2³² items finite.
const greatestWeight = 1e298

// weighted picks a slot in proportion to its weight, by a tree of sums. A sum
// is always that of its children as they are, so errors do not grow with time.
type weighted struct {
	table    *Table // knows the priorities
	exponent float64
	levels   []vec[float64] // level 0: weights by slot; the last has one element
}

// weight is what a priority counts.
func weight(priority, exponent float64) float64 {
	if exponent == 1 {
		return priority
	}
	return math.Pow(priority, exponent)
}

func (w *weighted) insert(slot uint32) {
	n := slot + 1
	for level := 0; ; level++ {
		if level == len(w.levels) {
			w.levels = append(w.levels, vec[float64]{})
			if level > 0 {
				w.levels[level].push(0)
				w.sum(level, 0)
			}
		}
		w.levels[level].grow(n)
		if w.levels[level].len() == 1 {
			break
		}
		n = (n + fanout - 1) / fanout
	}
	w.update(slot)
}

func (w *weighted) update(slot uint32) {
	w.set(slot, weight(w.table.items.at(slot).priority, w.exponent))
}

func (w *weighted) remove(slot uint32) { w.set(slot, 0) }

func (w *weighted) set(slot uint32, to float64) {
	*w.levels[0].ref(slot) = to
	for level := 1; level < len(w.levels); level++ {
		slot /= fanout
		w.sum(level, slot)
	}
}

// sum computes one sum anew.
func (w *weighted) sum(level int, at uint32) {
	sum := 0.0
	for _, x := range w.children(level, at) {
		sum += x
	}
	*w.levels[level].ref(at) = sum
}

// children are the elements of which a sum is made. They lie in one page, whose length is a multiple of fanout.
func (w *weighted) children(level int, at uint32) []float64 {
	under := &w.levels[level-1]
	first := at * fanout
	p, i := under.pages[first>>pageBits], first&(pageLen-1)
	return p[i : i+min(fanout, under.len()-first)]
}

func (w *weighted) pick(r Rand) (uint32, float64) {
	top := len(w.levels) - 1
	total := w.levels[top].at(0)
	if total == 0 {
		return w.table.nth(below(r, uint32(w.table.Len()))), 1 / float64(w.table.Len())
	}
	left, at := unit(r)*total, uint32(0)
	for level := top; level > 0; level-- {
		chosen := 0
		for i, x := range w.children(level, at) {
			if x == 0 {
				continue
			}
			chosen = i // rounding may leave more than the sum: then it is the last that has a weight
			if left < x {
				break
			}
			left -= x
		}
		at = at*fanout + uint32(chosen)
	}
	return at, w.levels[0].at(at) / total
}
