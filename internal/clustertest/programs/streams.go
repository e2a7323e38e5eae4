package programs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// StreamsConfig is for [Streams].
type StreamsConfig struct {
	// For is how long everybody sends.
	For time.Duration
	// Restart starts a host that dies again.
	Restart bool
}

// Bank is a node that sends numbers to all others and holds those it gets to their order.
type Bank struct {
	others []actor.Ref[*Bank]
	length time.Duration
	again  bool // a bank that is started again has missed what came before

	life    string // tells the streams of one that was started again from those before
	flows   map[string]*flow
	longest time.Duration // between two numbers of one sender
	wrong   error         // the first of what came out of order
}

// flow is what a bank has of one sender.
type flow struct {
	first, next int
	last        time.Time
}

// Number is one message of a stream.
type Number struct {
	From string
	N    int
}

var (
	_ = actor.Action((*Bank).Take)
	_ = actor.Method((*Bank).Taken)
)

// Start begins with nothing.
func (b *Bank) Start(ctx context.Context) error {
	b.life, b.flows = fmt.Sprintf("%s:%x", actor.Self(ctx), rand.Uint64()), map[string]*flow{}
	return nil
}

// Take takes a number, which follows the one before.
func (b *Bank) Take(_ context.Context, n Number) error {
	now := time.Now()
	f := b.flows[n.From]
	if f == nil {
		f = &flow{first: n.N, next: n.N, last: now}
		b.flows[n.From] = f
		if n.N != 0 && !b.again {
			b.wrong = cmp.Or(b.wrong, fmt.Errorf("the stream of %s begins with %d", n.From, n.N))
		}
	}
	if n.N != f.next {
		b.wrong = cmp.Or(b.wrong, fmt.Errorf("%d of %s comes after %d", n.N, n.From, f.next-1))
	}
	f.next = n.N + 1
	b.longest, f.last = max(b.longest, now.Sub(f.last)), now
	return nil
}

// Taken is the number that is expected next of a sender, whose call follows its tells, or what was wrong with any stream.
func (b *Bank) Taken(_ context.Context, from string) (int, error) {
	if f := b.flows[from]; f != nil {
		return f.next, b.wrong
	}
	return 0, b.wrong
}

// Run sends until its time is over, each stream for itself.
func (b *Bank) Run(ctx context.Context) error {
	errs := make([]error, len(b.others))
	sent := make([]int, len(b.others))
	var all sync.WaitGroup
	for i, o := range b.others {
		all.Go(func() { sent[i], errs[i] = b.stream(ctx, o) })
	}
	all.Wait()
	total := 0
	for i, err := range errs {
		if err != nil {
			return err
		}
		total += sent[i]
	}
	slog.InfoContext(ctx, "streams are whole", "sent", total)
	return nil
}

// stream sends numbers, a thousand or so in a second, and asks now and then how far they have come.
func (b *Bank) stream(ctx context.Context, to actor.Ref[*Bank]) (n int, err error) {
	end := time.Now().Add(b.length)
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for time.Now().Before(end) {
		<-pace.C
		for range 10 {
			if err := actor.Tell(ctx, to, (*Bank).Take, Number{b.life, n}); err != nil {
				if !b.again || ctx.Err() != nil {
					return n, err
				}
				slog.InfoContext(ctx, "not sent", "error", err)
				break
			}
			n++
		}
		if n%1000 == 0 {
			if err := b.compare(ctx, to, n); err != nil {
				return n, err
			}
		}
	}
	return n, b.compare(ctx, to, n)
}

// compare asks how far the stream has come: all of it, where the other is the one it was.
func (b *Bank) compare(ctx context.Context, to actor.Ref[*Bank], n int) error {
	asked := time.Now()
	have, err := actor.Call(ctx, to, (*Bank).Taken, b.life)
	switch {
	case err != nil && b.again && ctx.Err() == nil:
		slog.InfoContext(ctx, "no answer", "after", time.Since(asked), "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("after %v: %w", time.Since(asked), err)
	case have != n && !b.again:
		return fmt.Errorf("%d numbers were sent, %d have come", n, have)
	}
	return nil
}

// Stop reports.
func (b *Bank) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "streams end", "longest", b.longest.Round(time.Millisecond))
	return nil
}

// Streams has a bank on each host.
var Streams = tlaunch.Define("streams", func(p *tlaunch.Program, cfg StreamsConfig) error {
	var policies []tlaunch.Policy
	if cfg.Restart {
		policies = append(policies, tlaunch.Restart(tlaunch.Restarts{Max: 5}))
	}
	banks := make([]*Bank, len(p.Hosts()))
	refs := make([]actor.Ref[*Bank], len(banks))
	for i, h := range p.Hosts() {
		banks[i] = &Bank{length: cfg.For, again: cfg.Restart}
		refs[i] = tlaunch.Add(p, "bank", banks[i], tlaunch.On(h), tlaunch.OnFailure(policies...))
	}
	for i, b := range banks {
		for j, r := range refs {
			if i != j {
				b.others = append(b.others, r)
			}
		}
	}
	return nil
})
