// Package collective moves data along the shapes of package topology: the nodes of a group broadcast, gather, reduce and exchange, at the
// speed of their links.
//
// A node becomes a member of a [Group] by embedding a [Member] in its value, and joining where the program is built:
//
//	type Worker struct {
//		collective.Member
//		gradients []float32
//	}
//
//	group := collective.Over(topology.Ring())
//	for _, h := range p.Hosts() {
//		w := &Worker{}
//		collective.Join(group, tlaunch.Add(p, "worker", w, tlaunch.On(h)), w, h.Name)
//	}
//	return group.Seal()
//
// All members then call the same operations in the same order, from their Run:
//
//	err := collective.AllReduce(ctx, w, w.gradients, collective.Mean)
//
// Data travels in chunks, and a member sends a chunk on as it comes: as messages between the nodes, over the links that they have anyway; or, from 1 MiB up, where it goes down or up a tree
// or around a ring, on lanes: connections of their own between members in different processes, opened when they are first needed and kept for as long as both nodes live. Small messages go there too between members that have one, or have sent each other many.
//
// Messages go along the shape too. A [Notice] tells all members something, a [Question] asks all of them, and puts the answers together
// on the way back, by a function or by a method of the members between; [Within] and [AtLeast] take what there is in time. With [ParentOf],
// [ChildrenOf] and [PeersOf] a member calls those to whom it is linked.
//
//	var count = collective.NewQuestion((*Worker).Count, func(a, b int) int { return a + b })
//
//	reply, err := count.Ask(ctx, w, "errors") // from the Run of any member
//
// How data goes is the caller's to say, by [Using] and [Chunk]; or the group's shape decides, or with [Auto] what was measured of the links:
//
//	err := collective.AllReduce(ctx, w, w.gradients, collective.Mean, collective.Using(collective.Auto))
//
// Of what changes all the time, such as the weights of a network, members read versions. A [Publisher] has the newest, a set of tensors; each
// [Reader] gets it as fast as it can, from the publisher or from another reader, and reads on while the next one arrives:
//
//	weights, err := collective.NewPublisher(ctx, learner, "weights")        // in the Run of one member
//	number, err := weights.Publish(map[string]tensor.Tensor{"w": tensor.Of(w)})
//
//	weights, err := collective.NewReader(ctx, actor, 0, "weights")          // in those of others
//	v, err := weights.Latest(ctx)
//
// # Guarantees
//
// The same algorithm, chunk size and members put numbers together in the same order, so that results have the same bits each time; and all
// members of an [AllReduce] have the same.
//
// A member holds a few chunks beside the caller's slices: what others have sent to it and it has not used is at most 1 MiB for each of
// them, and 2 MiB on a lane, since they send no more before they are told that there is room; and of what it has sent on a lane itself what is not known to have come, as much at most.
//
// A member that is slow holds up those that get their data through it, and nobody else in a [Broadcast]. Where it takes several times as long for what it is sent as the
// member above takes to get it, a Broadcast of some MiB goes on past it: that member serves those below, and the root the slow one, when all others have everything. So
// they are held up for the time in which this is noticed, eight to sixteen chunks or so of the slow one; the root returns when that has everything, too. The root has
// nothing to compare its own children with but what it has sent before; nor has a member that gets its chunks from another of its host, with those on others. Of two
// trees this may not be noticed. Who is passed over is served once more at the end: where all beyond a member are slow alike, by a link to another site maybe, it passes over
// two of them for nothing.
//
// Members that come to the same place with different operations, lengths, types, roots or options hear of it, and who they are
// ([DisagreeError]); nobody waits for ever. Members that had all they waited for may be through with the operation by then.
//
// # Members that end
//
// What an operation does when a member has ended, cannot be reached, or will not come as its Run has returned. The error is a [MissingError] with the names,
// which says whether there is a result without them.
//
//	                    by itself                             with NeedAll      costs, where nobody ends
//	Broadcast           left out: those below are served by   the same          nothing
//	                    the one above, from the chunk on
//	                    that they had; error at the root and
//	                    where it was noticed, data whole
//	Stream              ends for all, error: what was read    the same          -
//	                    is gone
//	StreamGather        the same, until the root has          the same          -
//	                    written everything
//	StreamScatter       the same                              the same          -
//	Gather              the parts of the others, zeros in     ends for all,     a word from the root to each
//	                    its place                             error             at the end
//	AllGather           the same                              the same          nothing up to 16 KiB in all, then one
//	                                                                            such word, in a ring or directly two
//	AllToAll            the same                              the same          two: from each, and to each
//	Scatter             the others have their parts           the same          two
//	Reduce              of exactly those who are not named,   the same          one word, and at the root a copy
//	                    all chunks of the same ones, [Mean]                     of the data
//	                    by as many
//	AllReduce           the same, with the same bits at all   the same          as AllGather, and a copy of the data
//	ReduceScatter       the same                              the same          two words
//	Barrier             the others have come                  the same          nothing
//
// Except in a Broadcast all that are not through when a member ends get the same error, naming the same members, or a failure for other reasons. Of a member that has ended nothing is in the
// result, unless all had that when it ended: then it is not named. Without the root of an operation that has one there is no result: the error names it. A member
// that the others take for missing, as they cannot reach it, gets an error with its own name. An operation takes a few messages more where a member is missing, each time.
//
// Since nobody is through before the result is certain for all, a member that only gives to a Gather or Reduce waits for the root to have it. With [NeedAll] it does not, and
// members that had all they waited for before another ended may be through by themselves. An operation that has failed leaves the group usable for the next; what is in the slices is
// then undefined.
//
// A member that is known to be slower than the others can be made a leaf ([Leaf]) from the beginning: then nobody gets data through it.
//
// Readers see whole versions, ever newer. A version that a newer one has overtaken may be left out, and all before it; what was published last
// arrives. Publish waits for nobody, and a slow reader holds up only those that read from it. Readers get versions along the tree of the
// group's shape, or the chain in a net: data crosses to a host once, however many members read there, and these share its memory where they are of one process. Chunks of 128 KiB that
// are the same as in the version that a reader has are not sent to it. A reader may come and go at any time, and so may those through which others read: these turn to the next one above,
// and go on with the chunks they have. A host holds the newest version and the one that arrives, beside those that readers keep, and one more for each
// member below that is slower than they come. Numbers of versions grow at every reader, also when the publisher is started again.
//
// # Cancellation
//
// The end of a member's context ends the operation for all of them, with an error that wraps [ErrAborted] and the context's; so does one that was over
// before, since operations are counted: the next is the same for all. So does a mistake that only one member can see, such as the length of its slice. Who cannot be told
// finds out by asking: a member that has waited for 50 ms asks the other how far it is, and again ever less often.
//
// # Limits
//
// Readers and publishers are members of a group, not guests of a run. They may be used during operations; a publication needs the node's turn now and then, for
// microseconds: one whose turn is taken for 5 seconds is left by those who read from it. The publisher finds what has changed by comparing bytes with its
// last version, so after a start it sends everything again.
//
// A node is a member of one group, and in one operation at a time. What arrives, but on lanes, comes through the node's mailbox and in its turn: methods that
// take long hold it up (give the node Concurrent(2)), and an operation in a method of a node with one turn is refused ([ErrTurn]).
// A member that never comes to an operation, while its Run goes on, is waited for until a context ends. One that has done operations in methods is waited for
// when its Run has returned, too.
// A member that was started again is missing in the operations that others have come to. Its own first one fails with a [MissingError] that names itself, as soon as one
// of them tells it; the next is then the one after all these: so it finds together with others that, like it, go on after such an error.
// A member's turn is taken while it waits for those below it to answer a Question: several members that ask at once down a tree may come to wait for each
// other, which ends with actor.ErrDeadlock unless the nodes have Concurrent turns.
// The first operation that uses [Auto], or [Measure], takes a time for measuring, and needs all members: otherwise it fails;
// one that was started again takes over what the others have measured. What is expected of links that others
// use at the same time, or that have changed since, is as good as that.
// Where no lane can be opened, as a host can be dialled by others only, chunks are messages. Links outlive their connections (package remote), and lose nothing; nor does a lane whose
// connection ends: what had not come goes again over the link. A link that was given up ends the operation with [ErrMissing], or with [ErrLost]
// where it is back, and what it carried is not. Numbers travel as they are in memory: members of different byte order
// disagree.
package collective
