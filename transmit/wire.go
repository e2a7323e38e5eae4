package transmit

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tartrl/tlaunch-go/internal/pool"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// window, writeRequest and so on are the messages of transmit.proto by the
// same names. What they hold of bytes shares memory with the message they were
// decoded from.
type window struct {
	table        string
	first, count uint64
	priority     float64
}

type writeRequest struct {
	session         string
	number, settled uint64
	first           uint64
	steps           [][]byte
	windows         []window
	forget          uint64
	wait, bye       bool
}

type writeReply struct {
	fault *Fault
	keys  []uint64
}

type readRequest struct {
	session         string
	number, settled uint64
	table           string
	items, bytes    uint64
	bye             bool
}

type readReply struct {
	fault   *Fault
	samples []table.Sample
}

func appendUint(b []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(appendTag(b, number, protowire.VarintType), v)
}

func appendText(b []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(appendTag(b, number, protowire.BytesType), s)
}

func appendDouble(b []byte, number protowire.Number, v float64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(appendTag(b, number, protowire.Fixed64Type), math.Float64bits(v))
}

func appendFlag(b []byte, number protowire.Number, v bool) []byte {
	if v {
		return appendUint(b, number, 1)
	}
	return b
}

// appendMessage appends a field that is a message, which inner appends.
func appendMessage(b []byte, number protowire.Number, inner func([]byte) []byte) []byte {
	b = appendTag(b, number, protowire.BytesType)
	at := len(b)
	b = inner(append(b, 0))
	size := len(b) - at - 1
	if more := protowire.SizeVarint(uint64(size)) - 1; more > 0 { // the length takes more than the byte that was left for it
		b = slices.Insert(b, at, make([]byte, more)...)
	}
	protowire.AppendVarint(b[:at], uint64(size))
	return b
}

func (r *writeRequest) encode(b []byte) []byte {
	b = appendText(b, 1, r.session)
	b = appendUint(b, 2, r.number)
	b = appendUint(b, 3, r.settled)
	b = appendUint(b, 4, r.first)
	for _, s := range r.steps {
		b = protowire.AppendBytes(appendTag(b, 5, protowire.BytesType), s)
	}
	for i := range r.windows {
		w := &r.windows[i]
		b = appendMessage(b, 6, func(b []byte) []byte {
			b = appendText(b, 1, w.table)
			b = appendUint(b, 2, w.first)
			b = appendUint(b, 3, w.count)
			return appendDouble(b, 4, w.priority)
		})
	}
	b = appendUint(b, 7, r.forget)
	b = appendFlag(b, 8, r.wait)
	return appendFlag(b, 9, r.bye)
}

// lent is the encoding, in memory of package pool.
func (r *writeRequest) lent() []byte {
	size := 64
	for _, s := range r.steps {
		size += 1 + protowire.SizeBytes(len(s))
	}
	for i := range r.windows {
		size += 40 + len(r.windows[i].table)
	}
	return r.encode((*pool.Get(size))[:0])
}

func decodeWriteRequest(b []byte) (*writeRequest, error) {
	r := &writeRequest{}
	err := fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			r.session = string(f.bytes)
		case f.number == 2 && f.kind == protowire.VarintType:
			r.number = f.varint
		case f.number == 3 && f.kind == protowire.VarintType:
			r.settled = f.varint
		case f.number == 4 && f.kind == protowire.VarintType:
			r.first = f.varint
		case f.number == 5 && f.kind == protowire.BytesType:
			r.steps = append(r.steps, f.bytes)
		case f.number == 6 && f.kind == protowire.BytesType:
			w, err := r.window(f.bytes)
			r.windows = append(r.windows, w)
			return err
		case f.number == 7 && f.kind == protowire.VarintType:
			r.forget = f.varint
		case f.number == 8 && f.kind == protowire.VarintType:
			r.wait = f.varint != 0
		case f.number == 9 && f.kind == protowire.VarintType:
			r.bye = f.varint != 0
		}
		return nil
	})
	if err == nil {
		err = checkSession(r.session)
	}
	if err == nil && r.wait && len(r.steps) > 0 {
		err = fmt.Errorf("%w: a request that waits brings no steps", ErrRequest)
	}
	return r, err
}

const sessionBytes = 16

func (r *writeRequest) window(b []byte) (w window, err error) {
	err = fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			if n := len(r.windows); n > 0 && r.windows[n-1].table == string(f.bytes) {
				w.table = r.windows[n-1].table // mostly it is the same as before
			} else {
				w.table = string(f.bytes)
			}
		case f.number == 2 && f.kind == protowire.VarintType:
			w.first = f.varint
		case f.number == 3 && f.kind == protowire.VarintType:
			w.count = f.varint
		case f.number == 4 && f.kind == protowire.Fixed64Type:
			w.priority = math.Float64frombits(f.varint)
		}
		return nil
	})
	return w, err
}

func (f *Fault) append(b []byte, number protowire.Number) []byte {
	if f == nil {
		return b
	}
	return appendMessage(b, number, func(b []byte) []byte { return appendText(appendUint(b, 1, f.Code), 2, f.Text) })
}

func decodeFault(b []byte) (*Fault, error) {
	out := &Fault{}
	err := fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.VarintType:
			out.Code = f.varint
		case f.number == 2 && f.kind == protowire.BytesType:
			out.Text = string(f.bytes)
		}
		return nil
	})
	return out, err
}

func (r *writeReply) encode(b []byte) []byte {
	b = r.fault.append(b, 1)
	if len(r.keys) > 0 {
		b = protowire.AppendVarint(appendTag(b, 2, protowire.BytesType), uint64(8*len(r.keys)))
		for _, k := range r.keys {
			b = protowire.AppendFixed64(b, k)
		}
	}
	return b
}

func decodeWriteReply(b []byte) (*writeReply, error) {
	r := &writeReply{}
	err := fields(b, func(f field) (err error) {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			r.fault, err = decodeFault(f.bytes)
		case f.number == 2:
			err = f.fixed64s(func(k uint64) { r.keys = append(r.keys, k) })
		}
		return err
	})
	return r, err
}

func (r *readRequest) encode(b []byte) []byte {
	b = appendText(b, 1, r.session)
	b = appendUint(b, 2, r.number)
	b = appendUint(b, 3, r.settled)
	b = appendText(b, 4, r.table)
	b = appendUint(b, 5, r.items)
	b = appendUint(b, 6, r.bytes)
	return appendFlag(b, 7, r.bye)
}

func decodeReadRequest(b []byte) (*readRequest, error) {
	r := &readRequest{}
	err := fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			r.session = string(f.bytes)
		case f.number == 2 && f.kind == protowire.VarintType:
			r.number = f.varint
		case f.number == 3 && f.kind == protowire.VarintType:
			r.settled = f.varint
		case f.number == 4 && f.kind == protowire.BytesType:
			r.table = string(f.bytes)
		case f.number == 5 && f.kind == protowire.VarintType:
			r.items = f.varint
		case f.number == 6 && f.kind == protowire.VarintType:
			r.bytes = f.varint
		case f.number == 7 && f.kind == protowire.VarintType:
			r.bye = f.varint != 0
		}
		return nil
	})
	if err == nil {
		err = checkSession(r.session)
	}
	return r, err
}

func checkSession(name string) error {
	if len(name) != sessionBytes {
		return fmt.Errorf("%w: a session has %d bytes, not %d", ErrRequest, sessionBytes, len(name))
	}
	return nil
}

func sampleSize(s *table.Sample) int {
	n := 9 + 9 + 9 + 1 + protowire.SizeVarint(uint64(s.Times)) + 1 + protowire.SizeVarint(uint64(s.Size))
	for _, b := range s.Steps {
		n += 1 + protowire.SizeBytes(len(b))
	}
	return n
}

func (r *readReply) encode() []byte {
	size := 0
	for i := range r.samples {
		size += 1 + protowire.SizeBytes(sampleSize(&r.samples[i]))
	}
	b := r.fault.append((*pool.Get(size))[:0], 1)
	for i := range r.samples {
		s := &r.samples[i]
		b = protowire.AppendVarint(appendTag(b, 2, protowire.BytesType), uint64(sampleSize(s)))
		b = protowire.AppendFixed64(appendTag(b, 1, protowire.Fixed64Type), uint64(s.Key))
		b = protowire.AppendFixed64(appendTag(b, 2, protowire.Fixed64Type), math.Float64bits(s.Priority))
		b = protowire.AppendFixed64(appendTag(b, 3, protowire.Fixed64Type), math.Float64bits(s.Probability))
		b = protowire.AppendVarint(appendTag(b, 4, protowire.VarintType), uint64(s.Times))
		b = protowire.AppendVarint(appendTag(b, 5, protowire.VarintType), uint64(s.Size))
		for _, step := range s.Steps {
			b = protowire.AppendBytes(appendTag(b, 6, protowire.BytesType), step)
		}
	}
	return b
}

// decodeReadReply makes room for so many samples at once, as far as there can be so many.
func decodeReadReply(b []byte, samples int) (*readReply, error) {
	samples = min(samples, len(b)/leastSample)
	r := &readReply{samples: make([]table.Sample, 0, samples)}
	steps := make([][]byte, 0, samples)
	err := fields(b, func(f field) (err error) {
		switch {
		case f.number == 1 && f.kind == protowire.BytesType:
			r.fault, err = decodeFault(f.bytes)
		case f.number == 2 && f.kind == protowire.BytesType:
			var s table.Sample
			s, err = decodeSample(f.bytes, &steps)
			r.samples = append(r.samples, s)
		}
		return err
	})
	return r, err
}

// leastSample is what a sample takes of an answer at least, beside its steps.
const leastSample = 28

// decodeSample reads a sample, whose list of steps it puts at the end of room.
func decodeSample(b []byte, room *[][]byte) (s table.Sample, err error) {
	begin := len(*room)
	err = fields(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == protowire.Fixed64Type:
			s.Key = table.Key(f.varint)
		case f.number == 2 && f.kind == protowire.Fixed64Type:
			s.Priority = math.Float64frombits(f.varint)
		case f.number == 3 && f.kind == protowire.Fixed64Type:
			s.Probability = math.Float64frombits(f.varint)
		case f.number == 4 && f.kind == protowire.VarintType:
			s.Times = uint32(min(f.varint, math.MaxUint32))
		case f.number == 5 && f.kind == protowire.VarintType:
			s.Size = int(min(f.varint, math.MaxInt32))
		case f.number == 6 && f.kind == protowire.BytesType:
			*room = append(*room, f.bytes)
		}
		return nil
	})
	s.Steps = (*room)[begin:len(*room):len(*room)]
	return s, err
}

// spanIn is where part, which shares memory with whole, lies in it.
func spanIn(whole, part []byte) table.Span {
	if len(part) == 0 {
		return table.Span{}
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	return table.Span{Offset: uint32(at), Length: uint32(len(part))}
}
