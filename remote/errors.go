package remote

import (
	"errors"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor"
)

// sentinel is an error of this package that is also one of package actor, which users of nodes know.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string { return s.text }
func (s *sentinel) Unwrap() error { return s.is }

var (
	// ErrUnreachable is returned when there is no link to an address and none could be made, or when the link ended
	// while a message waited for room. The wrapped error says which. It is an actor.ErrUnreachable.
	ErrUnreachable error = &sentinel{"remote: peer is unreachable", actor.ErrUnreachable}

	// ErrTooLarge is returned for a message above Config.MaxMessage. Send it in parts, or raise the limit at both ends.
	// It is an actor.ErrTooLarge.
	ErrTooLarge error = &sentinel{"remote: message is too large", actor.ErrTooLarge}

	// ErrClosed is returned once Close was called. It is an actor.ErrStopped.
	ErrClosed error = &sentinel{"remote: endpoint is closed", actor.ErrStopped}

	// ErrFull is returned by SendNow when even the generous bound on urgent messages is reached: the peer does not read;
	// and by Send under actor.NoWait where the queue of the link has no room. It is an actor.ErrOverloaded.
	ErrFull error = &sentinel{"remote: the queue of the link is full", actor.ErrOverloaded}

	// ErrTooManyStreams is returned by OpenStream where the peer has as many connections, or from this process as many streams, as it may
	// have. It is an actor.ErrOverloaded.
	ErrTooManyStreams error = &sentinel{"remote: there are too many streams", actor.ErrOverloaded}

	// ErrGone is returned, together with ErrUnreachable, for a process that was declared gone; see Endpoint.Fence.
	// It is an actor.ErrPeerGone.
	ErrGone error = &sentinel{"remote: peer is gone", actor.ErrPeerGone}

	// ErrRefused is returned, together with ErrUnreachable, when one of the two ends does not accept the other's
	// identity: another run, another name than expected at that address, an expired certificate, none at all.
	ErrRefused = errors.New("remote: identity refused")

	// ErrVersion is returned, together with ErrUnreachable, when the two ends have no version of the protocol in common.
	ErrVersion = errors.New("remote: no common protocol version")

	// ErrJoin is returned by Join when the other end answered, but not with a welcome.
	ErrJoin = errors.New("remote: join refused")

	errSilent        = errors.New("nothing was heard from the peer for two heartbeats")
	errCrowded       = errors.New("the peer has no room for another link")
	errUnlinked      = errors.New("the peer has no link with this process")
	errLeft          = errors.New("the peer has left")
	errReplaced      = fmt.Errorf("%w: a later incarnation of the peer, or a member that a guest gives way to, has taken its place", ErrGone)
	errHandshake     = errors.New("the peer did not complete the handshake in time")
	errFirstMessage  = errors.New("what the peer says first is no hello of ours and no ConnectRequest of a server")
	errOtherLanguage = errors.New("the peer does not speak our own language")
	errHelloCut      = errors.New("the connection has ended inside the peer's hello")
	errNoStream      = errors.New("a connection over gRPC has ended without a stream of Proto.Actor")
	errOneStream     = errors.New("the connection of this link has ended")
)

// unreachable says that address cannot be reached because of cause.
func unreachable(address string, cause error) error {
	if cause == nil {
		cause = errLeft
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, address, cause)
}
