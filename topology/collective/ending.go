package collective

// An ending is how members make sure, before they are through with an operation that goes on without members that end, that its result is certain for all who live:
// whoever is through is proof that it is, for those that find a member gone.
type ending uint8

const (
	// endsAtOnce: who has the result keeps it for those who ask, as it is the same at all and small, or nothing.
	endsAtOnce ending = iota
	// endsByWord: the root knows when all have what they need, and tells the others.
	endsByWord
	// endsByReport: all report to the root that they have it, along a tree, and it tells them that all have.
	endsByReport
)

// keeps tells whether members that are through keep the result.
func (t *task) keeps() bool {
	return (t.sig.op == opAllReduce || t.sig.op == opAllGather) && len(t.result) <= keptBytes
}

// ending is how the operation ends.
func (t *task) ending() ending {
	switch op, algo := t.sig.op, t.sig.algo; {
	case op == opBarrier || t.keeps():
		return endsAtOnce
	case op == opGather || op == opReduce: // the others only give
		return endsByWord
	case op == opAllReduce && algo != Ring && algo != Doubling, op == opAllGather && algo != Ring && algo != Direct:
		return endsByWord // data comes down trees, and up them the word of who has it
	}
	return endsByReport
}

// conclude waits until the result is certain for all.
func (t *task) conclude(o *op) error {
	how := t.ending()
	if how == endsAtOnce {
		return nil
	}
	trees, err := t.m.plan.treesWithout(Doubling, int(o.sig.root), o.gone, nil)
	if err != nil {
		return err
	}
	up, below := trees[0].parent[o.m.rank], trees[0].children[o.m.rank]
	if how == endsByReport {
		for _, child := range below {
			if err := o.hearWord(child, streamEnd); err != nil {
				return err
			}
		}
		if up >= 0 {
			if err := o.send(up, stream(streamEnd, 0), 0, 0, nil); err != nil {
				return err
			}
		}
	}
	if up >= 0 {
		if err := o.hearWord(up, streamOver); err != nil {
			return err
		}
	}
	for _, child := range below {
		if err := o.send(child, stream(streamOver, 0), 0, 0, nil); err != nil && !isGoneMember(err, child) {
			return err
		}
	}
	return nil
}
