package remote

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// onRecord calls a function for each record.
type onRecord func()

func (onRecord) Enabled(context.Context, slog.Level) bool    { return true }
func (f onRecord) Handle(context.Context, slog.Record) error { f(); return nil }
func (f onRecord) WithAttrs([]slog.Attr) slog.Handler        { return f }
func (f onRecord) WithGroup(string) slog.Handler             { return f }

// Whoever sees that there is a link may put at once: what has waited for it is before that.
func TestWhatHasWaitedForALinkGoesFirst(t *testing.T) {
	var p *peer
	said, seen := 0, 0
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial, Logger: slog.New(onRecord(func() {
		said++
		if p.ready.Load() != nil {
			seen++
		}
	}))})
	p = e.peer("b:1")
	defer p.release()
	l := &link{e: e, p: p, own: true, out: newOutbox(1<<20, 1<<20, 1<<20)}
	l.out.end(errLeft) // so that each is counted, and said, when its turn comes
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = []waiting{{dataLane, *sizedParcel("x", 100)}}
	l.parcels = true
	p.sendOnLocked(l)
	require.Equal(t, 1, said)
	require.Zero(t, seen)
	require.Same(t, l, p.ready.Load())
	p.writeToLocked(nil)
}
