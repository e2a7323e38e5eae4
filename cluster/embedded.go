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
	changed  chan struct{}         // closed and replaced when a list of members changes, of whichever run
	sessions map[*session]struct{} // the Serve calls that run
}

// A watchedRoll is a roll and how often its members have changed.
type watchedRoll struct {
	*roll
	version uint64
}

// noRoll stands for runs that nobody has written to. It is only read.
var noRoll = &watchedRoll{roll: newRoll()}

const (
	maxRuns     = 1024           // that were written to
	maxSessions = 2 * MaxMembers // at once
)

// NewEmbedded returns an empty registry. It starts no goroutine.
func NewEmbedded() *Embedded {
	e := &Embedded{
		runs: make(map[string]*watchedRoll), changed: make(chan struct{}), sessions: make(map[*session]struct{}),
	}
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
	return e.update(ctx, run, func(r *roll) (bool, error) { return r.deregister(host, incarnation) })
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
	if err := e.read(ctx, run, func(w *watchedRoll) { out = slices.Clone(w.description) }); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoDescription, run)
	}
	return out, nil
}

// Members implements [Registry].
func (e *Embedded) Members(ctx context.Context, run string) ([]Member, error) {
	var out []Member
	err := e.read(ctx, run, func(w *watchedRoll) { out = w.members() })
	return out, err
}

// Watch implements [Registry].
func (e *Embedded) Watch(ctx context.Context, run string) iter.Seq2[[]Member, error] {
	return func(yield func([]Member, error) bool) {
		var seen uint64
		for first := true; ; first = false {
			var members []Member
			var changed <-chan struct{}
			err := e.read(ctx, run, func(w *watchedRoll) {
				changed = e.changed
				if first || w.version != seen {
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

// read runs f on the run's roll, which f may not change.
func (e *Embedded) read(ctx context.Context, run string, f func(*watchedRoll)) error {
	return e.enterRun(ctx, run, func() error {
		if w := e.runs[run]; w != nil {
			f(w)
		} else {
			f(noRoll)
		}
		return nil
	})
}

// update runs f on the run's roll, which begins with the first f that
// succeeds, and wakes the watchers if f reports a change.
func (e *Embedded) update(ctx context.Context, run string, f func(*roll) (changed bool, err error)) error {
	return e.enterRun(ctx, run, func() error {
		w := e.runs[run]
		if w == nil {
			if len(e.runs) >= maxRuns {
				return fmt.Errorf("%w: this registry has %d runs: use another for run %s", ErrFull, maxRuns, run)
			}
			w = &watchedRoll{roll: newRoll()}
		}
		changed, err := f(w.roll)
		if err != nil {
			return err
		}
		e.runs[run] = w
		if changed {
			e.wakeLocked(w)
		}
		return nil
	})
}

func (e *Embedded) wakeLocked(w *watchedRoll) {
	w.version++
	close(e.changed)
	e.changed = make(chan struct{})
}

// enterRun runs f under the lock, unless there is a reason not to.
func (e *Embedded) enterRun(ctx context.Context, run string, f func() error) error {
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
	return f()
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
		e.wakeLocked(w)
		for _, m := range gone {
			e.logger().Debug("member removed: its connection to the registry ended",
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
			_, _ = w.deregister(m.Host, m.Incarnation) // there is room for the floor of a host that has one
		}
		if len(gone) > 0 {
			e.wakeLocked(w)
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
