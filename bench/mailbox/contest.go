package mailbox

import (
	"fmt"
	"time"
)

// The contestants.
const (
	ours  = "tlaunch"
	stock = "protoactor-go"
	tcp   = "tcp" // a bare connection; with TLS that of crypto/tls
	alone = "tlaunch, one to one"
	// stockEach is stock whose sender makes a message for each time it sends, as it must where the receiver keeps what it got.
	stockEach = "protoactor-go, a message each"
	bound     = "budget" // what was promised, and nobody
	left      = "tlaunch, left alone"
)

// The kinds of messages.
const (
	tell        = "tell"         // a registered method that takes bytes
	tellReflect = "tell-reflect" // the same by reflection
	tellStruct  = "tell-struct"  // a registered method that takes a struct
	tellMany    = "tell-8x8"     // eight senders to eight nodes over one link
	payload     = "payload"      // large ones, in bytes per second
	call        = "call"         // round trips, one after the other
	tellLocal   = "tell-local"   // within one process
	callLocal   = "call-local"

	transfer     = "transfer"       // a large value while another sender pings, over a link of linkRate: how long a ping takes, and the memory that it costs
	assaulted    = "tell-assaulted" // tell, while a hostile process sets upon the receiver
	idlePeer     = "idle-peer"      // memory of one process for each of many that have a link to it
	slowConsumer = "slow-consumer"  // memory of one with a node that many tell faster than it can hear
)

// The units of figures.
const (
	messagesPerSecond    = "msg/s"
	bytesPerSecond       = "B/s"
	messagesPerProcessor = "msg/s of the receiver's processor time"
	microseconds         = "µs"
	bytesHeld            = "B"
)

// A contest is what is compared with whom.
type contest struct {
	kind    string
	size    int // of a message, in bytes
	tls     bool
	peer    string
	unit    string
	targets []target
}

// A target is a row of the report: a figure, and what its ratio to the peer's was promised to be.
type target struct {
	figure string  // empty: the only one
	bound  float64 // of ours over theirs; 0: nothing was promised
	most   bool    // the bound is the most; otherwise the least
}

func (t target) met(ratio float64) bool {
	return t.most && ratio <= t.bound || !t.most && ratio >= t.bound
}

func (t target) String() string {
	switch {
	case t.bound == 0:
		return ""
	case t.most:
		return fmt.Sprintf("at most %.2f", t.bound)
	}
	return fmt.Sprintf("at least %.2f", t.bound)
}

// The figures of contests that have several.
const (
	p50    = "p50"
	p99    = "p99"
	growth = "growth" // of the memory of a process, in bytes
)

// unitOf is the unit of a figure.
func (k contest) unitOf(figure string) string {
	if figure == growth {
		return bytesHeld
	}
	return k.unit
}

func (k contest) name() string {
	name := fmt.Sprintf("%s/%d", k.kind, k.size)
	if k.tls {
		name += "/tls"
	}
	return name
}

// local reports whether all is within one process.
func (k contest) local() bool { return k.kind == tellLocal || k.kind == callLocal }

// onHosts reports whether the processes are on hosts of their own, with a link of linkRate between them.
func (k contest) onHosts() bool { return k.kind == transfer }

// schedule is how often a contest is held: rounds from the first, which counts unless it is 0, to the last, and for how long in each. What was
// promised for a length goes on for that, once, unless lengths were asked for.
func (k contest) schedule(cfg config) (first, last int, d time.Duration) {
	if k.kind == slowConsumer && cfg.full {
		return 1, 1, time.Minute
	}
	return 0, cfg.rounds, cfg.duration
}

func least(bound float64) []target { return []target{{bound: bound}} }

var (
	roundTrips = []target{{p50, 2, true}, {p99, 3, true}}

	// contests are all that is measured, in the order of the report.
	contests = []contest{
		{tell, 16, false, stock, messagesPerSecond, least(10)},
		{tellReflect, 16, false, stock, messagesPerSecond, least(2)},
		{tellStruct, 16, false, stock, messagesPerSecond, least(0)},
		{tell, 1 << 10, false, stock, messagesPerSecond, least(8)},
		{tellMany, 16, false, alone, messagesPerSecond, least(1)},
		{payload, 64 << 10, false, tcp, bytesPerSecond, least(0.8)},
		{payload, 1 << 20, false, tcp, bytesPerSecond, least(0.8)},
		{payload, 64 << 10, true, tcp, bytesPerSecond, least(0.8)},
		{payload, 1 << 20, true, tcp, bytesPerSecond, least(0.8)},
		{call, 16, false, tcp, microseconds, roundTrips},
		{call, 16, true, tcp, microseconds, roundTrips},
		{tellLocal, 16, false, stock, messagesPerSecond, least(2)},
		{tellLocal, 16, false, stockEach, messagesPerSecond, least(2)},
		{callLocal, 16, false, stock, microseconds, []target{{p50, 0, true}, {p99, 0, true}}},
		{transfer, 1 << 30, false, bound, microseconds, []target{{p99, 1, true}, {growth, 1, true}}},
		{assaulted, 1 << 10, false, left, messagesPerProcessor, least(0.8)},
		{idlePeer, 0, false, bound, bytesHeld, []target{{bound: 1, most: true}}},
		{slowConsumer, 4 << 10, false, bound, bytesHeld, []target{{bound: 1.1, most: true}}},
	}
)
