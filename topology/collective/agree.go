package collective

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
)

// How members agree on what became of an operation that goes on without those who end: each reports to the first of them, which tells all what follows.
// Where the first is gone that is the next one's affair. Whoever has heard the verdict tells it when asked, also later, so that all who live come to the same
// one, whoever has heard it before the first was gone.

// A report is how an attempt went at a member; a verdict what follows for all. With neither all have the result.
type report struct {
	Missing []int     // by rank: it has to be done without them
	Failure []failure // one: it has failed for good
}

// reportOn describes how an attempt ended here.
func (m *Member) reportOn(err error) (r report) {
	var missing *MissingError
	switch {
	case err == nil:
	case errors.As(err, &missing):
		for rank := range m.plan.shape.Len() {
			if slices.Contains(missing.Members, m.plan.name(rank)) {
				r.Missing = append(r.Missing, rank)
			}
		}
	default:
		r.Failure = append(r.Failure, *newFailure(m.plan.name(m.rank), err))
	}
	return r
}

// agree is an operation of its own, behind each attempt.
func (m *Member) agree(ctx context.Context, of signature, gone []int, mine report) (report, error) {
	o, err := m.begin(ctx, signature{op: opAgree, algo: of.algo, elem: of.elem, size: of.size, chunk: of.chunk, set: setHash(nil, gone)})
	if err != nil {
		return report{}, err
	}
	o.gone = gone
	v, err := o.agree(mine)
	return v, o.end(err)
}

func (o *op) agree(mine report) (report, error) {
	me := o.m.rank
	for rank := range o.m.plan.shape.Len() {
		switch {
		case slices.Contains(o.gone, rank):
			continue
		case rank == me:
			return o.preside(mine)
		}
		v, err := o.follow(rank, mine)
		if !isGoneMember(err, rank) {
			return v, err
		}
	}
	return report{}, nil // not reached: this member is among them
}

// follow reports to who presides, and waits for the verdict.
func (o *op) follow(head int, mine report) (v report, err error) {
	data, err := actor.Encode(mine)
	if err != nil {
		return v, err
	}
	if err := o.send(head, stream(streamReport, 0), 0, 0, data); err != nil {
		return v, err
	}
	data, err = o.hear(head, stream(streamVerdict, 0))
	if err != nil {
		return v, err
	}
	o.settle(data)
	return o.m.plan.readReport(data)
}

// readReport reads a report or a verdict. It may name members of this group alone.
func (p *plan) readReport(data []byte) (r report, err error) {
	if err := actor.Decode(data, &r); err != nil {
		return report{}, err
	}
	for _, rank := range r.Missing {
		if rank < 0 || rank >= p.shape.Len() {
			return report{}, fmt.Errorf("%w: a report of member %d of %d", errMessage, rank, p.shape.Len())
		}
	}
	return r, nil
}

// hear receives a message, or the verdict from another side.
func (o *op) hear(from int, stream uint32) ([]byte, error) {
	var data []byte
	err := o.wait(from, func() bool {
		if o.verdict != nil {
			data = o.verdict
			return true
		}
		s := o.m.slotLocked(o.seq, from, stream)
		if len(s.queue) == 0 {
			return false
		}
		p := s.queue[0]
		s.queue = s.queue[1:]
		data = slices.Clone(p.payload)
		o.m.edges[from].parked -= len(p.whole)
		o.m.edges[from].owed += len(p.whole)
		return true
	})
	return data, err
}

// settle notes the verdict for others that ask.
func (o *op) settle(verdict []byte) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.verdict = verdict
	o.m.ringLocked()
}

// preside hears all who live, decides, and tells them.
func (o *op) preside(mine report) (v report, err error) {
	var mu sync.Mutex
	var dead []int
	reports := map[int]report{o.m.rank: mine}
	err = o.withOthers(func(rank int) error {
		data, err := o.hear(rank, stream(streamReport, 0))
		var r report
		if err == nil {
			r, err = o.m.plan.readReport(data)
		}
		mu.Lock()
		defer mu.Unlock()
		if isGoneMember(err, rank) {
			dead = append(dead, rank)
			return nil
		}
		reports[rank] = r
		return err
	})
	if err != nil {
		return v, err
	}
	o.m.mu.Lock()
	data := o.verdict
	o.m.mu.Unlock()
	if data == nil { // nobody has heard one from a member that presided before, and is gone
		v = decide(reports, dead)
		if data, err = actor.Encode(v); err != nil {
			return v, err
		}
		o.settle(data)
	} else if v, err = o.m.plan.readReport(data); err != nil {
		return v, err
	}
	return v, o.withOthers(func(rank int) error {
		err := o.send(rank, stream(streamVerdict, 0), 0, 0, data)
		if isGoneMember(err, rank) {
			return nil
		}
		return err
	})
}

// withOthers does something with each member that comes after this one, at once.
func (o *op) withOthers(f func(rank int) error) error {
	var all []func() error
	for rank := o.m.rank + 1; rank < o.m.plan.shape.Len(); rank++ {
		if !slices.Contains(o.gone, rank) {
			all = append(all, func() error { return f(rank) })
		}
	}
	return o.eachOrNone(all)
}

// decide draws the conclusion from what members report. Those who died before they did are no obstacle where all others have the result.
func decide(reports map[int]report, dead []int) (v report) {
	for rank := range reports {
		v.Missing = append(v.Missing, reports[rank].Missing...)
		if len(reports[rank].Failure) > 0 && len(v.Failure) == 0 {
			v.Failure = reports[rank].Failure
		}
	}
	if len(v.Missing) > 0 {
		v.Missing = append(v.Missing, dead...)
	}
	slices.Sort(v.Missing)
	v.Missing = slices.Compact(v.Missing)
	return v
}
