package collective

import (
	"math/bits"
	"slices"
)

// exchange sends each member its part of out, and has use called with each chunk that comes: at any time everyone sends to another and receives from
// another, and turns to the next with each chunk. If they did so with each part, those that are ahead would all send to a member that is behind,
// and wait there until it comes to what they have sent, while their links to others are idle. All parts are of the same length.
//
// Members that have no room are passed over, and unless inOrder is set those from whom nothing has come yet.
func (o *op) exchange(inOrder bool, out func(rank int) []byte, use func(from, i int) error) error {
	order := o.tour()
	n, place := len(order), slices.Index(order, o.m.rank)
	c := o.whole(out(o.m.rank))
	after, before := make([]int, n-1), make([]int, n-1)
	for i := range n - 1 {
		after[i], before[i] = order[(place+i+1)%n], order[(place+n-i-1)%n]
	}
	return o.each(func() error {
		return o.rounds(after, c.count(), func(to, i int) bool { return o.reserveLocked(nil, to, headerSize+len(c.piece(i))) }, func(to, i int) error {
			return o.sendReserved(nil, to, stream(streamPart, o.m.rank), uint32(i), 0, o.whole(out(to)).piece(i))
		})
	}, func() error {
		return o.rounds(before, c.count(), func(from, _ int) bool { return inOrder || o.hasComeLocked(from, stream(streamPart, from)) }, use)
	})
}

// rounds has do called count times for each of others: for the one that is the furthest behind of those that are ready, which is called with the member's
// lock held and only followed by do where it is true.
func (o *op) rounds(others []int, count int, ready func(rank, i int) bool, do func(rank, i int) error) error {
	done := make([]int, len(others))
	for range count * len(others) {
		least := slices.Min(done)
		behind, pick := slices.Index(done, least), 0
		if err := o.wait(others[behind], func() bool {
			for i := least; i < count; i++ {
				more := false
				for k, rank := range others {
					if done[k] == i && ready(rank, i) {
						pick = k
						return true
					}
					more = more || done[k] > i
				}
				if !more {
					break
				}
			}
			return false
		}); err != nil {
			return err
		}
		if err := do(others[pick], done[pick]); err != nil {
			return err
		}
		done[pick]++
	}
	return nil
}

// tour is all members that take part, host by host.
func (o *op) tour() []int {
	return slices.DeleteFunc(o.m.plan.tour(0), func(rank int) bool { return slices.Contains(o.gone, rank) })
}

// members is how many take part.
func (o *op) members() int { return o.m.plan.shape.Len() - len(o.gone) }

// part is the place of a member in data that has one for each.
func (o *op) part(data []byte, rank int) []byte {
	each := len(data) / o.m.plan.shape.Len()
	return data[rank*each : (rank+1)*each]
}

func (o *op) allToAll(out, in []byte) error {
	copy(o.part(in, o.m.rank), o.part(out, o.m.rank))
	return o.exchange(false, func(rank int) []byte { return o.part(out, rank) }, o.intoPlace(in))
}

func (o *op) directAllGather(data []byte) error {
	return o.exchange(false, func(int) []byte { return o.part(data, o.m.rank) }, o.intoPlace(data))
}

// intoPlace receives chunks into data that has a part for each member.
func (o *op) intoPlace(data []byte) func(from, i int) error {
	return func(from, i int) error {
		return o.takePiece(from, stream(streamPart, from), o.whole(o.part(data, from)).piece(i))
	}
}

// directReduceScatter puts what comes together with this member's part, which is in its place of all, and leaves the sum in mine.
func (o *op) directReduceScatter(all, mine []byte, by *reducer) error {
	copy(mine, o.part(all, o.m.rank))
	c := o.whole(mine)
	err := o.exchange(true, func(rank int) []byte { return o.part(all, rank) }, func(from, i int) error {
		return o.combine(from, stream(streamPart, from), c.piece(i), c.piece(i), by)
	})
	if err == nil {
		by.finish(mine, o.members())
	}
	return err
}

// doubling exchanges everything with members at distances 1, 2, 4 …; those beyond the largest power of two give theirs to another first,
// and get the result from it.
func (o *op) doubling(data []byte, by *reducer) error {
	order := o.tour()
	n, place := len(order), slices.Index(order, o.m.rank)
	most := 1 << (bits.Len(uint(n)) - 1)
	c := o.whole(data)
	twin := -1 // of those that are too many, or who takes theirs
	switch {
	case place >= most:
		twin = order[place-most]
		if err := o.give(twin, stream(streamStep, 0), data); err != nil {
			return err
		}
		return o.take(twin, stream(streamStep, 1), data)
	case place+most < n:
		twin = order[place+most]
		for i := range c.count() {
			o.saved.keep(c.piece(i))
			if err := o.combine(twin, stream(streamStep, 0), c.piece(i), c.piece(i), by); err != nil {
				return err
			}
		}
	}
	for step, far := 2, 1; far < most; step, far = step+1, 2*far {
		if err := o.swap(order[place^far], stream(streamStep, step), c, by, place&far != 0); err != nil {
			return err
		}
	}
	for i := range c.count() {
		by.finish(c.piece(i), n)
	}
	if twin < 0 {
		return nil
	}
	return o.give(twin, stream(streamStep, 1), data)
}

// swap exchanges everything with another member, and puts the two together in the same order on both sides: that one's first where
// other is set.
func (o *op) swap(with int, stream uint32, c chunks, by *reducer, other bool) error {
	sent := o.newMark()
	return o.each(func() error {
		for i := range c.count() {
			if err := o.send(with, stream, uint32(i), 0, c.piece(i)); err != nil {
				return err
			}
			o.advance(sent, i+1)
		}
		return nil
	}, func() error {
		for i := range c.count() {
			mine := c.piece(i)
			p, err := o.receiveLike(with, stream, mine)
			if err != nil {
				return err
			}
			o.saved.keep(mine)
			if err = o.reach(sent, i+1); err == nil && other {
				by.combine(mine, p.payload, mine)
			} else if err == nil {
				by.combine(mine, mine, p.payload)
			}
			o.m.release(o.ctx, p)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// barrier tells members at distances 1, 2, 4 … that it is there, and hears the same of others: of all after the last step (Hensgen, Finkel,
// Manber 1988).
func (o *op) barrier() error {
	order := o.tour()
	n, place := len(order), slices.Index(order, o.m.rank)
	for step, far := 0, 1; far < n; step, far = step+1, 2*far {
		if err := o.send(order[(place+far)%n], stream(streamStep, step), 0, 0, nil); err != nil {
			return err
		}
		p, err := o.receive(order[(place+n-far)%n], stream(streamStep, step))
		if err != nil {
			return err
		}
		o.m.release(o.ctx, p)
	}
	return nil
}

// treeBarrier waits for all below, tells the one above, and passes on its word that all are there: two messages for each member but the root, where
// barrier takes as many as there are steps. No goroutine of its own waits for anybody, and nobody says that he has heard.
func (o *op) treeBarrier(t *tree) error {
	up, below := t.parent[o.m.rank], t.children[o.m.rank]
	for _, child := range below {
		if err := o.hearWord(child, streamUp); err != nil {
			return err
		}
	}
	if up >= 0 {
		if err := o.send(up, stream(streamUp, 0), 0, 0, nil); err != nil {
			return err
		}
		if err := o.hearWord(up, streamDown); err != nil {
			return err
		}
	}
	for _, child := range below {
		if err := o.send(child, stream(streamDown, 0), 0, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// hearWord waits for a message that says nothing but that it has come.
func (o *op) hearWord(from, about int) error {
	p, err := o.receive(from, stream(about, 0))
	if err == nil {
		o.m.release(o.ctx, p)
	}
	return err
}
