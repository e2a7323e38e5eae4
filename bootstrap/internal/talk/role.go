package talk

import "github.com/tartrl/tlaunch-go/bootstrap/internal/hold"

// Marker is the one variable by which a started process knows that it is part of a host. It carries no secret.
const Marker = hold.Variable

// What a started process may be told to be.
const (
	RoleAgent  = "agent"  // supervises a worker
	RoleWorker = "worker" // has the nodes
	RoleClean  = "clean"  // looks for what other runs have left
	RoleAttach = "attach" // brings a launcher to an agent again
	RoleGiver  = "giver"  // passes the executable on
)

// Preamble ends whatever a host's start files, and package initialisers that come before the agent, print.
// Its first byte occurs nowhere else in it, which keeps the search for it simple.
const Preamble = "\x1etlaunch host 1 5b0e6a4f\x02\r\n"

// ClaimSuffix ends the name of a work folder's claim, which lies beside it.
const ClaimSuffix = ".claim"

// MaxOrders is the largest number of bytes of orders that a process can be started with.
const MaxOrders = 64 << 20
