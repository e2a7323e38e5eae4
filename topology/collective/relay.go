package collective

// gather brings each member's part to the root, into its place of all, which only the root has. Each member passes on what comes from below
// it, member by member in the order of the tree: the other end reads in the same order, so nothing waits for what is behind it.
func (o *op) gather(t *tree, mine, all []byte) error {
	me := o.m.rank
	up := t.parent[me]
	if up >= 0 {
		for _, from := range t.below(me) {
			if err := o.pass(t, from, up, mine); err != nil {
				return err
			}
		}
		return nil
	}
	each := len(mine)
	copy(all[me*each:], mine)
	var parts []func() error
	for _, child := range t.children[me] {
		parts = append(parts, func() error {
			for _, from := range t.below(child) {
				if err := o.take(child, stream(streamPart, from), all[from*each:(from+1)*each]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return o.eachOrNone(parts)
}

func (o *op) eachOrNone(parts []func() error) error {
	if len(parts) == 0 {
		return nil
	}
	return o.each(parts...)
}

// pass sends a member's part, this one's own or one from below, up.
func (o *op) pass(t *tree, from, up int, mine []byte) error {
	if from == o.m.rank {
		return o.give(up, stream(streamPart, from), mine)
	}
	return o.relay(t.towards(o.m.rank, from), up, stream(streamPart, from), o.whole(mine).count())
}

// towards is the child of a member through which another below it is reached.
func (t *tree) towards(member, below int) int {
	for t.parent[below] != member {
		below = t.parent[below]
	}
	return below
}

// scatter brings each member its part of all, which only the root has.
func (o *op) scatter(t *tree, all, mine []byte) error {
	me := o.m.rank
	up, each := t.parent[me], len(mine)
	if up >= 0 {
		for _, to := range t.below(me) {
			var err error
			if to == me {
				err = o.take(up, stream(streamPart, to), mine)
			} else {
				err = o.relay(up, t.towards(me, to), stream(streamPart, to), o.whole(mine).count())
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	copy(mine, all[me*each:])
	var parts []func() error
	for _, child := range t.children[me] {
		parts = append(parts, func() error {
			for _, to := range t.below(child) {
				if err := o.give(child, stream(streamPart, to), all[to*each:(to+1)*each]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return o.eachOrNone(parts)
}

// give sends data as a stream.
func (o *op) give(to int, stream uint32, data []byte) error {
	c := o.whole(data)
	for i := range c.count() {
		if err := o.send(to, stream, uint32(i), 0, c.piece(i)); err != nil {
			return err
		}
	}
	return nil
}

// take receives data as a stream.
func (o *op) take(from int, stream uint32, data []byte) error {
	c := o.whole(data)
	for i := range c.count() {
		if err := o.takePiece(from, stream, c.piece(i)); err != nil {
			return err
		}
	}
	return nil
}

// takePiece receives the next message of a stream into its place.
func (o *op) takePiece(from int, stream uint32, to []byte) error {
	p, err := o.receiveLike(from, stream, to)
	if err != nil {
		return err
	}
	o.saved.keep(to)
	copy(to, p.payload)
	o.m.release(o.ctx, p)
	return nil
}

// relay passes so many messages of a stream on as they come.
func (o *op) relay(from, to int, stream uint32, n int) error {
	for i := range n {
		p, err := o.receive(from, stream)
		if err != nil {
			return err
		}
		if err := o.forward(p, to, stream, uint32(i)); err != nil {
			return err
		}
	}
	return nil
}
