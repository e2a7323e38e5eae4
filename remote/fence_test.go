package remote

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// A process that was declared gone, and is alive after all, talks to nobody who knows.
func TestFence(t *testing.T) {
	for name, pairOf := range map[string]func(testing.TB) *pair{
		"certificates": tlsPair,
		"plaintext":    func(t testing.TB) *pair { return memoryPair(t, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			p := pairOf(t)
			_, toA := newInbox(t, p.a, "target", 16)
			in, toB := newInbox(t, p.b, "target", 16)
			require.NoError(t, p.a.Send(within(t, 5*time.Second), toB, nil, text("one")))
			receive(t, in.user)

			p.a.Fence("bob", p.b.cfg.Address, 1)
			err := receive(t, p.aDowns)
			require.ErrorIs(t, err, ErrGone)
			require.ErrorIs(t, err, actor.ErrPeerGone)
			err = p.a.Send(within(t, 5*time.Second), toB, nil, text("two"))
			require.ErrorIs(t, err, actor.ErrPeerGone)
			require.ErrorIs(t, p.a.SendNow(toB, nil, text("three")), actor.ErrPeerGone)

			receive(t, p.bDowns)
			err = p.b.Send(within(t, 10*time.Second), toA, nil, text("I am alive"))
			require.ErrorIs(t, err, ErrRefused)
			require.Empty(t, in.user)
		})
	}
}

// The fence is for the member, wherever it is, and up to its incarnation.
func TestFenceHoldsForAMemberAtAnyAddress(t *testing.T) {
	authority := newAuthority(t, "run-1")
	for _, c := range []struct {
		role        Role
		name        string
		incarnation uint64
		refused     bool
	}{
		{RoleHost, "bob", 1, true},
		{RoleHost, "bob", 2, true},
		{RoleHost, "bob", 3, false},
		{RoleHost, "carol", 1, false},
		{RoleGuest, "bob", 1, false},
	} {
		p := trustPair(t, issue(t, authority, c.role, c.name, c.incarnation), issue(t, authority, RoleHost, "b", 1), nil)
		p.b.Fence("bob", "", 2)
		if err := p.try(t); c.refused {
			require.ErrorIs(t, err, ErrRefused, "%+v", c)
		} else {
			require.NoError(t, err, "%+v", c)
		}
	}
}

// Who waits for a host that does not answer is told when it is declared gone.
func TestFenceEndsAnAttempt(t *testing.T) {
	dialled := make(chan struct{})
	p := memoryPair(t, func(a, _ *Config) {
		a.HandshakeTimeout = time.Minute
		a.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			close(dialled)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
	})
	failed := make(chan error)
	go func() { failed <- p.a.Send(within(t, time.Minute), p.pid("nowhere:1"), nil, text("late")) }()
	<-dialled
	p.a.Fence("nowhere", "nowhere:1", 1)
	require.ErrorIs(t, receive(t, failed), ErrGone)
}
