package talk

import (
	"errors"
	"time"
)

// LeaseNotice is how long the nodes of a host that has lost its launcher may take to stop, before its processes are killed.
const LeaseNotice = 3 * time.Second

// DefaultLease is how long a host goes on without hearing from its launcher, where the configuration does not say.
const DefaultLease = 5 * time.Second

// What a worker is told when it is to stop.
var (
	ErrLeaseLost  = errors.New("bootstrap: lease lost: the launcher was not heard")
	ErrTerminated = errors.New("bootstrap: told to stop")
)

// StopCause is why a worker is asked to stop.
type StopCause byte

const (
	CauseNone  StopCause = iota
	CauseAsked           // the launcher, or the host's operator, said so
	CauseLease           // nothing was heard for the length of the lease
)
