package collective

import "github.com/tartrl/tlaunch-go/internal/pool"

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
			s.before = func(i int) error { return o.reach(c.sent, i+1) }
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

// chunk puts a chunk together from this member's and those of the members below it, in their order, and sends it on.
func (c *climbing) chunk(i int) error {
	o, me := c.o, c.o.m.rank
	mine := c.data.piece(i)
	up := c.tree.parent[me]
	into := mine
	if up >= 0 && len(c.tree.children[me]) > 0 {
		room := pool.Get(len(mine))
		defer pool.Put(room)
		into = *room
		copy(into, mine)
	}
	for _, child := range c.tree.children[me] {
		if err := o.combine(child, stream(streamUp, c.number), into, c.by); err != nil {
			return err
		}
	}
	if up < 0 {
		c.by.finish(into, len(c.tree.parent))
		return nil
	}
	return o.send(up, stream(streamUp, c.number), uint32(i), 0, into)
}

// combine puts the next message of a stream together with what is in into.
func (o *op) combine(from int, stream uint32, into []byte, by *reducer) error {
	p, err := o.receive(from, stream)
	if err != nil {
		return err
	}
	defer o.m.release(o.ctx, p)
	if len(p.payload) != len(into) {
		return fill(into, p)
	}
	by.combine(into, p.payload)
	return nil
}
