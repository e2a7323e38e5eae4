package bootstrap

import (
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// LeaseNotice is how long the nodes of a host that has lost its launcher may take to stop, before its processes are killed.
const LeaseNotice = talk.LeaseNotice

// DefaultLease is how long a host goes on without hearing from its launcher, where the configuration does not say.
const DefaultLease = talk.DefaultLease

// minLease is the shortest that can be asked for.
const minLease = 100 * time.Millisecond

// DefaultLogRate is how many bytes of records a host may send its launcher in a second, where the configuration does not say.
const DefaultLogRate = 8 << 20

// MaxOrders is the largest number of bytes of orders that a process can be started with.
const MaxOrders = talk.MaxOrders
