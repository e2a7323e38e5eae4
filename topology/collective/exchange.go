package collective

import (
	"math/bits"
	"slices"
)

// exchange sends each member its part of out, and receives one from each into use, in the order of the ring: at any time everyone sends to
// another and receives from another.
func (o *op) exchange(out func(rank int) []byte, use func(rank int) error) error {
	order := o.tour()
	n, place := len(order), slices.Index(order, o.m.rank)
	return o.each(func() error {
		for step := 1; step < n; step++ {
			to := order[(place+step)%n]
			if err := o.give(to, stream(streamPart, o.m.rank), out(to)); err != nil {
				return err
			}
		}
		return nil
	}, func() error {
		for step := 1; step < n; step++ {
			if err := use(order[(place+n-step)%n]); err != nil {
				return err
			}
		}
		return nil
	})
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
	return o.exchange(func(rank int) []byte { return o.part(out, rank) }, func(rank int) error {
		return o.take(rank, stream(streamPart, rank), o.part(in, rank))
	})
}

func (o *op) directAllGather(data []byte) error {
	return o.exchange(func(int) []byte { return o.part(data, o.m.rank) }, func(rank int) error {
		return o.take(rank, stream(streamPart, rank), o.part(data, rank))
	})
}

// directReduceScatter puts what comes together with this member's part, which is in its place of all, and leaves the sum in mine.
func (o *op) directReduceScatter(all, mine []byte, by *reducer) error {
	copy(mine, o.part(all, o.m.rank))
	err := o.exchange(func(rank int) []byte { return o.part(all, rank) }, func(rank int) error {
		c := o.whole(mine)
		for i := range c.count() {
			if err := o.combine(rank, stream(streamPart, rank), c.piece(i), c.piece(i), by); err != nil {
				return err
			}
		}
		return nil
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
