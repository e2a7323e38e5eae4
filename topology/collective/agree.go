package collective

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tartrl/tlaunch-go/actor"
)

// How members agree on what became of an attempt: each that is not through reports to the first of them, which tells all what follows.
// Where the first is gone that is the next one's affair. Whoever has heard the verdict tells it when asked, also later, so that all who live come to the same
// one, whoever has heard it before the first was gone; and who is through tells, when asked, that the result is certain.

// A report is how an attempt went at a member; a verdict what follows for all.
type report struct {
	Have    bool   // it has all that is its; of a verdict: all have
	Missing []int  // by rank: these were found to be gone; of a verdict: it has to be done without them
	Result  []byte // of a verdict of one that was through: what is the same at all, if that is kept
}

// agree is a round behind an attempt that failed as a member is gone. The next attempt follows where its op goes onward.
func (t *task) agree(ctx context.Context, last *op, gone []int, failed error) (*op, report, error) {
	m := t.m
	sig := t.sig
	sig.op, sig.set = opAgree, setHash(nil, gone)
	o, err := m.begin(ctx, last, gone, sig, nil)
	if err != nil {
		return nil, report{}, err
	}
	v, err := o.agree(t.enough, report{Have: last.have, Missing: m.plan.missingRanks(failed)})
	if err == nil && !v.Have {
		all := union(gone, v.Missing)
		o.onward = len(all) > len(gone) && !slices.Contains(all, m.rank) && !slices.Contains(all, t.root)
	}
	if v.Have {
		o.has()
	}
	err = o.end(err)
	return o, v, err
}

// enough tells whether the result is certain by what all who live report.
func (t *task) enough(reports map[int]report) bool {
	if t.sig.op == opGather || t.sig.op == opReduce {
		return reports[t.root].Have
	}
	for _, r := range reports {
		if !r.Have {
			return false
		}
	}
	return true
}

func (o *op) agree(enough func(map[int]report) bool, mine report) (report, error) {
	me := o.m.rank
	var dead []int
	for rank := range o.m.plan.shape.Len() {
		switch {
		case slices.Contains(o.gone, rank):
			continue
		case rank == me:
			return o.preside(enough, mine, dead)
		}
		v, err := o.follow(rank, mine)
		if !isGoneMember(err, rank) {
			return v, err
		}
		dead = append(dead, rank)
		o.giveUp(rank)
	}
	return report{}, nil // not reached: this member is among them
}

// giveUp notes that this member has nothing to do with another any more in an agreement, for that one to hear when it asks: it would wait for this one, where it lives.
func (o *op) giveUp(rank int) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.given == nil {
		o.given = map[int]bool{}
	}
	o.given[rank] = true
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
	passed := false // another one presides
	err := o.wait(from, func() bool {
		if o.verdict != nil {
			data = o.verdict
			return true
		}
		s := o.m.slotLocked(o.seq, from, stream)
		if len(s.queue) == 0 {
			passed = from < o.claimed
			return passed
		}
		p := s.queue[0]
		s.queue = s.queue[1:]
		data = slices.Clone(p.payload)
		o.m.usedLocked(p)
		p.free()
		return true
	})
	if passed {
		err = &goneError{from, o.m.plan.name(from), errPassed}
	}
	return data, err
}

// name notes who was found to be gone: one of these that has not come to the operation is not waited for. It may have been started again, unknown to this member.
func (o *op) name(ranks []int) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.named = append(o.named, ranks...)
}

// claimLocked notes that another member asks for this one's report: it presides, and takes for gone those before it. Who waits for one of these waits for nobody any more, whatever
// is between them.
func (o *op) claimLocked(by int) {
	if o.sig.op == opAgree && by < o.m.rank && by > o.claimed {
		o.claimed = by
		o.m.ringLocked()
	}
}

// settle notes the verdict for others that ask.
func (o *op) settle(verdict []byte) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.verdict = verdict
	o.m.ringLocked()
}

// preside hears all who live, decides, and tells them. dead are those that would have presided.
func (o *op) preside(enough func(map[int]report) bool, mine report, dead []int) (v report, err error) {
	var mu sync.Mutex
	reports := map[int]report{o.m.rank: mine}
	o.name(mine.Missing)
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
		o.name(r.Missing)
		return err
	})
	if err != nil {
		return v, err
	}
	o.m.mu.Lock()
	data := o.verdict
	o.m.mu.Unlock()
	if data == nil { // nobody is through, or has heard a verdict from a member that presided before, and is gone
		v = decide(enough, reports, dead)
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
func decide(enough func(map[int]report) bool, reports map[int]report, dead []int) report {
	if enough(reports) {
		return report{Have: true}
	}
	missing := dead
	for _, r := range reports {
		missing = append(missing, r.Missing...)
	}
	return report{Missing: union(missing, nil)}
}
