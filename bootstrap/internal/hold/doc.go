// Package hold is the process that stands between an agent and its worker on Linux, so that nothing the worker starts can
// outlive it. It is the same executable once more; the package's init function takes over in it.
//
//	agent ── init ── worker ── whatever the nodes start
//
// In a PID namespace the init is process 1 of it: with it the kernel kills everything inside, and the kernel kills it with
// the agent. The worker is not process 1 itself, because that one is spared the default action of signals.
//
// Without a namespace the init is a subreaper, as the agent is: whatever forks twice or makes a session for itself stays
// below both. When either is killed, the other kills all that is left; only who kills both in the same instant leaves
// orphans behind, which are nobody's descendants then, but are still given away by their environment.
//
// The agent beats on a pipe. When the pipe ends, or is silent for longer than the lease and its notice because the agent was
// stopped, the init ends everything without being told.
//
// # Limits
//
// The package imports next to nothing, and nothing of ours, so that the linker places its init function before those of the program, of its
// dependencies and of most of the standard library: an init takes half a millisecond more than the smallest Go program, whatever the
// program is. The order is by import path among the packages whose own imports are initialised; so fmt or strings would put a hundred
// packages before this one, as they are themselves behind what is ready before reflect.
package hold
