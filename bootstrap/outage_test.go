package bootstrap

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// Tries follow each other fast as long as the usual lease lasts, and are never far apart.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n     int
		lease time.Duration
		r     float64
		want  time.Duration
	}{
		{0, DefaultLease, 0.5, 500 * time.Millisecond},
		{6, DefaultLease, 0.5, 500 * time.Millisecond},
		{7, DefaultLease, 0.5, 666666666},
		{1000, DefaultLease, 0.5, 5 * time.Second},
		{0, time.Hour, 0.5, 500 * time.Millisecond},
		{0, minLease, 0.5, 10 * time.Millisecond},
		{0, DefaultLease, 0, 375 * time.Millisecond},
		{0, DefaultLease, 1, 625 * time.Millisecond},
	} {
		require.Equal(t, c.want, pause(c.n, c.lease, c.r), "%+v", c)
	}
}

// However long a host says nothing, few tries are under way, and the oldest has all of its time.
func TestTriesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var under, most, all int
		var longest time.Duration
		again := func(ctx context.Context, _ talk.BridgeReport) (*span, error) {
			began := time.Now()
			mu.Lock()
			under++
			all++
			most = max(most, under)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			under--
			longest = max(longest, time.Since(began))
			mu.Unlock()
			return nil, context.Cause(ctx)
		}
		p := &Process{
			cfg: &Config{Lease: time.Minute, Logger: slog.New(slog.DiscardHandler)}, host: inventory.Host{Name: "h"}, pulse: talk.NewPulse(),
			link: &link{again: again}, report: &talk.StartReport{},
		}
		o := p.beginOutage(errEnded)
		time.Sleep(40 * time.Second) // of the bubble
		o.end()
		require.Zero(t, under)
		require.LessOrEqual(t, most, maxTries+1, "the one that makes room ends while the next begins")
		require.Greater(t, all, 2*maxTries)
		require.Equal(t, tryPatience, longest)
	})
}

// While a try has its turn the next one waits for it, and the agent takes whoever comes: a second one would have it give up the first.
func TestNobodyTriesAfterOneThatWasSuccessful(t *testing.T) {
	t.Parallel()
	carried, far := net.Pipe()
	token := resume.Token{1}
	here, there := resume.New(carried, resume.Config{}), resume.New(far, resume.Config{})
	here.Allow(token)
	there.Allow(token)
	ctx, cancel := context.WithCancel(t.Context())
	o := &outage{cancel: cancel, turn: make(chan struct{}, 1)}
	var taken errgroup.Group
	p := &Process{
		cfg: &Config{Lease: patience}, pulse: talk.NewPulse(), stream: here, report: &talk.StartReport{},
		link: &link{again: func(context.Context, talk.BridgeReport) (*span, error) {
			near, other := net.Pipe()
			taken.Go(func() error { return there.Accept(other) })
			return &span{Reader: near, Writer: near, Closer: near, cut: func() { _ = near.Close() }, adopt: func(uint64) {
				require.NoError(t, ctx.Err())
				require.Len(t, o.turn, 1)
			}}, nil
		}},
	}
	require.NoError(t, p.reattach(ctx, ctx, o))
	require.Empty(t, o.turn)
	require.Error(t, ctx.Err(), "whose turn it is now gives up")
	require.Error(t, p.reattach(t.Context(), ctx, o))
	reason := errors.New("the test is over")
	here.Break(reason)
	there.Break(reason)
	require.Error(t, taken.Wait(), "the second was not taken")
	here.Wait()
	there.Wait()
}

func TestMakeRoom(t *testing.T) {
	given := map[int]bool{}
	var tries []*try
	for i := range maxTries {
		tries = makeRoom(tries)
		tries = append(tries, &try{cancel: func() { given[i] = true }})
	}
	require.Empty(t, given)
	tries = makeRoom(tries)
	require.Equal(t, map[int]bool{1: true}, given)
	require.Len(t, tries, maxTries-1)
	tries = append(tries, &try{cancel: func() { given[maxTries] = true }})
	tries[0].over.Store(true)
	require.Len(t, makeRoom(tries), maxTries-1, "who is done makes room")
	require.Len(t, given, 1)
}
