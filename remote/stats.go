package remote

import (
	"sync/atomic"
	"time"
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
	TooLarge      Reason = "too_large"      // a raw process sent more than Config.MaxMessage, or a peer did, which ended the link
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

	RefusedAddressLimit Reason = "address_limit" // too many of them from one address
)

var reasons = [...]Reason{
	BadFrame, BadEnvelope, BadSerializer, BadPayload, UnknownType, Reserved, BadSystem, Unwatched, NoProcess, Panicked,
	NotProto, TooLarge, QueueFull, LinkLost, RefusedHandshake, RefusedIdentity, RefusedVersion, RefusedJoin, RefusedLimit,
	RefusedAddressLimit,
}

// Stats is a snapshot of what an endpoint has counted since it was made.
type Stats struct {
	Peers       []PeerStats       // ordered by address
	Forgotten   PeerStats         // the sum over those that were idle for long and are remembered no more, see the limits of the package; without an address
	Refused     map[Reason]uint64 // connections and peers that were turned away, from either end; only reasons that occurred
	Connections int               // accepted, now, those that shake hands aside
	Handshakes  int               // of connections that came in, under way now
}

// PeerStats is a snapshot of what went to and came from one address.
type PeerStats struct {
	Address          string
	Name             string // of the member of the run that was last there; empty where certificates do not say
	State            LinkState
	Links            int    // living links, those on which only the peer sends included
	Streams          int    // of bytes, those being opened included, whichever end opened them
	OpenedStreams    uint64 // so far, by either end
	SentMessages     uint64
	SentBytes        uint64 // as written to connections: frames, batches for a stock peer, streams; before TLS
	ReceivedMessages uint64
	ReceivedBytes    uint64
	ResentMessages   uint64 // of the sent, those that were written a second time
	QueuedMessages   int    // not yet acknowledged by the peer, now; with a stock peer, not yet written
	QueuedBytes      int
	Outages          uint64 // connections of links that were lost
	Resumed          uint64 // and those of them that another one has replaced, so that the link went on

	Waits     uint64            // Sends that found the queue full
	Waited    time.Duration     // and for how long they waited for room, all together
	RoundTrip time.Duration     // from a sign of life to its answer, the last one heard; zero: none yet, as of stock peers
	Drops     map[Reason]uint64 // messages that went nowhere; only reasons that occurred
}

// LinkState tells whether messages can be written to a peer now.
type LinkState string

// The states of a link.
const (
	LinkDown    LinkState = "down"
	LinkDialing LinkState = "dialing"
	LinkUp      LinkState = "up"
	LinkAway    LinkState = "away" // its connection is lost, and another one is being made: messages wait for that
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

// sum adds what another tally has counted.
func (t *tally) sum(other *tally) {
	for i := range t.counts {
		t.counts[i].Add(other.counts[i].Load())
	}
}

// traffic counts what went over the links of one peer.
type traffic struct {
	sentMessages, sentBytes         atomic.Uint64
	receivedMessages, receivedBytes atomic.Uint64
	resentMessages                  atomic.Uint64
	outages, resumed                atomic.Uint64
	openedStreams                   atomic.Uint64
	roundTrip                       atomic.Int64 // the last one; a time.Duration
	stalls                          stalls
	drops                           tally
}

// sum adds what another has counted.
func (t *traffic) sum(other *traffic) {
	t.sentMessages.Add(other.sentMessages.Load())
	t.sentBytes.Add(other.sentBytes.Load())
	t.receivedMessages.Add(other.receivedMessages.Load())
	t.receivedBytes.Add(other.receivedBytes.Load())
	t.resentMessages.Add(other.resentMessages.Load())
	t.outages.Add(other.outages.Load())
	t.resumed.Add(other.resumed.Load())
	t.openedStreams.Add(other.openedStreams.Load())
	t.stalls.count.Add(other.stalls.count.Load())
	t.stalls.total.Add(other.stalls.total.Load())
	t.drops.sum(&other.drops)
}

func (t *traffic) snapshot() PeerStats {
	return PeerStats{
		SentMessages: t.sentMessages.Load(), SentBytes: t.sentBytes.Load(),
		ReceivedMessages: t.receivedMessages.Load(), ReceivedBytes: t.receivedBytes.Load(), ResentMessages: t.resentMessages.Load(),
		Outages: t.outages.Load(), Resumed: t.resumed.Load(), OpenedStreams: t.openedStreams.Load(),
		Waits: t.stalls.count.Load(), Waited: time.Duration(t.stalls.total.Load()), RoundTrip: time.Duration(t.roundTrip.Load()),
		Drops: t.drops.snapshot(),
	}
}

// stalls counts those who had to wait for room in a queue.
type stalls struct {
	count atomic.Uint64
	total atomic.Int64 // a time.Duration
}

// waited counts one whose wait is over. Without stalls nobody counts.
func (s *stalls) waited(since time.Time) {
	if s != nil {
		s.count.Add(1)
		s.total.Add(int64(time.Since(since)))
	}
}
