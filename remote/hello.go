package remote

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
)

// A hello is what one of our own endpoints says about itself when a link begins: section 2 of WIRE.md.
type hello struct {
	minVersion, maxVersion int
	address                string // in an answer: empty
	incarnation            uint64
	system                 string
	most                   int  // bytes of a message's body, Config.MaxMessage
	parcels                bool // its system takes them
	quota                  int  // bytes that it writes at most without acknowledgement, Config.QueueBytes
	link                   linkHello
	stream                 streamHello // of a caller who wants no link
}

// streamHello is what is said of the stream of bytes that a connection is to be: section 11 of WIRE.md.
type streamHello struct {
	asked        bool // false: the connection is to carry a link
	node, method string
}

// linkHello is what is said of the link that a connection is to carry: section 8 of WIRE.md.
type linkHello struct {
	id       uint64 // chosen by the caller, at random
	try      uint64 // the number of the connection: each further one has a greater one
	begun    bool   // there was one of this link before
	received uint64 // frames that have come and were handled
	called   string // by a caller: the address that it has dialled
}

const (
	minVersion = 2
	maxVersion = 4

	versionTraced  = 3 // the first in which parcels may belong to traces
	versionStreams = 4 // in which connections may be streams of bytes

	helloMagic = "tlaunch\n" // before everything else, from both ends
	helloLimit = 8 << 10     // bytes
)

// A verdict is the first byte of an answer to a hello.
type verdict byte

const (
	welcomed    verdict = iota // the link is up
	byIdentity                 // the caller's identity is refused
	byVersion                  // there is no version in common
	byAlias                    // the caller has dialled itself
	byHandshake                // the hello is none
	byClosing                  // the endpoint is closing
	byLimit                    // there are too many connections
	byUnknown                  // the link that is to go on is not known
	byUnlinked                 // there is no link with the process that wants a stream
	byNode                     // there is nobody who serves the stream
	byStreams                  // there are too many streams
)

func (h hello) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(h.minVersion))
	b = binary.AppendUvarint(b, uint64(h.maxVersion))
	b = addText(b, h.address)
	b = binary.AppendUvarint(b, h.incarnation)
	b = addText(b, h.system)
	b = binary.AppendUvarint(b, uint64(h.most))
	b = appendBool(b, h.parcels)
	b = binary.AppendUvarint(b, uint64(h.quota))
	b = binary.AppendUvarint(b, h.link.id)
	b = binary.AppendUvarint(b, h.link.try)
	b = appendBool(b, h.link.begun)
	b = binary.AppendUvarint(b, h.link.received)
	b = addText(b, h.link.called)
	if h.maxVersion < versionStreams {
		return b
	}
	b = appendBool(b, h.stream.asked)
	if !h.stream.asked {
		return b
	}
	return addText(addText(b, h.stream.node), h.stream.method)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// parseHello reads what append has written, and whatever a later version adds to it. Of a version that is not spoken here it reads no more
// than that.
func parseHello(b []byte) (h hello, err error) {
	c := cursor{b: b}
	low, high := c.uvarint(), c.uvarint()
	if c.failed || low < 1 || high < low {
		return hello{}, fmt.Errorf("%w: %d to %d is no range of versions", ErrVersion, low, high)
	}
	if low > maxVersion || high < minVersion {
		return hello{}, fmt.Errorf("%w: the peer speaks %d to %d, this process %d to %d; run the same release at both ends",
			ErrVersion, low, high, minVersion, maxVersion)
	}
	h.minVersion, h.maxVersion = int(low), int(min(high, maxVersion))
	h.address, h.incarnation, h.system = c.text(helloLimit), c.uvarint(), c.text(helloLimit)
	most := c.uvarint()
	h.parcels = c.uvarint() == 1
	quota := c.uvarint()
	h.link = linkHello{id: c.uvarint(), try: c.uvarint(), begun: c.uvarint() == 1, received: c.uvarint(), called: c.text(helloLimit)}
	if h.maxVersion >= versionStreams {
		purpose := c.uvarint()
		if purpose > 1 {
			return hello{}, fmt.Errorf("%w: the peer wants neither a link nor a stream, but %d", errFirstMessage, purpose)
		}
		if h.stream.asked = purpose == 1; h.stream.asked {
			h.stream.node, h.stream.method = c.text(maxName), c.text(maxName)
		}
	}
	if c.failed || most == 0 {
		return hello{}, fmt.Errorf("%w: the peer does not say who it is", errFirstMessage)
	}
	h.most, h.quota = int(min(most, math.MaxInt)), int(min(quota, math.MaxInt)) // what fits here
	return h, nil
}

// writeHello writes the magic and a block.
func writeHello(w io.Writer, block []byte) error {
	b := append([]byte(helloMagic), 0, 0)
	binary.BigEndian.PutUint16(b[len(helloMagic):], uint16(len(block)))
	_, err := w.Write(append(b, block...))
	return err
}

// readHello reads what writeHello has written. Where nothing came at all, its error is that of the connection.
func readHello(r io.Reader) ([]byte, error) {
	var head [len(helloMagic) + 2]byte
	had, err := io.ReadFull(r, head[:])
	switch said := string(head[:min(had, len(helloMagic))]); {
	case had > 0 && !strings.HasPrefix(helloMagic, said):
		return nil, errOtherLanguage
	case had > 0 && err != nil:
		return nil, fmt.Errorf("%w: %w", errHelloCut, err)
	case err != nil:
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[len(helloMagic):]))
	if n > helloLimit {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", errFirstMessage, n, helloLimit)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errHelloCut, err)
	}
	return b, nil
}

// fits checks that whoever shows this certificate may be the process at p. incarnation is nil for stock peers.
// dialled says that we chose the address, so that TLS has compared certificate and host already.
func (p *peer) fits(info peerInfo, dialled bool, incarnation *uint64) error {
	e, address := p.e, p.address
	if err := e.admits(address, info.member); err != nil {
		return err
	}
	if id := info.member; id != nil {
		if e.cfg.Expect != nil {
			if name, ok := e.cfg.Expect(address); ok && (name != id.Name || id.Role == RoleGuest) {
				return fmt.Errorf("%w: at %s there should be %q, not %s", ErrRefused, address, name, id)
			}
		}
		if incarnation != nil && *incarnation != id.Incarnation {
			return fmt.Errorf("%w: incarnation %d is claimed by %s", ErrRefused, *incarnation, id)
		}
		return p.bind(*id)
	}
	if info.leaf == nil || dialled || info.oneName {
		return nil // plaintext, checked already, or one name in all certificates: nothing to hold anybody to
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil // not dialled by that name, so it takes nobody's place
	}
	if err := info.leaf.VerifyHostname(host); err != nil {
		return fmt.Errorf("%w: %s is claimed with a certificate for another host: %w", ErrRefused, address, err)
	}
	return nil
}

// bind holds an address to one member while a link to it lives, and to growing incarnations of that member. One that a
// launcher or a host has had is never a guest's.
func (p *peer) bind(id Identity) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.admitsLocked(id); err != nil {
		return err
	}
	p.member = &id
	return nil
}

func (p *peer) admitsLocked(id Identity) error {
	was := p.member
	switch {
	case was == nil, yields(was, &id):
		return nil
	case yields(&id, was):
		return fmt.Errorf("%w: %s is the address of %s, and claimed by %s", ErrRefused, p.address, was, id)
	case was.Role == id.Role && was.Name == id.Name:
		if id.Incarnation < was.Incarnation {
			return fmt.Errorf("%w: %s is an earlier incarnation than %s", ErrRefused, id, was)
		}
	case len(p.links) > 0:
		return fmt.Errorf("%w: %s is in use by %s, and claimed by %s", ErrRefused, p.address, was, id)
	}
	return nil
}

// yields reports whether one member gives way to the other at an address: a guest does to those who make up the run.
func yields(one, other *Identity) bool { return one.Role == RoleGuest && other.Role != RoleGuest }
