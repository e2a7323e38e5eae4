package collective

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// What members say to each other. A message is a header of 64 bytes, numbers little endian, and a payload:
//
//	0  kind, 1 byte        1  flags        4  sender's rank, 4 bytes       8  operation, counted by each member from 1, and its round in the low 16 bits
//	16 stream, 4 bytes     20 index of the message in its stream, 4 bytes
//	24 signature, 32 bytes (see signature.put); of a grant: 8 bytes of credit; of the end of a lane: its number, and how many messages have come on it, 8 bytes each
//	56 instance of the sender: a random number of its process and node
//
// The payload begins at a multiple of 8, so that numbers in it can be used where they are.
const headerSize = 64

type kind uint8

const (
	kindData kind = iota + 1
	kindGrant
	kindAbort // payload: a failure
	kindLane  // a lane has ended here
)

const flagLast = 1 // of a stream whose length nobody knew

type header struct {
	kind     kind
	flags    uint8
	from     int
	seq      uint64
	stream   uint32
	index    uint32
	sig      signature
	credit   uint64
	lane     uint64
	come     uint64
	instance uint64
}

func (h *header) put(b []byte) {
	clear(b[:headerSize])
	b[0], b[1] = byte(h.kind), h.flags
	binary.LittleEndian.PutUint32(b[4:], uint32(h.from))
	binary.LittleEndian.PutUint64(b[8:], h.seq)
	binary.LittleEndian.PutUint32(b[16:], h.stream)
	binary.LittleEndian.PutUint32(b[20:], h.index)
	switch h.kind {
	case kindGrant:
		binary.LittleEndian.PutUint64(b[24:], h.credit)
	case kindLane:
		binary.LittleEndian.PutUint64(b[24:], h.lane)
		binary.LittleEndian.PutUint64(b[32:], h.come)
	default:
		h.sig.put(b[24:56])
	}
	binary.LittleEndian.PutUint64(b[56:], h.instance)
}

// parse reads the header of a message in a group of n members.
func parse(b []byte, n int) (h header, payload []byte, err error) {
	if len(b) < headerSize {
		return h, nil, fmt.Errorf("%w: a message of %d bytes", errMessage, len(b))
	}
	from := binary.LittleEndian.Uint32(b[4:])
	h = header{
		kind: kind(b[0]), flags: b[1], from: int(from), seq: binary.LittleEndian.Uint64(b[8:]),
		stream: binary.LittleEndian.Uint32(b[16:]), index: binary.LittleEndian.Uint32(b[20:]), instance: binary.LittleEndian.Uint64(b[56:]),
	}
	if h.kind < kindData || h.kind > kindLane || uint64(from) >= uint64(n) {
		return h, nil, fmt.Errorf("%w: kind %d from member %d of %d", errMessage, h.kind, from, n)
	}
	switch h.kind {
	case kindGrant:
		h.credit = binary.LittleEndian.Uint64(b[24:])
	case kindLane:
		h.lane, h.come = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
	default:
		h.sig = readSignature(b[24:56])
	}
	return h, b[headerSize:], nil
}

// A signature is what members must have in common when they meet in an operation.
type signature struct {
	op      opKind
	algo    Algorithm
	elem    elemKind
	big     bool // numbers are big endian in this process's memory
	root    uint32
	size    uint64 // of the data, in bytes, by the operation's own measure
	chunk   uint32
	reduce  uint32 // of the reduction's name
	members uint32 // how many there are
	set     uint32 // of who is a leaf, and who is left out
	needAll bool   // nobody is to be left out
}

func (s *signature) put(b []byte) {
	b[0], b[1], b[2] = byte(s.op), byte(s.algo), byte(s.elem)
	if s.big {
		b[3] |= 1
	}
	if s.needAll {
		b[3] |= 2
	}
	binary.LittleEndian.PutUint32(b[4:], s.root)
	binary.LittleEndian.PutUint64(b[8:], s.size)
	binary.LittleEndian.PutUint32(b[16:], s.chunk)
	binary.LittleEndian.PutUint32(b[20:], s.reduce)
	binary.LittleEndian.PutUint32(b[24:], s.members)
	binary.LittleEndian.PutUint32(b[28:], s.set)
}

func readSignature(b []byte) signature {
	return signature{
		op: opKind(b[0]), algo: Algorithm(b[1]), elem: elemKind(b[2]), big: b[3]&1 != 0, needAll: b[3]&2 != 0,
		root: binary.LittleEndian.Uint32(b[4:]), size: binary.LittleEndian.Uint64(b[8:]),
		chunk: binary.LittleEndian.Uint32(b[16:]), reduce: binary.LittleEndian.Uint32(b[20:]), members: binary.LittleEndian.Uint32(b[24:]),
		set: binary.LittleEndian.Uint32(b[28:]),
	}
}

// text says what the signature means, for errors: all in which two can differ. What is usual is left out; see [DisagreeError].
func (s signature) text() string {
	text := fmt.Sprintf("%v of %d bytes of %v", s.op, s.size, s.elem)
	for _, part := range []struct {
		text string
		is   bool
	}{
		{fmt.Sprintf("root %d", s.root), true},
		{fmt.Sprintf("%d members", s.members), true},
		{fmt.Sprintf("%v in chunks of %d", s.algo, s.chunk), true},
		{reductionText(s.reduce), s.reduce != 0},
		{"NeedAll", s.needAll},
		{fmt.Sprintf("leaves and left out %08x", s.set), s.set != 0},
		{"big endian", s.big},
	} {
		if part.is {
			text += ", " + part.text
		}
	}
	return text
}

// reductionText is the name of a reduction, as far as it is known of its hash: members may have others.
func reductionText(hash uint32) string {
	for _, r := range []func() Reduction[int32]{Sum[int32], Mean[int32], Min[int32], Max[int32]} {
		if name := r().name; hashName(name) == hash {
			return "by " + name
		}
	}
	return fmt.Sprintf("by a function with the mark %08x", hash)
}

var bigEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}()

type opKind uint8

const (
	// With a root.
	opBroadcast opKind = iota + 1
	opStream
	opScatter
	opGather
	opReduce
	// Without.
	opAllReduce
	opAllGather
	opReduceScatter
	opAllToAll
	opBarrier
	// With a root.
	opStreamGather
	opStreamScatter
	// Without, and of this package alone.
	opMeasure
	opAgree
)

// isStream tells whether nobody knows how much an operation will move.
func (k opKind) isStream() bool { return k == opStream || k == opStreamGather || k == opStreamScatter }

// hasRoot tells whether an operation has a member from or to whom everything goes.
func (k opKind) hasRoot() bool { return k <= opReduce || k.isStream() }

func (k opKind) String() string {
	names := []string{"?", "Broadcast", "Stream", "Scatter", "Gather", "Reduce", "AllReduce", "AllGather", "ReduceScatter", "AllToAll", "Barrier", "StreamGather", "StreamScatter", "Measure", "agreement", "?"}
	return names[min(int(k), len(names)-1)]
}
