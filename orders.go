package tlaunch

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/remote"
)

// ordersVersion changes with orders and reports: launcher and hosts run the
// same executable, so it can only differ where that was circumvented.
const ordersVersion = 3

// orders are what a host's process is to do. They travel on its standard
// input: nothing of them is in arguments or environment.
type orders struct {
	Version     int
	Run         string
	Program     string
	Config      []byte
	Hosts       []Host
	Host        string // this one
	Incarnation uint64
	Summary     []summary // of the graph, to be compared
	Ports       portRange
	Limits      Limits
	OneMachine  bool // all hosts are processes of the launcher's machine
	Credentials remote.Credentials
	OwnTLS      bool                    // the program brings its own *tls.Config
	Consul      *cluster.ConsulSettings // nil: the embedded registry
	ConsulTTL   time.Duration
	// Of a process that is not its host's first:
	Done  []string // nodes whose Run has returned nil: they are there, but not run again
	Lost  []string // nodes that were given up
	Avoid []string // addresses of earlier processes, which a later one must not have
}

// Format keeps what orders hold out of logs and errors, whatever the verb.
func (o orders) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "orders for %s in run %s", o.Host, o.Run) // a fmt.State keeps its own error
}

// The launcher and a host's process talk over streams of the connection that
// the launcher has to the host. The first byte says what a stream is for.
const (
	streamControl  = 'c' // opened by the host: reports up, commands down
	streamRegistry = 'g' // opened by the host: package cluster's wire
	streamRemote   = 'r' // opened by the launcher: package remote's wire
)

// report is what a host's process says to its launcher.
type report struct {
	Ready     string           `cbor:",omitempty"` // its endpoint's address: it is registered and waits for the start
	Facts     *hostFacts       `cbor:",omitempty"` // with Ready
	Masters   map[string]int   `cbor:",omitempty"` // with Ready: the ports held for rank 0 of commands, by label
	Unfit     *unfitReport     `cbor:",omitempty"` // it lacks something that its nodes need
	Refused   *actor.Error     `cbor:",omitempty"` // it cannot take part
	Step      string           `cbor:",omitempty"` // with Refused: what it was about to do; empty: see the error
	Reached   *reachReport     `cbor:",omitempty"` // the answer to one order of Reach
	Different *DifferenceError `cbor:",omitempty"` // its graph is not the launcher's
	Outcome   *remoteOutcome   `cbor:",omitempty"`
	Stop      bool             `cbor:",omitempty"` // a node asks for the end of the run
	Join      *joinRequest     `cbor:",omitempty"`
	Told      bool             `cbor:",omitempty"` // it has the order to end: what it says from here on may follow from that
	Ended     bool             `cbor:",omitempty"` // all nodes have ended
	Errors    []remoteOutcome  `cbor:",omitempty"` // what went wrong at their end
}

type remoteOutcome struct {
	Node, Phase string
	Killed      bool          // it had not ended when the notice was over
	Err         *actor.Error  // nil: well
	Command     *CommandError `cbor:",omitempty"` // where that is the failure of a command
}

// unfitReport is a [*bootstrap.HostError] that a host has found out about itself.
type unfitReport struct{ Op, Text, Remedy string }

func (o remoteOutcome) outcome(host string) outcome {
	local := outcome{node: o.Node, host: host, phase: o.Phase}
	if o.Err != nil {
		local.err = o.Err
		if o.Command != nil {
			local.err = o.Command
		}
		if o.Killed {
			local.err = fmt.Errorf("%w: %w", ErrKilled, o.Err)
		}
	}
	return local
}

// command is what the launcher says to a host's process.
type command struct {
	Welcome *welcome                `cbor:",omitempty"` // the first
	Reach   []reachOrder            `cbor:",omitempty"` // before Start
	Start   bool                    `cbor:",omitempty"`
	Groups  map[string]commandGroup `cbor:",omitempty"` // with Start, and when a host is back: what commands are told of each other, by label
	Places  []hostPlace             `cbor:",omitempty"` // with Start, and when a host is back: where processes are
	End     *endOrder               `cbor:",omitempty"`
	Joined  *joinAnswer             `cbor:",omitempty"`
	Restart *nodeOrder              `cbor:",omitempty"` // a node that has failed is to be started again
	GiveUp  *nodeOrder              `cbor:",omitempty"` // or stopped
	Gone    *goneOrder              `cbor:",omitempty"` // another host's process has ended
}

// goneOrder tells a host that another's process has ended.
type goneOrder struct {
	Host        string
	Incarnation uint64
	Final       bool // it is not started again
}

// nodeOrder is about one node of the host.
type nodeOrder struct {
	Node  string
	Pause time.Duration
}

// welcome is what the launcher knows of a host only when its process runs.
type welcome struct {
	DataAddress string // by which other hosts reach this one; without port
	SentAt      int64  // Unix nanoseconds by the launcher's clock, by which certificates are judged
}

type endOrder struct {
	Drain  bool
	Notice time.Duration
}

// joinRequest is a process that asks a host to be let in; the launcher decides.
type joinRequest struct {
	ID      uint64
	Request []byte
}

type joinAnswer struct {
	ID     uint64
	Answer []byte
	Denied string // why not; empty when it may
}

// controlDecMode bounds what one message may hold: the other end is our own
// executable, but what it relays is not.
var controlDecMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// launcherName is the launcher's in certificates.
const launcherName = "launcher"

// launcherAddress stands for the launcher, which nobody dials.
func launcherAddress(run string) string { return launcherName + "." + run }

// openStream sends the byte that says what a new stream is for.
func openStream(conn net.Conn, purpose byte) error {
	if _, err := conn.Write([]byte{purpose}); err != nil {
		conn.Close()
		return err
	}
	return nil
}

// purposeOf reads the byte that says what an accepted stream is for.
func purposeOf(conn net.Conn) (byte, error) {
	var b [1]byte
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return 0, err
	}
	return b[0], conn.SetReadDeadline(time.Time{})
}
