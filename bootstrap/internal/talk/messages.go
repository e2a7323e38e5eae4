package talk

import "time"

// AgentOrders tell an agent what to start.
type AgentOrders struct {
	Run     string
	Host    string
	Lease   time.Duration
	Entry   time.Duration // how long the worker may take to reach Enter; zero: ever
	LogRate int64         // bytes per second; negative: all
	Bases   []string      // folders in which the work folder may be made, the first that works is taken
	Env     []string      // NAME=VALUE for the worker
	Files   bool          // the launcher brings files into the work folder before the worker starts
	Token   []byte        // with which the link is taken up again over another connection; empty: it is not
	Orders  []byte
}

// RecordPatience is how long the worker's output waits for a launcher that does not take it: as long as a broken link may be
// repaired. Where no line may be lost it is for ever.
func (o *AgentOrders) RecordPatience() time.Duration {
	if o.LogRate < 0 {
		return -1
	}
	return o.Lease + LeaseNotice
}

// ReadyReport says where the work folder is.
type ReadyReport struct {
	Dir string
}

// GuestOrders are what a worker is told.
type GuestOrders struct {
	Run    string
	Host   string
	Dir    string
	Orders []byte
}

// StartReport says whether the worker runs, which is when it has reached Enter. Of one that ends before it there is none.
type StartReport struct {
	Dir    string
	Held   string // how the worker's children are held
	Error  string
	Bridge BridgeReport
}

// BridgeReport says how an agent is reached when the link to it is lost. Its zero value says that it is not.
type BridgeReport struct {
	Program string // path of the executable that attaches
	Door    string // where it finds the agent
}

// DoorReport tells a process that attaches where the agent is.
type DoorReport struct {
	Door string
}

// ExitReport says how the worker ended.
type ExitReport struct {
	Code   int
	Signal string
	Memory bool // the kernel killed it for want of memory
	MaxRSS int64
	Left   int  // processes that could not be killed
	Silent bool // it was killed because it did not answer

	Entered bool // it had reached Enter
	Overdue bool // it was killed because it had not
}
