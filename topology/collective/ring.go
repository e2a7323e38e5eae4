package collective

import "slices"

// A pass sends parts of the data around a ring: in step s each member sends the part in the place its own minus s, plus shift, to the next,
// and receives the one before that; chunks are sent on as they come. In the first so many steps what comes is put together with what is
// there, afterwards it takes its place.
type pass struct {
	o        *op
	order    []int // the ring
	place    int   // this member's
	parts    []chunks
	shift    int
	steps    int
	combines int
	by       *reducer
	got      mark // so many chunks have come
	stock    stock
}

func (o *op) newPass(order []int, parts []chunks) *pass {
	return &pass{o: o, order: order, place: slices.Index(order, o.m.rank), parts: parts, got: o.newMark()}
}

// part is the one that is sent in a step; it came in the step before.
func (p *pass) part(step int) chunks {
	n := len(p.order)
	return p.parts[((p.place-step+p.shift)%n+n)%n]
}

func (p *pass) run() error {
	if len(p.order) == 1 {
		if p.by != nil {
			p.finish(0)
		}
		return nil
	}
	p.stock = stock{o: p.o, takers: 1}
	defer p.stock.empty()
	return p.o.each(p.send, p.receive)
}

func (p *pass) finish(place int) {
	part := p.parts[place]
	for i := range part.count() {
		p.by.finish(part.piece(i), len(p.order))
	}
}

func (p *pass) send() error {
	next := p.order[(p.place+1)%len(p.order)]
	index := 0 // of chunks
	own := p.part(0).count()
	for step := range p.steps {
		part := p.part(step)
		for i := range part.count() {
			if err := p.o.reach(p.got, index+1-own); err != nil {
				return err
			}
			if err := p.sendChunk(next, index, index-own, part.piece(i)); err != nil {
				return err
			}
			index++
		}
	}
	return nil
}

// sendChunk sends the message of that index, which came as the one of another, unless it is this member's own.
func (p *pass) sendChunk(to, index, came int, data []byte) error {
	if q := p.stock.take(came); q != nil {
		return p.o.forward(q, to, stream(streamRing, 0), uint32(index))
	}
	return p.o.send(to, stream(streamRing, 0), uint32(index), 0, data)
}

func (p *pass) receive() error {
	n := len(p.order)
	last := p.order[(p.place+n-1)%n]
	step, i, all := 0, 0, 0 // where the next chunk is, and how many there are
	for s := range p.steps {
		all += p.part(s + 1).count()
	}
	k := &sink{ready: func() bool { return p.o.marks[p.got] < all }, take: func(q *packet) {
		for i == p.part(step+1).count() { // a part may be empty
			step, i = step+1, 0
		}
		to := p.part(step + 1).piece(i)
		if !p.o.isLike(q, to) {
			return
		}
		came := p.came()
		p.use(q, step, came, to)
		i++
		p.o.advance(p.got, came+1)
	}}
	return p.o.drain(last, stream(streamRing, 0), k, func() bool { return p.o.marks[p.got] == all })
}

// came is how many chunks have come; for who takes them.
func (p *pass) came() int {
	p.o.m.mu.Lock()
	defer p.o.m.mu.Unlock()
	return p.o.marks[p.got]
}

// use does with a chunk what the step is for, and lets it go on. It comes around only after this member's own chunk of that place has gone, which
// is not needed any more: a sum that only passes by does not go through it.
func (p *pass) use(q *packet, step, index int, to []byte) {
	goesOn := step+1 < p.steps && !p.stock.isFull()
	switch {
	case step >= p.combines:
		p.o.saved.keep(to)
		copy(to, q.payload)
	case !goesOn:
		p.o.saved.keep(to)
		p.by.combine(to, to, q.payload)
		p.finishIn(step, to)
	default:
		p.by.combine(q.payload, to, q.payload)
		if p.finishIn(step, q.payload) {
			p.o.saved.keep(to)
			copy(to, q.payload)
		}
	}
	if goesOn {
		p.stock.put(index, q)
	} else {
		p.o.m.release(p.o.ctx, q)
	}
}

// finishIn ends the reduction of a chunk, and reports that, where it was the last step to put something together.
func (p *pass) finishIn(step int, chunk []byte) bool {
	if step != p.combines-1 {
		return false
	}
	p.by.finish(chunk, len(p.order))
	return true
}

// cut is data in n parts of whole numbers of width bytes, as even as can be.
func (o *op) cut(data []byte, n, width int) []chunks {
	parts := make([]chunks, n)
	each, over := len(data)/width/n, len(data)/width%n
	from := func(i int) int { return (each*i + over*i/n) * width } // not all·i/n, which overflows 32 bits
	for i := range parts {
		parts[i] = o.whole(data[from(i):from(i+1)])
	}
	return parts
}

// slots is data in parts of the same size, one for each member, in an order.
func (o *op) slots(data []byte, order []int) []chunks {
	parts := make([]chunks, len(order))
	each := len(data) / o.m.plan.shape.Len()
	for i, rank := range order {
		parts[i] = o.whole(data[rank*each : (rank+1)*each])
	}
	return parts
}

// ringAllReduce first puts each part together on its way around, then brings it around whole (Patarasuk, Yuan 2009).
func (o *op) ringAllReduce(data []byte, width int, by *reducer) error {
	order := o.tour()
	n := len(order)
	p := o.newPass(order, o.cut(data, n, width))
	p.steps, p.combines, p.by = 2*(n-1), n-1, by
	return p.run()
}

// ringReduceScatter leaves each member the part that is its own, put together, in its place of data.
func (o *op) ringReduceScatter(data []byte, by *reducer) error {
	order := o.tour()
	p := o.newPass(order, o.slots(data, order))
	p.steps, p.combines, p.shift, p.by = len(order)-1, len(order)-1, -1, by
	return p.run()
}

// ringAllGather brings the part of each member, which is in its place of data there, to all.
func (o *op) ringAllGather(data []byte) error {
	order := o.tour()
	p := o.newPass(order, o.slots(data, order))
	p.steps = len(order) - 1
	return p.run()
}
