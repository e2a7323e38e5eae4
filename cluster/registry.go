package cluster

import (
	"context"
	"iter"
)

// A Registry holds the members of runs. All methods may be called at once
// from several goroutines. After Close they return [ErrClosed].
type Registry interface {
	// Register enters m, or updates the entry of the same incarnation, and
	// keeps it there and healthy until Deregister or Close. A higher
	// incarnation replaces a lower one; the error is ErrFenced if a higher
	// one is registered or this one was deregistered, and ErrInvalid if
	// [Member.Validate] objects.
	Register(ctx context.Context, m Member) error

	// Deregister removes the host's entry, whoever registered it, and bars
	// the incarnation and those below it from registering again. It does
	// nothing, and returns nil, if a higher incarnation is registered; it
	// returns nil if none is.
	Deregister(ctx context.Context, run, host string, incarnation uint64) error

	// Members returns the run's members sorted by host, an empty list for a
	// run that nobody has heard of.
	Members(ctx context.Context, run string) ([]Member, error)

	// Watch iterates over the run's list of members: the current list at
	// once, then the whole list after each change. Lists that a slow reader
	// missed are skipped. The error is nil with every list; the last element
	// is nil with the reason of the end (the context's error, ErrClosed, or
	// a registry that refuses), unless the loop was left before.
	Watch(ctx context.Context, run string) iter.Seq2[[]Member, error]

	// Describe stores the run's description, at most [MaxDescription] bytes,
	// in place of an earlier one. It is removed when this registry closes.
	Describe(ctx context.Context, run string, description []byte) error

	// Description returns what Describe stored, or ErrNoDescription.
	Description(ctx context.Context, run string) ([]byte, error)

	// Close removes what was registered and described through this value and
	// ends everything it runs. If ctx ends first, or the registry cannot be
	// reached, what is left there expires and the error says so; nothing
	// keeps running here in any case. Further calls return nil.
	Close(ctx context.Context) error
}

var (
	_ Registry = (*Embedded)(nil)
	_ Registry = (*Client)(nil)
	_ Registry = (*Consul)(nil)
)
