package transmit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// load fills an empty s from a file. The error wraps errDamaged where another
// file may be better; then s has some of it. That a disk cannot be read is none
// of these: what it has may be well.
func (s *state) load(ctx context.Context, path string, whose owner) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	l := &loader{state: s, whose: whose}
	if err := readBlocks(f, func(f field) error { return cmp.Or(ctx.Err(), l.field(f)) }); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := l.finish(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// loader restores a checkpoint, field by field.
type loader struct {
	state    *state
	whose    owner
	version  uint64
	steps    []uint32 // payloads
	items    uint64
	restorer *table.Restorer // of the table whose items come; nil: it is not in the configuration
	name     string          // of the table
	check    []Column        // of the table, if the items that come may have others
	checked  []bool          // steps that have these
	known    int             // tables that are in the configuration
	unknown  int             // those that are not
	ended    bool
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
	var whose owner
	if err := inner(b, func(f field) {
		switch f.number {
		case 1:
			l.version = f.varint
		case 2:
			whose.node = string(f.bytes)
		case 3:
			whose.program = string(f.bytes)
		}
	}); err != nil {
		return err
	}
	switch {
	case l.version == 0:
		return damage("a header without a version")
	case l.version > formatNow:
		return fmt.Errorf("%w: a checkpoint of version %d, and this program reads up to %d: it was written by a newer one", ErrDirectory, l.version, formatNow)
	case whose != l.whose:
		return fmt.Errorf("%w: a checkpoint of %v, and this is %v", ErrDirectory, whose, l.whose)
	}
	return nil
}

func (l *loader) table(b []byte) error {
	if err := l.closeTable(); err != nil {
		return err
	}
	var saved table.Snapshot
	var columns []byte
	counts := []*uint64{&saved.Counts.Inserts, &saved.Counts.Samples, &saved.Counts.Deletes, &saved.Counts.Unread}
	if err := inner(b, func(f field) {
		switch {
		case f.number == 1:
			l.name = string(f.bytes)
		case f.number >= 2 && f.number <= 5:
			*counts[f.number-2] = f.varint
		case f.number == 6:
			saved.Generation = uint32(f.varint)
		case f.number == 7:
			columns = protowire.AppendBytes(appendTag(columns, 7, protowire.BytesType), f.bytes)
		}
	}); err != nil {
		return err
	}
	sh := l.state.tables[l.name]
	if sh == nil {
		l.unknown++
		l.state.logger.Warn("a table of the checkpoint is not in the configuration; its items are left out", "table", l.name)
		return nil
	}
	if sh.Len() > 0 {
		return damage("table %q is there twice", l.name)
	}
	l.known++
	l.restorer = table.NewRestorer(sh.Table, saved)
	if l.check, l.checked = nil, nil; !bytes.Equal(columns, appendColumns(nil, 7, sh.columns)) {
		l.check, l.checked = sh.columns, make([]bool, len(l.steps))
	}
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
	var other error // why a step is none of the table's
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
				other = cmp.Or(other, l.checkStep(place))
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
	if other != nil {
		return other
	}
	if err := l.restorer.Add(it); err != nil {
		return fmt.Errorf("table %q: %w", l.name, err)
	}
	return nil
}

// checkStep says why a step is not what the columns of its table say.
func (l *loader) checkStep(place uint64) error {
	if l.check == nil || l.checked[place] {
		return nil
	}
	l.checked[place] = true
	step, err := DecodeStep(l.state.store.Get(l.steps[place]))
	if err == nil {
		err = checkColumns(l.check, step)
	}
	if err != nil {
		return fmt.Errorf("%w: the steps of table %q that were saved are not what its columns say now (%v); name another directory, or give the table another name", ErrDirectory, l.name, err)
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
	if l.known == 0 && l.unknown > 0 && len(l.state.order) > 0 {
		return fmt.Errorf("%w: a checkpoint of other tables, none of which is in the configuration; name another directory", ErrDirectory)
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
