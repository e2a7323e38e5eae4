package collective

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// How streams of unlike lengths, that nobody knows, go from each member to the root, and from the root to each: as the parts of a Gather and a Scatter, one after another along
// each branch of the tree, with an end instead of a length.

// StreamGather brings what each member reads from a reader, up to its end, to the root, which writes it to a writer for that member. The streams may have any lengths, which nobody need
// know. from is each member's own; nil gives nothing. to is the root's, and not looked at elsewhere: before anything is read it is called for each member, by rank, but for the root itself
// only if that has a reader, and returns where to write what that member gives; [io.Discard] drops it. Through each child of the root, in the tree, comes one stream after the other, the child's own first, and those
// through different children at once: so the writers are called from several goroutines, each by one at a time; by [Direct], all of them at once. A slow reader or writer holds up those that come
// after it through the same child.
//
// It returns how many bytes this member has read, at the root how many were written in all, when the root has written everything. Bytes travel when there are enough for a chunk, or the reader has
// ended. A reader or writer that fails, or a member that is gone, ends it for all. A Read or Write under way is waited for, whatever the context says: give ones that can be interrupted.
func StreamGather(ctx context.Context, n Node, root int, from io.Reader, to func(member int) io.Writer, opts ...Option) (int64, error) {
	var writers []io.Writer
	var wrong error
	if m := n.member(); m != nil && m.plan != nil && m.rank == root {
		writers, wrong = m.writersFor(from, to)
	}
	var moved atomic.Int64
	err := operate(ctx, n, request{kind: opStreamGather, root: root, elem: elemByte, opts: opts, wrong: wrong}, func(o *op, _ Algorithm, trees []tree) error {
		return o.streamGather(&trees[0], from, writers, &moved)
	})
	return moved.Load(), err
}

// StreamScatter brings each member what the root reads for it from a reader, up to its end. The streams may have any lengths, which nobody need know. from is the root's, and not looked at elsewhere: before
// anything is read it is called for each member, by rank, and returns what to read for that one; nil is nothing. to is each member's own writer; the root needs none where it has no reader for itself.
// To each child of the root, in the tree, goes one stream after the other, the child's own first, and to different children at once: so the readers are called from several goroutines,
// each by one at a time; by [Direct], all of them at once. A slow reader or writer holds up those that come after it through the same child.
//
// It returns how many bytes this member has written, at the root how many were read in all, when all below the member in the tree have written theirs. All else is as with [StreamGather].
func StreamScatter(ctx context.Context, n Node, root int, from func(member int) io.Reader, to io.Writer, opts ...Option) (int64, error) {
	var readers []io.Reader
	var wrong error
	if m := n.member(); m != nil && m.plan != nil {
		if m.rank == root {
			readers, wrong = m.readersFor(from, to)
		} else if to == nil {
			wrong = fmt.Errorf("%w: no writer: io.Discard drops what comes", ErrArgument)
		}
	}
	var moved atomic.Int64
	err := operate(ctx, n, request{kind: opStreamScatter, root: root, elem: elemByte, opts: opts, wrong: wrong}, func(o *op, _ Algorithm, trees []tree) error {
		return o.streamScatter(&trees[0], readers, to, &moved)
	})
	return moved.Load(), err
}

// writersFor asks the root's function for all writers that are needed.
func (m *Member) writersFor(from io.Reader, to func(member int) io.Writer) ([]io.Writer, error) {
	if to == nil {
		return nil, fmt.Errorf("%w: the root needs a function that returns a writer for each member", ErrArgument)
	}
	all := make([]io.Writer, m.plan.shape.Len())
	for rank := range all {
		if rank == m.rank && from == nil {
			continue
		}
		if all[rank] = to(rank); all[rank] == nil {
			return nil, fmt.Errorf("%w: no writer for what %s gives: io.Discard drops it", ErrArgument, m.plan.name(rank))
		}
	}
	return all, nil
}

// readersFor asks the root's function for all readers.
func (m *Member) readersFor(from func(member int) io.Reader, to io.Writer) ([]io.Reader, error) {
	if from == nil {
		return nil, fmt.Errorf("%w: the root needs a function that returns a reader for each member", ErrArgument)
	}
	all := make([]io.Reader, m.plan.shape.Len())
	for rank := range all {
		all[rank] = from(rank)
	}
	if all[m.rank] != nil && to == nil {
		return nil, fmt.Errorf("%w: the root has a reader for itself and no writer: io.Discard drops what it reads", ErrArgument)
	}
	return all, nil
}

func (o *op) streamGather(t *tree, from io.Reader, to []io.Writer, moved *atomic.Int64) error {
	me, root := o.m.rank, int(o.sig.root)
	if me != root {
		up := t.parent[me]
		for _, rank := range t.below(me) {
			var err error
			if rank == me {
				err = o.giveStream(up, me, from, make([]byte, o.sig.chunk), moved)
			} else {
				err = o.relayStream(t.towards(me, rank), up, rank)
			}
			if err != nil {
				return err
			}
		}
		return o.hearWord(root, streamDone)
	}
	parts := []func() error{func() error { return o.copyStream(from, to[me], moved) }}
	for _, child := range t.children[me] {
		parts = append(parts, func() error {
			for _, rank := range t.below(child) {
				if err := o.takeStream(child, rank, rank, to[rank], moved); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := o.each(parts...); err != nil {
		return err
	}
	return o.tellWritten(t.order[1:])
}

// tellWritten says to the others that what they gave is written. The root says so to each, not along the tree: it is so, also for those below a member that has ended meanwhile.
func (o *op) tellWritten(others []int) error {
	var parts []func() error
	for _, rank := range others {
		parts = append(parts, func() error {
			err := o.send(rank, stream(streamDone, 0), 0, 0, nil)
			if isGoneMember(err, rank) {
				return nil // what it gave is written too
			}
			return err
		})
	}
	return o.eachOrNone(parts)
}

func (o *op) streamScatter(t *tree, from []io.Reader, to io.Writer, moved *atomic.Int64) error {
	me := o.m.rank
	up := t.parent[me]
	if up >= 0 {
		for _, rank := range t.below(me) {
			var err error
			if rank == me {
				err = o.takeStream(up, me, int(o.sig.root), to, moved)
			} else {
				err = o.relayStream(up, t.towards(me, rank), rank)
			}
			if err != nil {
				return err
			}
		}
	} else {
		parts := []func() error{func() error { return o.copyStream(from[me], to, moved) }}
		for _, child := range t.children[me] {
			parts = append(parts, func() error {
				room := make([]byte, o.sig.chunk)
				for _, rank := range t.below(child) {
					if err := o.giveStream(child, rank, from[rank], room, moved); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := o.each(parts...); err != nil {
			return err
		}
	}
	for _, child := range t.children[me] {
		if err := o.hearWord(child, streamDone); err != nil {
			return err
		}
	}
	if up < 0 {
		return nil
	}
	return o.send(up, stream(streamDone, 0), 0, 0, nil)
}

// giveStream sends what a reader has as the part of a member. room is for a chunk.
func (o *op) giveStream(to, part int, from io.Reader, room []byte, moved *atomic.Int64) error {
	for i := 0; ; i++ {
		n, last, err := o.readChunk(from, part, room)
		if err != nil {
			return err
		}
		moved.Add(int64(n))
		flags := uint8(0)
		if last {
			flags = flagLast
		}
		if err := o.send(to, stream(streamPart, part), uint32(i), flags, room[:n]); err != nil || last {
			return err
		}
	}
}

// takeStream writes the part of a member as it comes from another. giver is the member that has read it.
func (o *op) takeStream(from, part, giver int, to io.Writer, moved *atomic.Int64) error {
	for {
		if err := o.alive(); err != nil {
			return err
		}
		p, err := o.receive(from, stream(streamPart, part))
		if err != nil {
			return err
		}
		last := p.flags&flagLast != 0
		n, err := o.writeChunk(to, giver, p.payload)
		moved.Add(int64(n))
		o.m.release(o.ctx, p)
		if err != nil || last {
			return err
		}
	}
}

// relayStream passes the part of a member on, up to its end.
func (o *op) relayStream(from, to, part int) error {
	for i := 0; ; i++ {
		p, err := o.receive(from, stream(streamPart, part))
		if err != nil {
			return err
		}
		last := p.flags&flagLast != 0
		if err := o.forward(p, to, stream(streamPart, part), uint32(i)); err != nil || last {
			return err
		}
	}
}

// copyStream is the root's own part.
func (o *op) copyStream(from io.Reader, to io.Writer, moved *atomic.Int64) error {
	if from == nil {
		return nil
	}
	room := make([]byte, o.sig.chunk)
	for {
		if err := o.alive(); err != nil {
			return err
		}
		n, last, err := o.readChunk(from, o.m.rank, room)
		if err != nil {
			return err
		}
		n, err = o.writeChunk(to, o.m.rank, room[:n])
		moved.Add(int64(n))
		if err != nil || last {
			return err
		}
	}
}

// alive is nil while the operation goes on: who only reads and writes waits for nothing by which he would hear of its end.
func (o *op) alive() error {
	if err := o.ctx.Err(); err != nil {
		return err
	}
	return o.wait(-1, func() bool { return true })
}

// readChunk reads the next chunk of the part of a member; last where nothing comes after it. Of no reader that is at once.
func (o *op) readChunk(from io.Reader, part int, room []byte) (n int, last bool, err error) {
	if from == nil {
		return 0, true, nil
	}
	n, err = io.ReadFull(from, room)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, true, nil
	}
	if err != nil {
		err = fmt.Errorf("reading the part of %s at %s: %w", o.m.plan.name(part), o.m.plan.name(o.m.rank), err)
	}
	return n, false, err
}

// writeChunk writes what another member has read.
func (o *op) writeChunk(to io.Writer, giver int, data []byte) (n int, err error) {
	if len(data) == 0 {
		return 0, nil
	}
	n, err = to.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = fmt.Errorf("writing what %s gives: %w", o.m.plan.name(giver), err)
	}
	return n, err
}
