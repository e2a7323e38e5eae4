package collective

// tallyWidth is how far behind the newest message of a member another may be that has not come yet. They come along one way in their order, and out of it where a
// member between is gone: by no more than that may have had under way.
const tallyWidth = 4096

// A tally knows which messages of another member have come, by their numbers, so that nobody acts on one twice: a bitmap that slides, as in RFC 6479.
// What is further behind than it is wide counts as come.
type tally struct {
	instance uint64 // of the other
	former   uint64 // the one before: what still comes of it, by another way, is of a member that is gone
	newest   uint64
	seen     [tallyWidth / 64]uint64 // by number modulo width
}

// first notes a message, and reports whether it had not come before.
func (t *tally) first(instance, number uint64) bool {
	switch instance {
	case t.instance:
	case t.former:
		return false
	default:
		*t = tally{instance: instance, former: t.instance}
	}
	if number+tallyWidth <= t.newest {
		return false
	}
	if number > t.newest {
		for i := max(t.newest+1, number-min(number, tallyWidth-1)); i <= number; i++ {
			t.seen[i/64%uint64(len(t.seen))] &^= 1 << (i % 64)
		}
		t.newest = number
	}
	word, bit := &t.seen[number/64%uint64(len(t.seen))], uint64(1)<<(number%64)
	had := *word&bit != 0
	*word |= bit
	return !had
}
