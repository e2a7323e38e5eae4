package cluster

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Embedded is a registry in memory, for the launcher. It is used directly as
// a [Registry], and Serve gives it to other processes. Create it with
// [NewEmbedded].
type Embedded struct {
	// Logger receives why entries were removed when a connection ended. Set
	// it before first use; nil discards.
	Logger *slog.Logger

	life context.Context // ends with Close
	end  context.CancelFunc

	mu       sync.Mutex
	closed   bool
	runs     map[string]*watchedRoll
	sessions map[*session]struct{} // the Serve calls that run
}

// A watchedRoll is a roll and what wakes its watchers.
type watchedRoll struct {
	*roll
	version uint64
	changed chan struct{} // closed and replaced at each new version
}

// NewEmbedded returns an empty registry. It starts no goroutine.
func NewEmbedded() *Embedded {
	e := &Embedded{runs: make(map[string]*watchedRoll), sessions: make(map[*session]struct{})}
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// Register implements [Registry].
func (e *Embedded) Register(ctx context.Context, m Member) error {
	return e.register(ctx, m, nil)
}

func (e *Embedded) register(ctx context.Context, m Member, owner *session) error {
	if err := m.Validate(); err != nil {
		return err
	}
	return e.update(ctx, m.Run, func(r *roll) (bool, error) { return r.register(m, owner) })
}

// Deregister implements [Registry].
func (e *Embedded) Deregister(ctx context.Context, run, host string, incarnation uint64) error {
	if err := validateHost(host); err != nil {
		return err
	}
	return e.update(ctx, run, func(r *roll) (bool, error) { return r.deregister(host, incarnation), nil })
}

// Describe implements [Registry].
func (e *Embedded) Describe(ctx context.Context, run string, description []byte) error {
	return e.describe(ctx, run, description, nil)
}

func (e *Embedded) describe(ctx context.Context, run string, description []byte, owner *session) error {
	if err := validateDescription(description); err != nil {
		return err
	}
	return e.update(ctx, run, func(r *roll) (bool, error) {
		r.description, r.describer = append([]byte{}, description...), owner
		return false, nil
	})
}

// Description implements [Registry].
func (e *Embedded) Description(ctx context.Context, run string) ([]byte, error) {
	var out []byte
	err := e.update(ctx, run, func(r *roll) (bool, error) {
		if r.description == nil {
			return false, fmt.Errorf("%w: %s", ErrNoDescription, run)
		}
		out = slices.Clone(r.description)
		return false, nil
	})
	return out, err
}

// Members implements [Registry].
func (e *Embedded) Members(ctx context.Context, run string) ([]Member, error) {
	var out []Member
	err := e.update(ctx, run, func(r *roll) (bool, error) { out = r.members(); return false, nil })
	return out, err
}

// Watch implements [Registry].
func (e *Embedded) Watch(ctx context.Context, run string) iter.Seq2[[]Member, error] {
	return func(yield func([]Member, error) bool) {
		var seen uint64 // versions begin at 1, so the first list always goes out
		for {
			var members []Member
			var changed <-chan struct{}
			err := e.visit(ctx, run, func(w *watchedRoll) {
				changed = w.changed
				if w.version != seen {
					seen, members = w.version, w.members()
				}
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if members != nil && !yield(members, nil) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			case <-e.life.Done():
			}
		}
	}
}

// update runs f on the run's roll and wakes the watchers if it reports a
// change.
func (e *Embedded) update(ctx context.Context, run string, f func(*roll) (changed bool, err error)) error {
	var failed error
	err := e.visit(ctx, run, func(w *watchedRoll) {
		var changed bool
		if changed, failed = f(w.roll); changed {
			w.wake()
		}
	})
	if err != nil {
		return err
	}
	return failed
}

func (w *watchedRoll) wake() {
	w.version++
	close(w.changed)
	w.changed = make(chan struct{})
}

func (e *Embedded) visit(ctx context.Context, run string, f func(*watchedRoll)) error {
	if err := validateRun(run); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	w := e.runs[run]
	if w == nil {
		w = &watchedRoll{roll: newRoll(), version: 1, changed: make(chan struct{})}
		e.runs[run] = w
	}
	f(w)
	return nil
}

// dropOwned removes what was registered over a connection that has ended.
func (e *Embedded) dropOwned(owner *session, reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for run, w := range e.runs {
		gone := w.drop(owner)
		if len(gone) == 0 {
			continue
		}
		w.wake()
		for _, m := range gone {
			e.logger().Info("member removed: its connection to the registry ended",
				"run", run, "host", m.Host, "incarnation", m.Incarnation, "reason", reason)
		}
	}
}

// retireOwned deregisters what was registered over a connection whose client
// says goodbye.
func (e *Embedded) retireOwned(owner *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.runs {
		gone := w.drop(owner)
		for _, m := range gone {
			w.deregister(m.Host, m.Incarnation)
		}
		if len(gone) > 0 {
			w.wake()
		}
	}
}

// Close implements [Registry]: the registry itself is gone. Watches end with
// ErrClosed, and every connection that is served is closed and waited for.
func (e *Embedded) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	sessions := slices.Collect(maps.Keys(e.sessions))
	clear(e.runs)
	e.mu.Unlock()
	e.end()
	for _, s := range sessions {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *Embedded) logger() *slog.Logger {
	if e.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Logger
}
