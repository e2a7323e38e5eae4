package table

// list keeps slots in the order of their insertion.
type list struct {
	links vec[link] // by slot
	ends  link      // prev: the last slot, next: the first
	last  bool      // pick the last
}

type link struct{ prev, next uint32 }

func (l *list) insert(slot uint32) {
	l.links.grow(slot + 1)
	*l.links.ref(slot) = link{l.ends.prev, none}
	if l.ends.prev == none {
		l.ends.next = slot
	} else {
		l.links.ref(l.ends.prev).next = slot
	}
	l.ends.prev = slot
}

func (l *list) update(uint32) {}

func (l *list) remove(slot uint32) {
	at := l.links.at(slot)
	if at.prev == none {
		l.ends.next = at.next
	} else {
		l.links.ref(at.prev).next = at.next
	}
	if at.next == none {
		l.ends.prev = at.prev
	} else {
		l.links.ref(at.next).prev = at.prev
	}
}

func (l *list) pick(Rand) (uint32, float64) {
	if l.last {
		return l.ends.prev, 1
	}
	return l.ends.next, 1
}
