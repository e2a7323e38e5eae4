package resume

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrProtocol means that the peer does not keep to the protocol.
var ErrProtocol = errors.New("resume: the peer does not keep to the protocol")

// kind says what a frame is.
type kind byte

const (
	kindData kind = iota + 1 // bytes of the stream
	kindAck                  // nothing but the acknowledgement that every frame carries
	kindEnd                  // the peer has closed the stream: nothing follows, and it reads no more
)

const (
	version     = 1
	headerSize  = 1 + 3 + 8
	helloSize   = 1 + len(Token{}) + 8 + 8
	welcomeSize = 1 + 8 + 8

	// maxPayload makes a whole frame fit into one packet of SSH.
	maxPayload = 32<<10 - headerSize
)

// Token is the secret by which a carrier is known to come from the peer.
type Token [32]byte

// header begins a frame.
type header struct {
	kind kind
	size int    // of the payload
	ack  uint64 // offset up to which the sender of the frame has read
}

func (h header) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(h.kind)<<24|uint32(h.size))
	return binary.BigEndian.AppendUint64(b, h.ack)
}

func parseHeader(b []byte) (header, error) {
	if len(b) != headerSize {
		return header{}, fmt.Errorf("%w: a header of %d bytes", ErrProtocol, len(b))
	}
	word := binary.BigEndian.Uint32(b)
	h := header{kind: kind(word >> 24), size: int(word & (1<<24 - 1)), ack: binary.BigEndian.Uint64(b[4:])}
	switch {
	case h.kind == kindData && h.size > 0 && h.size <= maxPayload:
	case (h.kind == kindAck || h.kind == kindEnd) && h.size == 0:
	default:
		return header{}, fmt.Errorf("%w: a frame of kind %d with %d bytes", ErrProtocol, h.kind, h.size)
	}
	return h, nil
}

// hello is what the peer that dials says on a new carrier.
type hello struct {
	token    Token
	epoch    uint64 // number of the carrier: the first has none, each further one a larger
	received uint64
}

func (h hello) appendTo(b []byte) []byte {
	b = append(append(b, version), h.token[:]...)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	return binary.BigEndian.AppendUint64(b, h.received)
}

func parseHello(b []byte) (hello, error) {
	if len(b) != helloSize || b[0] != version {
		return hello{}, fmt.Errorf("%w: no hello of version %d", ErrProtocol, version)
	}
	h := hello{epoch: binary.BigEndian.Uint64(b[1+len(Token{}):]), received: binary.BigEndian.Uint64(b[helloSize-8:])}
	copy(h.token[:], b[1:])
	return h, nil
}

// welcome is the answer to a hello.
type welcome struct {
	received uint64
	start    uint64 // offset of the first byte that follows
}

func (w welcome) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, version), w.received)
	return binary.BigEndian.AppendUint64(b, w.start)
}

func parseWelcome(b []byte) (welcome, error) {
	if len(b) != welcomeSize || b[0] != version {
		return welcome{}, fmt.Errorf("%w: no welcome of version %d", ErrProtocol, version)
	}
	return welcome{received: binary.BigEndian.Uint64(b[1:]), start: binary.BigEndian.Uint64(b[9:])}, nil
}
