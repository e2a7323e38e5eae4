package remote

import (
	"sync/atomic"
)

// A Reason says why a message was dropped or a peer refused.
type Reason string

// Reasons for dropping one message.
const (
	BadFrame      Reason = "bad_frame"      // bytes that are no message of the wire
	BadEnvelope   Reason = "bad_envelope"   // an index out of range, an empty target, a table with holes
	BadSerializer Reason = "bad_serializer" // neither protobuf nor JSON
	BadPayload    Reason = "bad_payload"    // the data does not decode as its type
	UnknownType   Reason = "unknown_type"   // a type that this binary does not have
	Reserved      Reason = "reserved"       // addressed to a part of the actor system that is not for peers
	BadSystem     Reason = "bad_system"     // a system message with missing or foreign fields
	Unwatched     Reason = "unwatched"      // the end of an actor that nobody here watches
	NoProcess     Reason = "no_process"     // no such process here; it went to the dead letters
	Panicked      Reason = "panicked"       // the receiving process panicked
	NotProto      Reason = "not_proto"      // a raw process sent something that is no protobuf message
	TooLarge      Reason = "too_large"      // a raw process sent more than Config.MaxMessage
	QueueFull     Reason = "queue_full"     // a sender that cannot wait found the queue full
	LinkLost      Reason = "link_lost"      // queued when the link ended, or no link could be made
)

// Reasons for refusing a peer or a connection.
const (
	RefusedHandshake Reason = "handshake" // no TLS, no certificate, or not in time
	RefusedIdentity  Reason = "identity"  // another run, another name, an expired certificate
	RefusedVersion   Reason = "version"   // no version in common
	RefusedJoin      Reason = "join"      // a caller without certificate was turned away
	RefusedLimit     Reason = "limit"     // too many handshakes or connections at once
)

var reasons = [...]Reason{
	BadFrame, BadEnvelope, BadSerializer, BadPayload, UnknownType, Reserved, BadSystem, Unwatched, NoProcess, Panicked,
	NotProto, TooLarge, QueueFull, LinkLost, RefusedHandshake, RefusedIdentity, RefusedVersion, RefusedJoin, RefusedLimit,
}

// Stats is a snapshot of an endpoint. Peers that were idle for long may be missing: see the limits of the package.
type Stats struct {
	Peers   []PeerStats       // ordered by address
	Refused map[Reason]uint64 // connections and peers that were turned away, from either end
}

// PeerStats is a snapshot of what went to and came from one address.
type PeerStats struct {
	Address          string
	State            LinkState
	Links            int // living links, those on which only the peer sends included
	SentMessages     uint64
	SentBytes        uint64 // of encoded batches
	ReceivedMessages uint64
	ReceivedBytes    uint64
	QueuedMessages   int
	QueuedBytes      int
	Drops            map[Reason]uint64 // only reasons that occurred
}

// LinkState tells whether messages can be written to a peer now.
type LinkState string

// The states of a link.
const (
	LinkDown    LinkState = "down"
	LinkDialing LinkState = "dialing"
	LinkUp      LinkState = "up"
)

// tally counts by reason. Its zero value is ready.
type tally struct{ counts [len(reasons)]atomic.Uint64 }

func (t *tally) add(r Reason, n int) {
	for i := range reasons {
		if reasons[i] == r {
			t.counts[i].Add(uint64(n))
			return
		}
	}
}

func (t *tally) snapshot() map[Reason]uint64 {
	m := map[Reason]uint64{}
	for i := range reasons {
		if n := t.counts[i].Load(); n > 0 {
			m[reasons[i]] = n
		}
	}
	return m
}

// traffic counts what went over the links of one peer.
type traffic struct {
	sentMessages, sentBytes         atomic.Uint64
	receivedMessages, receivedBytes atomic.Uint64
	drops                           tally
}
