package actor

import (
	"context"
	"errors"
)

// ErrNoParcels is returned by a [Route] to a process that takes messages only.
var ErrNoParcels = errors.New("actor: the process takes no parcels")

// errParcel is what is wrong with a parcel that says nothing.
var errParcel = errors.New("actor: a parcel that makes no sense")

// A Parcel is a message between the systems of two processes, in the form in which a transport between them needs least work: what many
// messages have in common is told apart from what differs.
type Parcel struct {
	Target string // the receiving node, or the other system itself
	Label  string // what all messages of one kind have in common, such as their method
	Head   []byte // what differs: short
	Traced int    // so many bytes at the beginning of Head say what trace the message belongs to: for a process that takes such; for others without
	Body   []byte // the argument or the result
	// Room, not nil, is the memory of Body, which a Route that has taken the parcel owns: it is lent by package pool, or by nobody.
	Room *[]byte
}

// A Courier is a transport that carries parcels as well.
type Courier interface {
	Transport
	// Route gives the way to the process at an address. It makes no connection.
	Route(address string) Route
}

// A Route is the way to one process. Parcels and messages that go the same way keep their order: those that wait, and those that do not.
type Route interface {
	// Post is [Transport.Send] for a parcel. Its error is [ErrNoParcels] where the process takes none: then what it says has to be
	// sent as a message.
	Post(ctx context.Context, p Parcel) error
	// PostNow is [Transport.SendNow] for a parcel, with the errors of Post.
	PostNow(p Parcel) error
	// PostUrgent is PostNow for who waits for room, under ctx: what is sent so passes all that Post sends. Where PostNow has failed for want of
	// room, its error wraps [ErrOverloaded].
	PostUrgent(ctx context.Context, p Parcel) error
	// Stamp prepares for many parcels with this target and label, and without head.
	Stamp(target, label string) Stamp
}

// A Name is one string that a transport was told once and gives with each parcel. What the inlet knows of it stays with it.
type Name struct {
	Text string

	memo any
}

// An Inlet takes the parcels of one link, from the one goroutine that reads it.
type Inlet interface {
	// Take handles a parcel; it may put it aside until Flush. Target and label are the same for the same text until the transport
	// forgets them. Trace is the traced part of the head, empty for most, and head the rest. These and body are valid until Take returns, unless room holds the body: then it belongs to the inlet. The error says
	// why there can be no such parcel.
	Take(target, label *Name, trace, head, body []byte, room *[]byte) error
	// Flush gives what was put aside to its nodes.
	Flush()
}

// A Recipient is a process of Proto.Actor's registry that takes parcels: the system's own, named [SystemID].
type Recipient interface {
	// Inlet is for one link with the process at an address.
	Inlet(address string) Inlet
}
