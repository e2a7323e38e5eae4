package transmit

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// formatNow is the version of checkpoints that are written.
const formatNow = 1

// picture is what a node has at one moment.
type picture struct {
	store     *table.StoreSnapshot
	tables    []savedTable
	registers []savedValue
	handOffs  []savedValue
}

type savedTable struct {
	*table.Snapshot
	name    string
	columns []Column
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
		p.tables = append(p.tables, savedTable{sh.Snapshot(), sh.name, sh.columns})
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
func (p *picture) write(ctx context.Context, path string, whose owner) (bytes int64, err error) {
	return writeWhole(path, func(f *os.File) (int64, error) {
		b := &blocks{ctx: ctx, to: f}
		p.encode(b, whose)
		err := b.flush()
		return b.written, err
	})
}

// writeWhole writes a file that appears under its name when it is complete, and on
// disk. Otherwise nothing is left of it, unless the process is killed.
func writeWhole(path string, content func(*os.File) (int64, error)) (bytes int64, err error) {
	f, err := os.OpenFile(path+half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
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

func (p *picture) encode(b *blocks, whose owner) {
	b.field(func(c []byte) []byte {
		return appendMessage(c, 1, func(c []byte) []byte {
			return appendText(appendText(appendUint(c, 1, formatNow), 2, whose.node), 3, whose.program)
		})
	})
	places := make([]uint32, p.store.Slots())
	steps, items := uint32(0), uint64(0)
	for id, payload := range p.store.Payloads() {
		places[id] = steps
		steps++
		b.field(func(c []byte) []byte { return protowire.AppendBytes(appendTag(c, 2, protowire.BytesType), payload) })
	}
	for _, t := range p.tables {
		b.field(func(c []byte) []byte {
			return appendMessage(c, 3, func(c []byte) []byte {
				c = appendText(c, 1, t.name)
				for n, v := range []uint64{t.Counts.Inserts, t.Counts.Samples, t.Counts.Deletes, t.Counts.Unread, uint64(t.Generation)} {
					c = appendUint(c, protowire.Number(n+2), v)
				}
				return appendColumns(c, 7, t.columns)
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
