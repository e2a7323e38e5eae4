package remote

import (
	"encoding/binary"

	protoactor "github.com/asynkron/protoactor-go/actor"

	"github.com/tartrl/tlaunch-go/actor"
)

// Frames: section 4 of WIRE.md.

type frameKind byte

const (
	frameBeat    frameKind = iota // a sign of life
	frameMessage                  // an envelope of Proto.Actor
	frameParcel                   // between two systems of package actor
	frameOpen                     // the beginning of a large one of these
	frameChunk                    // the next part of it
	frameLeave                    // no message follows
	frameAck                      // what came of the other side's frames
	frameVoid                     // the link is over
	frameTraced                   // a parcel that belongs to a trace; from version 3

	frameUrgent frameKind = 0x80 // of the lane that passes the other

	frameHead   = 4        // bytes before each frame: three of length, little endian, one of kind
	wholeBytes  = 32 << 10 // the largest body that is not sent in chunks: what is copied less often is worth a frame more
	inlineBytes = 64 << 10 // the size of chunks
	metaBytes   = 32 << 10 // what may stand before a body
	maxFrame    = inlineBytes + metaBytes
	maxSlots    = 4 // large ones on the way at once, in one lane
)

// addHead leaves room for the head of a frame that begins at the end of b; see setHead.
func addHead(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// setHead writes the head of the frame that begins at b[at] and goes on for extra bytes beyond b.
func setHead(b []byte, at int, kind frameKind, extra int) {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-frameHead+extra)|uint32(kind)<<24)
}

func headOf(b []byte) (n int, kind frameKind) {
	v := binary.LittleEndian.Uint32(b)
	return int(v & (1<<24 - 1)), frameKind(v >> 24)
}

// addMeta writes what stands before the body of a message or a parcel.
func (s *said) addMeta(b []byte, it *item) []byte {
	if it.parcel {
		b = s.add(b, it.to, false)
		b = s.add(b, it.typeName, false)
		head := it.head[it.traced:]
		if it.traced > 0 {
			b = append(binary.AppendUvarint(b, uint64(it.traced)), it.head[:it.traced]...)
		}
		b = binary.AppendUvarint(b, uint64(len(head)))
		return append(b, head...)
	}
	b = s.add(b, it.to, oneShot(it.to))
	b = binary.AppendUvarint(b, uint64(it.target.RequestId))
	b = s.add(b, it.typeName, false)
	if it.sender == nil {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = s.add(b, it.sender.Address, false)
		b = s.add(b, it.sender.Id, oneShot(it.sender.Id))
		b = binary.AppendUvarint(b, uint64(it.sender.RequestId))
	}
	b = binary.AppendUvarint(b, uint64(len(it.header)))
	for k, v := range it.header {
		b = addText(addText(b, k), v)
	}
	return b
}

// meta is what stood before a body.
type meta struct {
	kind   frameKind // frameMessage, frameParcel or frameTraced
	target *actor.Name
	label  *actor.Name // of a parcel
	trace  []byte      // of a traced parcel
	head   []byte      // of a parcel
	to     *protoactor.PID
	typ    string
	sender *protoactor.PID
	header map[string]string
}

// meta reads what addMeta has written; trace and head alias the frame.
func (c *cursor) meta(kind frameKind, t *heard, m *meta) {
	*m = meta{kind: kind, target: c.name(t)}
	switch kind {
	case frameParcel, frameTraced:
		m.label = c.name(t)
		if kind == frameTraced {
			m.trace = c.bytes(c.uvarint())
		}
		m.head = c.bytes(c.uvarint())
	case frameMessage:
		m.to = &protoactor.PID{Id: m.target.Text, RequestId: uint32(c.uvarint())}
		m.typ = c.name(t).Text
		switch c.uvarint() {
		case 0:
		case 1:
			m.sender = &protoactor.PID{Address: c.name(t).Text, Id: c.name(t).Text, RequestId: uint32(c.uvarint())}
		default:
			c.failed = true
		}
		for n := c.uvarint(); n > 0 && !c.failed; n-- {
			if m.header == nil {
				m.header = map[string]string{}
			}
			k := c.text(metaBytes)
			m.header[k] = c.text(metaBytes)
		}
	default:
		c.failed = true
	}
}

var voidFrame = []byte{0, 0, 0, byte(frameVoid)}
