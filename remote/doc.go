// Package remote makes the mailboxes of one process reachable from another.
//
// An [Endpoint] is one process's end: it accepts connections, dials those of others, and gives what arrives to the
// processes in the Proto.Actor registry of its actor system. A peer is whatever answers at an address. Two endpoints of
// this package speak a language of their own (WIRE.md), stock protoactor-go processes get the gRPC that they expect, on the same port.
// A link between two endpoints of this package carries both directions, whoever dialled, so a process that nobody can dial is reached
// over the link it opened; it travels over one connection at a time, and outlives it. A stock process
// has one gRPC stream for each direction. An [Authority] issues the [Credentials] that make a process a
// member of one run; on every link both ends prove their membership with them (or with the user's own certificates).
//
// # Guarantees
//
// Between two endpoints of this package, a message that Send has taken is delivered once, as long as both processes live and their link is never
// without a connection for longer than Config.Outage. From one sender to one receiver, messages given to [Endpoint.Send] arrive in
// the order in which the calls returned, as long as the link lives; the same holds, separately, for
// [Endpoint.SendNow], which overtakes what waits in Send's queue. When a connection breaks, the end that had dialled dials again, at once and then
// ever less often, and both go on behind what the other has had: nothing is lost, doubled or reordered, and nobody is told. The end that was
// dialled does not dial, even where only it has something to say: what can be dialled is known of the other only. A nil error from Send says
// that the message was queued, not that it arrived; what arrived was handed to its mailbox, not handled.
//
// When a link ends, what was queued, under way or not yet acknowledged on it is lost, or may have arrived: Config.Down says so, and the next Send
// dials again. It ends with ErrGone at once when another process answers at the address (another incarnation, or another actor system), or
// when its process is fenced; with ErrUnreachable after Config.Outage without a connection, after 5 s in which the peer's host has refused
// them, or when the other end has given it up; and without an error when one of both has closed its endpoint: then nothing is lost.
// Half-open connections are found by silence, see Config.Heartbeat. Of a link with a stock peer, which acknowledges nothing, all is lost with its connection.
//
// A message of more than 32 KiB travels in parts, between which those to other processes pass; those to the same
// process wait for it. Alone, a message leaves at once; while one is written, what comes gathers for the next write.
//
// When both ends dial at once there are two links for a while; each end keeps sending on the one it used first until
// that one ends, so order holds in each direction.
//
// A process that is known to be gone is fenced ([Endpoint.Fence]): its links end, nobody waits for it any more, and if it
// lives after all it is refused.
//
// Actors watch remote actors as they watch local ones. A watcher is told Stopped or NotFound by the other process, or
// AddressTerminated when a link with that process has ended: a watch outlives connections, and not the links of its time.
//
// A queue, with what the peer has not acknowledged, holds at most Config.QueueBytes, and one message that is larger; a Send that finds it full waits. An eighth
// is for messages that travel whole, so that none of them waits until a large one has gone. A link's reader waits for nobody where systems of package actor talk to each other:
// their senders have window, for each node, before they send. Processes that others have put into the registry take what comes in the reader's own time:
// one that blocks stops the reading of its link, answers included, and so what its peers' queues take.
//
// # Streams of bytes
//
// Beside a link two endpoints of this package may have streams ([Endpoint.OpenStream], package actor's Open): connections of their own, with the
// protection of the link, that carry bytes and nothing else, at the cost of bare ones. They are dialled by who opens them, which may be impossible
// where the other end has dialled the link. A stream does not outlive its connection, nor the last link between the two processes: it ends when
// one of them has closed its endpoint and the links have drained, is fenced or is given up. Bytes of streams are no messages, and nobody acknowledges
// them. Links have a place where streams find none: see Limits.
//
// # Cancellation
//
// Send honours its context while it waits for a link and for room; once it has returned nil, ending the context changes
// nothing. [Endpoint.Close] refuses new messages, and waits until the peers have acknowledged what is queued and have had their last word, over
// further connections where it must be; when its context ends it breaks the links instead, and its error says how much was not acknowledged. No goroutine outlives Close.
//
// # What is not trusted
//
// Each field of what arrives is checked. An envelope that makes no sense is dropped and counted under a [Reason]; it
// ends neither the link nor the process. Bytes that are no frames end the link. A panic in a receiving process is counted and goes no further. Peers of
// another run, without certificate, of an unknown version, or with an identity that does not fit the address they claim
// are refused, counted, and logged once for each peer and interval. An address from which too many such come is not listened to for a while
// (Config.MaxStrikes); links from there that are up go on, and a caller who only hangs up counts for an eighth. What means nothing is read, from all of one
// address together, at 8 MiB a second, and 1 KiB is reckoned for each such frame beside its bytes, so that honest links keep their speed.
//
// Whoever is let in is trusted with the actors: a member, a guest included, may send to, watch and stop any process
// whose id it knows, other than those of the actor system itself, and may name a third process as the sender.
//
// # Limits
//
// A message larger than Config.MaxMessage, here or at the peer, is refused by Send, and ends the link when a peer sends it.
// Ids, addresses and types have at most 2 KiB, and all of them with the headers 32 KiB. Stock peers accept
// 4 MiB unless they were told otherwise; batches stay below that, a single larger message does not. At most Config.MaxConnections
// connections are accepted at a time, half of them from one address, and of both numbers half may be streams; one process may have opened 64 of
// these to another. A stock peer may have eight of gRPC's streams on one connection, and has to wait for more.
// Of more than 1024 addresses, those without a link, a watch or an attempt may be forgotten, with the last incarnation seen there; what they have counted is in [Stats].Forgotten.
package remote
