// Package talk is what a launcher, the agents that it has on hosts, and their workers say to each other: frames, the messages in
// them, the pieces of records, and the few words in environments by which a started process knows what it is.
//
// It imports little, since agents do: see package agent. What is exported by package bootstrap too is documented there.
package talk
