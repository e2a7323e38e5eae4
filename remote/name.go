package remote

import (
	"encoding/binary"
	"errors"

	"github.com/tartrl/tlaunch-go/actor"
)

// Names on the wire: section 3 of WIRE.md. Each lane has a table of its own at both ends, which live as long as the link.

const (
	maxName       = 2 << 10 // bytes of one name
	maxNames      = 4096    // in a table
	maxTableBytes = 256 << 10

	nameOnce = 0 // the name follows and is not kept
	nameNew  = 1 // the name follows and takes the next place
	nameKept = 2 // and its place
)

// said is the table of the sending end.
type said struct {
	places map[string]uint64
	bytes  int
	last   [2]place // of the names said last: a sender's next message is mostly to the same receiver
	turn   int
	added  int    // names that were ever added to the table
	stamp  *stamp // of the last parcels that had one; nil: none, or the table was emptied since
	meta   []byte // what stands before their bodies
}

type place struct {
	name string
	at   uint64
}

// add writes a name. One that will not come again is not kept; a nil table keeps none.
func (s *said) add(b []byte, name string, once bool) []byte {
	if once || s == nil {
		return addText(append(b, nameOnce), name)
	}
	if name != "" {
		for i := range s.last {
			if s.last[i].name == name {
				return binary.AppendUvarint(b, nameKept+s.last[i].at)
			}
		}
	}
	if at, ok := s.places[name]; ok {
		s.last[s.turn] = place{name, at}
		s.turn = 1 - s.turn
		return binary.AppendUvarint(b, nameKept+at)
	}
	if s.places == nil || len(s.places) >= maxNames || s.bytes+len(name) > maxTableBytes {
		s.places, s.bytes, s.last, s.stamp = map[string]uint64{}, 0, [2]place{}, nil
	}
	s.added++
	s.places[name] = uint64(len(s.places))
	s.bytes += len(name)
	return addText(append(b, nameNew), name)
}

func addText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// heard is the table of the receiving end.
type heard struct {
	names []*actor.Name
	bytes int
}

var errFrame = errors.New("remote: bytes that are no frame of the wire")

// A cursor reads the fields of a frame. After the first that is not there, all are zero and failed is set.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 { // most are small
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.failed, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.failed, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) text(most uint64) string {
	n := c.uvarint()
	if n > most {
		c.failed, c.b = true, nil
	}
	return string(c.bytes(n))
}

// name reads a name; it is never nil.
func (c *cursor) name(t *heard) *actor.Name {
	switch v := c.uvarint(); v {
	case nameOnce:
		return &actor.Name{Text: c.text(maxName)}
	case nameNew:
		n := &actor.Name{Text: c.text(maxName)}
		if c.failed {
			return n
		}
		if len(t.names) >= maxNames || t.bytes+len(n.Text) > maxTableBytes {
			t.names, t.bytes = nil, 0
		}
		t.names = append(t.names, n)
		t.bytes += len(n.Text)
		return n
	default:
		if place := v - nameKept; place < uint64(len(t.names)) {
			return t.names[place]
		}
		c.failed = true
		return &actor.Name{}
	}
}
