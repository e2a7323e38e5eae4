package collective

import "fmt"

// A climbing brings the data of all to the root of a tree, chunk by chunk, put together on the way.
type climbing struct {
	o      *op
	number int
	tree   *tree
	data   chunks
	by     *reducer
	sent   mark // so many chunks of this member are on their way, or at the root: put together
}

func (o *op) climbings(trees []tree, data []byte, by *reducer) (all []*climbing) {
	for t := range trees {
		all = append(all, &climbing{o, t, &trees[t], o.whole(data).among(t, len(trees)), by, o.newMark()})
	}
	return all
}

// reduce puts the data of all together at the root, in place; elsewhere data stays as it is.
func (o *op) reduce(trees []tree, data []byte, by *reducer) error {
	var all []func() error
	for _, c := range o.climbings(trees, data, by) {
		all = append(all, c.run)
	}
	return o.each(all...)
}

// allReduce puts the data of all together, in place. A chunk goes down again as soon as it is at the root.
func (o *op) allReduce(trees []tree, data []byte, by *reducer) error {
	var all []func() error
	for t, c := range o.climbings(trees, data, by) {
		s := &spread{o: o, number: t, tree: c.tree, data: c.data, have: o.newMark()}
		if c.tree.parent[o.m.rank] < 0 {
			s.have = c.sent
		} else {
			s.before = func(i int) bool { return o.marks[c.sent] > i }
		}
		all = append(all, c.run, s.run)
	}
	return o.each(all...)
}

func (c *climbing) run() error {
	for i := range c.data.count() {
		if err := c.chunk(i); err != nil {
			return err
		}
		c.o.advance(c.sent, i+1)
	}
	return nil
}

// chunk puts a chunk together from this member's and those of the members below it, in their order, and sends it on: in the memory in which the first
// of them came.
func (c *climbing) chunk(i int) error {
	o, me := c.o, c.o.m.rank
	mine := c.data.piece(i)
	up, below := c.tree.parent[me], c.tree.children[me]
	if up >= 0 && len(below) == 0 {
		return o.send(up, stream(streamUp, c.number), uint32(i), 0, mine)
	}
	if up < 0 {
		o.saved.keep(mine)
		for _, child := range below {
			if err := o.combine(child, stream(streamUp, c.number), mine, mine, c.by); err != nil {
				return err
			}
		}
		c.by.finish(mine, o.members())
		return nil
	}
	p, err := o.receiveLike(below[0], stream(streamUp, c.number), mine)
	if err != nil {
		return err
	}
	c.by.combine(p.payload, mine, p.payload)
	for _, child := range below[1:] {
		if err := o.combine(child, stream(streamUp, c.number), p.payload, p.payload, c.by); err != nil {
			o.m.release(o.ctx, p)
			return err
		}
	}
	return o.forward(p, up, stream(streamUp, c.number), uint32(i))
}

// receiveLike is receive of a message that is as long as what it belongs to.
func (o *op) receiveLike(from int, stream uint32, like []byte) (*packet, error) {
	p, err := o.receive(from, stream)
	if err == nil && !o.isLike(p, like) {
		return nil, fmt.Errorf("%w: from %s came a message of another length than belongs there", ErrLost, o.m.plan.name(from))
	}
	return p, err
}

// isLike tells whether a message is as long as what it belongs to; if not the operation has failed, and the message was released.
func (o *op) isLike(p *packet, like []byte) bool {
	if len(p.payload) == len(like) {
		return true
	}
	o.fail(fmt.Errorf("%w: %d bytes came where %d belong", ErrLost, len(p.payload), len(like)))
	o.m.release(o.ctx, p)
	return false
}

// combine puts the next message of a stream together with what is in with.
func (o *op) combine(from int, stream uint32, into, with []byte, by *reducer) error {
	p, err := o.receiveLike(from, stream, into)
	if err != nil {
		return err
	}
	by.combine(into, with, p.payload)
	o.m.release(o.ctx, p)
	return nil
}
