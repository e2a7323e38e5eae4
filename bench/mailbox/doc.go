// Package mailbox measures how fast messages go from one process to a node of another, and within one, beside stock protoactor-go and
// beside a bare connection that carries the same bytes.
//
// A case is a kind of message and its size. Its contestants run one after the other in each round, so that what else the machine does
// meets them all; the first round is not counted. A contestant is two fresh processes on loopback, a receiver and a sender, or one
// process where the case is within one. The sender sends for a while and then asks the receiver how many messages it has handled: all
// must have arrived, and the time counts until that answer is there.
//
// # What is timed
//
// Messages and bytes per second count what was handled, payload only. A round trip is one call after the other by one sender; its
// figures are the median and the 99th percentile. Allocations per message are those of the whole process, of sender and receiver each.
//
// # Cancellation
//
// When the context ends, the processes of the contestant that runs are killed.
//
// # Limits
//
// Both processes and the kernel's loopback share the machine's processors, so the figures are those of all their work together.
package mailbox
