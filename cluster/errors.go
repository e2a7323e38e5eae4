package cluster

import "errors"

var (
	// ErrFenced says that a newer incarnation of the host is, or was,
	// registered, or that this very incarnation was deregistered. The process
	// that gets it has been replaced and should end.
	ErrFenced = errors.New("cluster: fenced by a newer incarnation")

	// ErrClosed says that the registry was closed by its Close.
	ErrClosed = errors.New("cluster: registry closed")

	// ErrInvalid says that a member, a run's name or a description breaks the
	// limits that their documentation gives.
	ErrInvalid = errors.New("cluster: invalid")

	// ErrNoDescription says that nobody has described the run (or whoever had
	// is closed).
	ErrNoDescription = errors.New("cluster: run not described")

	// ErrFull says that one of the limits in the package's documentation is
	// reached: of members, hosts, runs, connections, or watches on one of them.
	ErrFull = errors.New("cluster: full")

	// ErrRegistryUnreachable says that the registry does not answer, or that
	// the connection to it ended. The error that wraps it names the address.
	ErrRegistryUnreachable = errors.New("cluster: registry unreachable")

	// ErrRegistryDenied says that the registry refuses the token, or lacks a
	// permission for it. The error that wraps it names the permission; see
	// [ConsulPolicy] for all that are needed.
	ErrRegistryDenied = errors.New("cluster: registry denied access")

	// ErrProtocol says that the peer of a served connection does not speak
	// the registry's wire format, or another version of it.
	ErrProtocol = errors.New("cluster: protocol error")
)
