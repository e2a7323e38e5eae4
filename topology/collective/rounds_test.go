package collective

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// memberOf is a member of a net of n, in a round of its first operation.
func memberOf(t *testing.T, n int, of *op) *Member {
	m := &Member{plan: netOf(t, n, n)}
	m.readyLocked()
	of.m, of.ctx, of.restarts = m, t.Context(), make([]int, n)
	m.seq = of.seq
	return m
}

// An agreement that another ends when its verdict is there already has failed for this member: one that goes on by the verdict hears so, and waits for nothing.
func TestAgreementThatIsEndedBehindItsVerdict(t *testing.T) {
	o := &op{seq: 1<<roundBits | 1, sig: signature{op: opAgree}, onward: true, verdict: []byte{1}}
	m := memberOf(t, 2, o)
	m.current = o
	o.fail(&abortedError{"m1", "canceled", context.Canceled})
	require.ErrorIs(t, o.end(nil), context.Canceled)
	s, err := m.CollectiveAsk(t.Context(), Probe{Seq: 1<<roundBits | 2, From: 1, Instance: 5})
	require.NoError(t, err)
	require.Equal(t, whereFailed, s.Where)
	require.Equal(t, failedCanceled, s.Failure[0].Kind)
}

// A member that was left out may live, and go on with others: what it sends for the same round is no disagreement.
func TestRoundsOfThoseLeftOut(t *testing.T) {
	last := &op{seq: 1<<roundBits | 1}
	m := memberOf(t, 3, last)
	next := last.seq + 1
	s := m.slotLocked(next, 2, 0)
	s.queue = append(s.queue, &packet{header: header{seq: next, from: 2, sig: signature{op: opBarrier, set: 7}}})
	o, err := m.begin(t.Context(), last, []int{2}, signature{op: opBarrier, set: 9}, nil)
	require.NoError(t, err)
	require.NoError(t, o.err)
}
