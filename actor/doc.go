// Package actor makes the nodes of a program callable, wherever they live.
//
// A node is a value whose methods run in its turn, one at a time unless it
// was given more. A [Ref] names a node and carries its type; [Call], [Do],
// [Go] and [Tell] take a method expression of that type, so the compiler
// checks argument and result:
//
//	total, err := actor.Call(ctx, consumer, (*Consumer).Add, 3)
//
// A [System] holds the nodes of one process of a run and knows the way to the
// others; it stands on a Proto.Actor system, in whose registry each node is a
// process under its own name.
//
// # Guarantees
//
// Arguments and results are values. What the receiver gets shares no memory
// with what the sender keeps, in one process as across a link; a type that
// could not travel whole (unexported fields, functions, channels, interfaces)
// is refused at its first use with [ErrCannotTravel].
//
// A []byte that a method is given is valid until the method returns; then its memory is used again, unless the method has kept it ([Keep]).
// Bytes that a method keeps may share their memory, up to 32 KiB, with
// others that came with them; keep a copy of a few small ones out of many.
//
// Messages of one sender to one node arrive in the order in which they were
// sent, at most once. A Call ends exactly once: with the method's result, its
// error, or the reason why there will be none. Where a node or its process has
// ended, with what it was sent, that is [ErrPeerGone]; nothing of it reaches
// the node that takes its place (see [Node.Replace]).
//
// Mailboxes are bounded, in messages and in the bytes of their arguments. A
// sender that finds one full waits under its context until it is its turn and
// a quarter of the mailbox is free; under [NoWait] it gets [ErrOverloaded] at
// once, and a [Tell] in a method, without a deadline, after 30 seconds. What is under way to a node of another process is
// bounded by a window of messages and bytes ([Config]), which a call holds until it is answered, given up or
// not, and a tell until it has left the mailbox. Local senders and those of
// other processes do not take each other's room.
//
// A call carries the chain of invocations that wait for it. Calling a node
// all of whose turns are taken, one of them by the chain itself, returns
// [ErrDeadlock] at once. Start is a node's first turn, and the only one while
// it lasts. Nodes that came to wait for each other along separate chains are
// found by probes within about half a second, as long as each of those between
// has one turn.
//
// # Streams
//
// [Open] opens a stream of bytes to a node, for what is too much for messages or has to keep a connection to itself: a method takes its other end,
// beside the node's turns. A stream is a [net.Conn], inside a process as between two, and ends with the node at either end. It has no part in the
// order of messages, in windows, chains and traces, and [Node.Drain] does not wait for it.
//
// # Cancellation
//
// A caller's deadline and cancellation reach the context of the method it
// called. The context's values do not travel, but for its trace: a method sees its node's own.
// Waiting for a Call ends with the caller's context, even when the method
// goes on. A method's context ends when the method returns.
//
// # Traces
//
// A message that is sent under a context in a trace (of OpenTelemetry's package trace) belongs to it: the context of the method that it runs is
// in the trace too, on whatever host and over any number of hops. What travels is W3C Trace Context; baggage does not.
//
// With [Config].TracerProvider a call has a span, from sending to the result, and below it its method one; they are of the kinds client and server. A
// tell has one of the kind producer, while it is sent, and its method one of the kind consumer, whose parent and link that is. Errors are the status of
// spans, and "error.type" the reason that [NodeStats] counts. A message in no trace begins one: the tracer's sampler decides what is kept.
// Without a tracer a message in no trace costs nothing for this.
//
// The method of a batch has one span for all its calls, with a link to each; without a tracer it is in no trace. [Turn] goes on in the span of
// its caller. Start, Run and Stop begin in no trace. [Root] is for plain messages of Proto.Actor.
//
// # Limits
//
// A chain has at most 16 links. A nil []byte arrives empty, and a time with
// its offset but without the name of its zone where it went through its
// encoding. Values nest at most 64 deep. Methods named
// Start, Run and Stop belong to the node's life and cannot be called.
package actor
