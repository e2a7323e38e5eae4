// Package launch measures how long a launch takes until nodes run on all hosts, and how long pdsh, clush and mpirun take to run
// `true` on the same hosts.
//
// A contestant is a program that reaches all hosts: tlaunch, or a peer. A round lets each contestant run once, one after the other, so that
// what else the machine does meets them all. The first round is not counted. A mode is warm, where every host has what is
// needed, or cold, where the executable is removed from every host before each launch; the peer of a cold launch copies the same file and then runs `true`.
//
// # What is timed
//
// Each of our launches is a process of its own, as a user's is, and its figure is the time from the call of Definition.Launch until a node on each
// host has said, from its Run, that it runs. The figure of a peer is the life of its process. The report also tells our time from the start of the process.
// All figures are medians, with the smallest and the largest.
//
// # Cancellation
//
// When the context ends, the contestant that runs is stopped, and hosts that were brought up are removed.
//
// # Limits
//
// Hosts in network namespaces need Linux and root and share the launcher's processors, so the figures are those of all hosts' work together. A peer that is not
// installed is named and left out; one that fails fails the measurement after the others were reported.
package launch
