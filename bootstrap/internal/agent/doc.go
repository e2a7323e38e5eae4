// Package agent is what a host's process does beside its nodes: the agent that supervises the worker, what brings a launcher to an
// agent again ([talk.RoleAttach]), and what looks for left-overs ([talk.RoleClean]). None of them runs a line of the program: the
// package's init function takes over in them.
//
// # Limits
//
// The package imports little, so that the linker places its init function before those of the program and of most of its
// dependencies: with them an agent would take twice the time to start.
package agent
