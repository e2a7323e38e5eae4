// Package transmit holds what passes between the learners and the actors of
// reinforcement learning: a node with tables of items, and registers with the
// latest value of a kind. Its words are those of Reverb and TLaunch.
//
// A [Node] is added to a program like any other and used through its ref:
//
//	data := tlaunch.Add(p, "data", transmit.NewNode(transmit.Config{Tables: []transmit.Table{
//		{Name: "replay", Sampler: transmit.Prioritised(0.6), Limiter: transmit.MinSize(1000)},
//	}}))
//
// A [Step] is named tensors. A [Writer] appends steps and makes items of
// them: windows over its last steps, each with a priority, in a [Table].
// Steps are stored once, however many items have them, and go with the last. A [Sampler] reads a
// stream of items. The table's [Selector] says which, another which item goes
// when there is no room; its [Limiter] says when inserts and samples wait for
// each other. [Insert] and [Sample] do the same for one item, [UpdatePriorities],
// [Delete], [Reset] and [Info] what their names say.
//
// [SendInfo] and [GetInfo] write and read a register with the latest value;
// [Register] is one with a name, [HandOff] one whose every value is read once.
//
// # Guarantees
//
// An item is in its table when Insert, [Writer.Flush] or [Writer.Close] has returned. The
// items of a writer are inserted in the order in which they were made, those
// of a sampler read in the order in which they were selected. Those who wait for a limiter are let through in the
// order of arrival, and hold up nobody else.
//
// No item is sampled more often than its table allows, whoever samples at
// once. Requests are numbered and the node keeps its answers until the writer
// or sampler has them: one whose link broke is sent again and is done once, so
// nothing is lost or repeated either, while the node's process lives. When
// that ends, its last checkpoint is what there is: items that came since are lost,
// and samples given since may be given again.
//
// Bytes of steps that were sampled are the sampler's own.
//
// # Checkpoints
//
// With [Checkpoints] the node saves tables and registers at intervals, when [Checkpoint] asks for it, and
// at the end. It holds up requests for microseconds: what
// changes while it saves is copied first, page by page. A checkpoint is a file that has its name once it is
// complete and on disk; every block has a checksum. The newest good one is
// restored at the start, keys of items, priorities, counts of limiters and order included; writers and samplers are not known
// any more. A damaged one is put aside, and the log says so. The directory is locked by the one node that uses it.
//
// # Cancellation
//
// All functions that wait do so under their ctx. An [Insert] that gave up is
// not done later; an item that a [Writer] was given stays with it, and Flush may be called again.
//
// # Limits
//
// A step and an item have at most 32 MiB, a value likewise. A node knows the last
// 4,096 writers and samplers, until they are closed, their process ends or they have said nothing for an hour, and keeps up to 256 MiB of steps for each
// writer ([WriterConfig].Keep). A table has fewer than 2³² items; each costs about 80 bytes beyond its steps.
// Tensors are little-endian; see transmit.proto, by which programs in any language read and write
// them and speak with the node.
package transmit
