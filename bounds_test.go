package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

const boundedBytes = 64 << 10

// A scale tells how much it was given.
type scale struct{}

func (*scale) Weigh(_ context.Context, b []byte) (int, error) { return len(b), nil }

// A weigher sends more than the bounds of its program allow, and wants to hear so.
type weigher struct{ scale actor.Ref[*scale] }

func (w *weigher) Run(ctx context.Context) error {
	if n, err := actor.Call(ctx, w.scale, (*scale).Weigh, make([]byte, 1000)); err != nil || n != 1000 {
		return fmt.Errorf("weighed %d: %w", n, err)
	}
	if _, err := actor.Call(ctx, w.scale, (*scale).Weigh, make([]byte, 2*boundedBytes)); !errors.Is(err, actor.ErrTooLarge) {
		return fmt.Errorf("too much was taken: %w", err)
	}
	return nil
}

var boundedProgram = Define("test-bounded", func(p *Program, _ struct{}) error {
	s := Add(p, "scale", &scale{}, On("host1"))
	Add(p, "weigher", &weigher{s}, On("host2"))
	return nil
}, LocalHosts(2), Bounded(Bounds{MaxMessage: boundedBytes}))

func TestBoundsHoldInEachProcess(t *testing.T) {
	t.Parallel()
	run := launched(t, boundedProgram, struct{}{}, procs)
	require.NoError(t, run.Wait(within(t)))
}

func TestBoundsThatAreNone(t *testing.T) {
	t.Parallel()
	d := define(t, "test-bounds-none", func(p *Program, _ struct{}) error {
		Add(p, "scale", &scale{}, On("host1"))
		return nil
	}, Bounded(Bounds{MaxMessage: -1}))
	_, err := d.Launch(within(t), struct{}{}, procs)
	require.ErrorContains(t, err, "MaxMessage is negative")
}
