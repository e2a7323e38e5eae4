package transmit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// The format of checkpoints: see the message Checkpoint in transmit.proto.
const (
	magic       = "TLAUNCHT"
	formatNow   = 1
	blockBytes  = 1 << 20   // after which a block ends
	longestPart = 128 << 20 // of a block that is read
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged: a checkpoint is not what was written.
var errDamaged = table.ErrDamaged

// picture is what a node has at one moment.
type picture struct {
	store     *table.StoreSnapshot
	tables    []*table.Snapshot
	names     []string // of tables
	registers []savedValue
	handOffs  []savedValue
}

type savedValue struct {
	name    string
	value   []byte
	version uint64
}

// picture takes microseconds, during which everything else waits.
func (s *state) picture() *picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &picture{store: s.store.Snapshot()}
	for _, sh := range s.order {
		p.tables = append(p.tables, sh.Snapshot())
		p.names = append(p.names, sh.name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.registers)) {
		if r := s.registers[name]; r.value != nil {
			p.registers = append(p.registers, savedValue{name, r.value, r.version})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.handOffs)) {
		if h := s.handOffs[name]; h.value != nil {
			p.handOffs = append(p.handOffs, savedValue{name, h.value, h.version})
		}
	}
	return p
}

// write writes a checkpoint.
func (p *picture) write(ctx context.Context, path, node string) (bytes int64, err error) {
	return writeWhole(path, func(f *os.File) (int64, error) {
		b := &blocks{ctx: ctx, to: f}
		p.encode(b, node)
		err := b.flush()
		return b.written, err
	})
}

// writeWhole writes a file that appears under its name when it is complete, and on
// disk. Otherwise nothing is left of it, unless the process is killed.
func writeWhole(path string, content func(*os.File) (int64, error)) (bytes int64, err error) {
	f, err := os.OpenFile(path+half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path+half))
		}
	}()
	bytes, err = content(f)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(path+half, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return bytes, err
}

// blocks cuts a message into blocks. After an error it does nothing more.
type blocks struct {
	ctx     context.Context
	to      io.Writer
	block   []byte // 8 bytes for length and checksum, and the content
	written int64
	err     error
}

// field appends a field, with what appends it.
func (b *blocks) field(appends func([]byte) []byte) {
	if b.written == 0 && b.block == nil && b.err == nil {
		_, b.err = io.WriteString(b.to, magic)
		b.written = int64(len(magic))
	}
	if b.err != nil {
		return
	}
	if b.block == nil {
		b.block = make([]byte, 8, blockBytes+blockBytes/8)
	}
	b.block = appends(b.block)
	if len(b.block) >= blockBytes {
		b.err = b.flush()
	}
}

func (b *blocks) flush() error {
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	if b.err != nil || len(b.block) <= 8 {
		return b.err
	}
	content := b.block[8:]
	binary.LittleEndian.PutUint32(b.block, uint32(len(content)))
	binary.LittleEndian.PutUint32(b.block[4:], crc32.Checksum(content, castagnoli))
	n, err := b.to.Write(b.block)
	b.written += int64(n)
	b.block = b.block[:8]
	return err
}

func (p *picture) encode(b *blocks, node string) {
	b.field(func(c []byte) []byte {
		return appendMessage(c, 1, func(c []byte) []byte { return appendText(appendUint(c, 1, formatNow), 2, node) })
	})
	places := make([]uint32, p.store.Slots())
	steps, items := uint32(0), uint64(0)
	for id, payload := range p.store.Payloads() {
		places[id] = steps
		steps++
		b.field(func(c []byte) []byte { return protowire.AppendBytes(appendTag(c, 2, protowire.BytesType), payload) })
	}
	for i, t := range p.tables {
		b.field(func(c []byte) []byte {
			return appendMessage(c, 3, func(c []byte) []byte {
				c = appendText(c, 1, p.names[i])
				for n, v := range []uint64{t.Counts.Inserts, t.Counts.Samples, t.Counts.Deletes, t.Counts.Unread, uint64(t.Generation)} {
					c = appendUint(c, protowire.Number(n+2), v)
				}
				return c
			})
		})
		for it := range t.Items() {
			if b.err != nil {
				return
			}
			items++
			b.field(func(c []byte) []byte { return appendItem(c, it, places) })
		}
	}
	for number, values := range map[protowire.Number][]savedValue{5: p.registers, 6: p.handOffs} {
		for _, v := range values {
			b.field(func(c []byte) []byte {
				return appendMessage(c, number, func(c []byte) []byte {
					c = appendText(c, 1, v.name)
					c = protowire.AppendBytes(appendTag(c, 2, protowire.BytesType), v.value)
					return appendUint(c, 3, v.version)
				})
			})
		}
	}
	b.field(func(c []byte) []byte {
		return appendMessage(c, 7, func(c []byte) []byte { return appendUint(appendUint(c, 1, uint64(steps)), 2, items) })
	})
}

func appendItem(c []byte, it table.Item, places []uint32) []byte {
	return appendMessage(c, 4, func(c []byte) []byte {
		c = protowire.AppendFixed64(appendTag(c, 1, protowire.Fixed64Type), uint64(it.Key))
		c = appendDouble(c, 2, it.Priority)
		c = appendUint(c, 3, uint64(it.Times))
		return appendMessage(c, 4, func(c []byte) []byte {
			for _, id := range it.Payloads {
				c = protowire.AppendVarint(c, uint64(places[id]))
			}
			return c
		})
	})
}

// load fills an empty s from a file. The error wraps errDamaged where another
// file may be better; then s has some of it.
func (s *state) load(path, node string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	l := &loader{state: s, node: node}
	if err := readBlocks(f, l.field); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := l.finish(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readBlocks calls each with the fields of a checkpoint's message. What it is
// given is not used again.
func readBlocks(r io.Reader, each func(field) error) error {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return fmt.Errorf("%w: it does not begin as a checkpoint does", errDamaged)
	}
	for {
		_, err := io.ReadFull(r, head)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		length := binary.LittleEndian.Uint32(head)
		if length > longestPart {
			return fmt.Errorf("%w: a block of %d bytes", errDamaged, length)
		}
		block, err := readN(r, int(length))
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		if sum := crc32.Checksum(block, castagnoli); sum != binary.LittleEndian.Uint32(head[4:]) {
			return fmt.Errorf("%w: the checksum of a block is not its own", errDamaged)
		}
		if err := fields(block, each); errors.Is(err, ErrType) {
			return fmt.Errorf("%w: %w", errDamaged, err)
		} else if err != nil {
			return err
		}
	}
}

// readN reads n bytes, and takes no more memory than there are.
func readN(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, 0, min(n, blockBytes+blockBytes/8))
	for len(b) < n {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(n-len(b), len(b)))
		}
		m, err := io.ReadFull(r, b[len(b):min(n, cap(b))])
		b = b[:len(b)+m]
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// loader restores a checkpoint, field by field.
type loader struct {
	state    *state
	node     string
	version  uint64
	steps    []uint32 // payloads
	items    uint64
	restorer *table.Restorer // of the table whose items come; nil: it is not in the configuration
	name     string          // of the table
	ended    bool
}

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

func (l *loader) field(f field) error {
	switch {
	case f.kind != protowire.BytesType || l.ended:
		return damage("a field %d where there is none", f.number)
	case l.version == 0 && f.number != 1:
		return damage("it has no header")
	}
	switch f.number {
	case 1:
		return l.header(f.bytes)
	case 2:
		l.steps = append(l.steps, l.state.store.Put(f.bytes))
	case 3:
		return l.table(f.bytes)
	case 4:
		return l.item(f.bytes)
	case 5, 6:
		return l.value(f.number, f.bytes)
	case 7:
		return l.end(f.bytes)
	}
	return nil
}

func (l *loader) header(b []byte) error {
	node := ""
	if err := inner(b, func(f field) {
		switch f.number {
		case 1:
			l.version = f.varint
		case 2:
			node = string(f.bytes)
		}
	}); err != nil {
		return err
	}
	switch {
	case l.version == 0:
		return damage("a header without a version")
	case l.version > formatNow:
		return fmt.Errorf("%w: a checkpoint of version %d, and this program reads up to %d: it was written by a newer one", ErrDirectory, l.version, formatNow)
	case node != l.node:
		return fmt.Errorf("%w: a checkpoint of node %q, and this is %q", ErrDirectory, node, l.node)
	}
	return nil
}

func (l *loader) table(b []byte) error {
	if err := l.closeTable(); err != nil {
		return err
	}
	var saved table.Snapshot
	counts := []*uint64{&saved.Counts.Inserts, &saved.Counts.Samples, &saved.Counts.Deletes, &saved.Counts.Unread}
	if err := inner(b, func(f field) {
		switch {
		case f.number == 1:
			l.name = string(f.bytes)
		case f.number >= 2 && f.number <= 5:
			*counts[f.number-2] = f.varint
		case f.number == 6:
			saved.Generation = uint32(f.varint)
		}
	}); err != nil {
		return err
	}
	sh := l.state.tables[l.name]
	if sh == nil {
		l.state.logger.Warn("a table of the checkpoint is not in the configuration; its items are left out", "table", l.name)
		return nil
	}
	if sh.Len() > 0 {
		return damage("table %q is there twice", l.name)
	}
	l.restorer = table.NewRestorer(sh.Table, saved)
	return nil
}

func (l *loader) closeTable() error {
	if l.restorer == nil {
		return nil
	}
	err := l.restorer.Close()
	l.restorer = nil
	if err != nil {
		return fmt.Errorf("table %q: %w", l.name, err)
	}
	return nil
}

func (l *loader) item(b []byte) error {
	l.items++
	if l.restorer == nil {
		return nil
	}
	var it table.Item
	bad := false
	if err := inner(b, func(f field) {
		switch f.number {
		case 1:
			it.Key = table.Key(f.varint)
		case 2:
			it.Priority = math.Float64frombits(f.varint)
		case 3:
			it.Times = uint32(f.varint)
		case 4:
			for rest := f.bytes; len(rest) > 0; {
				place, n := protowire.ConsumeVarint(rest)
				if n < 0 || place >= uint64(len(l.steps)) {
					bad = true
					return
				}
				it.Payloads = append(it.Payloads, l.steps[place])
				rest = rest[n:]
			}
		}
	}); err != nil {
		return err
	}
	if bad {
		return damage("an item of steps that are not there")
	}
	if err := l.restorer.Add(it); err != nil {
		return fmt.Errorf("table %q: %w", l.name, err)
	}
	return nil
}

func (l *loader) value(number protowire.Number, b []byte) error {
	v := savedValue{value: []byte{}}
	if err := inner(b, func(f field) {
		switch f.number {
		case 1:
			v.name = string(f.bytes)
		case 2:
			v.value = slices.Clone(f.bytes)
		case 3:
			v.version = f.varint
		}
	}); err != nil {
		return err
	}
	if v.value == nil {
		v.value = []byte{}
	}
	if number == 5 {
		r, err := l.state.register(v.name)
		if err != nil {
			return damage("%w", err)
		}
		r.set(v.value)
		r.version = v.version
		return nil
	}
	h, err := l.state.handOff(v.name)
	if err != nil {
		return damage("%w", err)
	}
	h.set(v.value)
	h.version = v.version
	return nil
}

func (l *loader) end(b []byte) error {
	var steps, items uint64
	if err := inner(b, func(f field) {
		switch f.number {
		case 1:
			steps = f.varint
		case 2:
			items = f.varint
		}
	}); err != nil {
		return err
	}
	if steps != uint64(len(l.steps)) || items != l.items {
		return damage("%d steps and %d items, and %d and %d were saved", len(l.steps), l.items, steps, items)
	}
	l.ended = true
	return l.closeTable()
}

// finish checks that all has come, and lets go of steps that no item has.
func (l *loader) finish() error {
	if !l.ended {
		return damage("it has no end")
	}
	for _, id := range l.steps {
		l.state.store.Unref(id)
	}
	return nil
}

// inner is fields for a message inside of a checkpoint.
func inner(b []byte, each func(field)) error {
	if err := fields(b, func(f field) error { each(f); return nil }); err != nil {
		return damage("%w", err)
	}
	return nil
}
