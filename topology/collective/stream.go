package collective

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// streamKept is how many chunks of a stream a member keeps for those below it.
const streamKept = 4

// Stream brings what the root reads from a reader, up to its end, to the writers of all other members, which need not know how long it is. from is
// the root's, to all others'. It returns how many bytes were read, or written, when all below the member in the tree have written them. A member that
// cannot write, or is gone, ends it for all; of two trees it takes one. A Read or Write under way is waited for, whatever the context says: give ones
// that can be interrupted.
func Stream(ctx context.Context, n Node, root int, from io.Reader, to io.Writer, opts ...Option) (int64, error) {
	var wrong error
	if m := n.member(); m != nil && m.plan != nil && (m.rank == root && from == nil || m.rank != root && to == nil) {
		wrong = fmt.Errorf("%w: the root needs a reader, and all others a writer", ErrArgument)
	}
	var moved int64
	err := operate(ctx, n, request{kind: opStream, root: root, elem: elemByte, opts: opts, wrong: wrong}, func(o *op, _ Algorithm, trees []tree) error {
		f := &flow{o: o, tree: &trees[0], made: o.newMark()}
		return f.run(from, to, &moved)
	})
	return moved, err
}

// A flow is a stream at one member: chunks come, and go on to each child at its own pace, the slowest at most streamKept behind.
type flow struct {
	o     *op
	tree  *tree
	kept  [streamKept]shared // chunk i in i modulo their number
	made  mark               // so many have come
	taken []mark             // so many have gone to each child
}

// shared is a chunk for all children.
type shared struct {
	data   []byte
	packet *packet // nil: data is the root's own
	last   bool
}

func (f *flow) run(from io.Reader, to io.Writer, moved *int64) error {
	me := f.o.m.rank
	var parts []func() error
	for _, child := range f.tree.children[me] {
		taken := f.o.newMark()
		f.taken = append(f.taken, taken)
		parts = append(parts, func() error { return f.feed(child, taken) })
	}
	up := f.tree.parent[me]
	if up < 0 {
		parts = append(parts, func() error { return f.read(from, moved) })
	} else {
		parts = append(parts, func() error { return f.write(up, to, moved) })
	}
	err := f.o.each(parts...)
	for _, s := range f.kept {
		if s.packet != nil {
			f.o.m.release(f.o.ctx, s.packet)
		}
	}
	if err != nil || up < 0 {
		return err
	}
	return f.o.send(up, stream(streamDone, 0), 0, 0, nil)
}

// read makes chunks of what the root reads.
func (f *flow) read(from io.Reader, moved *int64) error {
	var rooms [streamKept][]byte
	for i := 0; ; i++ {
		if err := f.room(i); err != nil {
			return err
		}
		if rooms[i%streamKept] == nil {
			rooms[i%streamKept] = make([]byte, f.o.sig.chunk)
		}
		n, err := io.ReadFull(from, rooms[i%streamKept])
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("reading what %s streams: %w", f.o.m.plan.name(f.o.m.rank), err)
		}
		*moved += int64(n)
		f.put(i, shared{data: rooms[i%streamKept][:n], last: last})
		if last {
			return nil
		}
	}
}

// write receives chunks, writes them, and has them go on.
func (f *flow) write(up int, to io.Writer, moved *int64) error {
	for i := 0; ; i++ {
		if err := f.room(i); err != nil {
			return err
		}
		p, err := f.o.receive(up, stream(streamDown, 0))
		if err != nil {
			return err
		}
		last := p.flags&flagLast != 0
		f.put(i, shared{data: p.payload, packet: p, last: last}) // those below need not wait for this one's writer
		n, err := to.Write(p.payload)
		*moved += int64(n)
		if err != nil {
			return fmt.Errorf("writing what %s streams: %w", f.o.m.plan.name(up), err)
		}
		if last {
			return nil
		}
	}
}

// room waits until chunk i may take the place of the one before it there.
func (f *flow) room(i int) error {
	err := f.o.wait(-1, func() bool {
		for _, taken := range f.taken {
			if f.o.marks[taken] <= i-streamKept {
				return false
			}
		}
		return true
	})
	if s := &f.kept[i%streamKept]; err == nil && s.packet != nil {
		f.o.m.release(f.o.ctx, s.packet)
		*s = shared{}
	}
	return err
}

func (f *flow) put(i int, s shared) {
	f.kept[i%streamKept] = s
	f.o.advance(f.made, i+1)
}

// feed sends a child all chunks, and waits until all below it have written them.
func (f *flow) feed(child int, taken mark) error {
	for i := 0; ; i++ {
		if err := f.o.reach(f.made, i+1); err != nil {
			return err
		}
		s := f.kept[i%streamKept]
		flags := uint8(0)
		if s.last {
			flags = flagLast
		}
		if err := f.o.send(child, stream(streamDown, 0), uint32(i), flags, s.data); err != nil {
			return err
		}
		f.o.advance(taken, i+1)
		if s.last {
			break
		}
	}
	p, err := f.o.receive(child, stream(streamDone, 0))
	if err == nil {
		f.o.m.release(f.o.ctx, p)
	}
	return err
}
