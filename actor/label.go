package actor

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// What the labels and heads of parcels say. A label is one byte of kind; that of a tell or a call goes on with the signature of the method,
// eight bytes, big endian, one byte that tells whether it is batched, and its name. Numbers in heads are unsigned varints, texts a length and
// as many bytes.
const (
	labelTell   = 't' // no head; body: the argument
	labelCall   = 'c' // head: id, timeout in nanoseconds or 0, number of links, each node and invocation; body: the argument
	labelResult = 'r' // head: id of the call; body: the result
	labelError  = 'e' // head: id of the call; body: a wire.Error
	labelCredit = 'w' // head: messages, bytes; body: the node
)

const labelFixed = 10 // bytes before the name

func labelText(kind byte, m *method) string {
	b := binary.BigEndian.AppendUint64([]byte{kind}, m.hash)
	if m.batched {
		b = append(b, 'b')
	} else {
		b = append(b, '-')
	}
	return string(append(b, m.name...))
}

// A label is what a label's text says, and the method that it was found to mean.
type label struct {
	kind    byte
	hash    uint64
	batched bool
	name    string

	typ    reflect.Type // of the node
	method *method
}

func parseLabel(text string) (*label, error) {
	if text == "" {
		return nil, fmt.Errorf("%w: an empty label", errParcel)
	}
	l := &label{kind: text[0]}
	switch l.kind {
	case labelResult, labelError, labelCredit:
		return l, nil
	case labelTell, labelCall:
		if len(text) > labelFixed {
			l.hash = binary.BigEndian.Uint64([]byte(text[1:9]))
			l.batched, l.name = text[9] == 'b', text[labelFixed:]
			return l, nil
		}
	}
	return nil, fmt.Errorf("%w: label %q", errParcel, text)
}

// methodOf finds the method on a node's value, or nil: then the message has to go the way on which errors are told.
func (l *label) methodOf(n *Node) *method {
	if l.typ == n.typ {
		return l.method
	}
	m, err := n.methodFor(l.name, l.batched)
	if err != nil || m.hash != l.hash {
		return nil
	}
	if !l.batched { // which is the node's own affair
		l.typ, l.method = n.typ, m
	}
	return m
}

// callHead is the head of a call, behind its trace.
func callHead(m *wire.Call) []byte {
	b := append(make([]byte, 0, 32+len(m.Trace)), m.Trace...)
	b = binary.AppendUvarint(b, m.Id)
	b = binary.AppendUvarint(b, uint64(m.Timeout))
	b = binary.AppendUvarint(b, uint64(len(m.Chain)))
	for _, l := range m.Chain {
		b = binary.AppendUvarint(b, uint64(len(l.Node)))
		b = append(b, l.Node...)
		b = binary.AppendUvarint(b, l.Invocation)
	}
	return b
}

// A headReader reads a head. After the first number that is not there all are zero and failed is set.
type headReader struct {
	b      []byte
	failed bool
}

func (r *headReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *headReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func parseCallHead(head []byte) (id uint64, timeout time.Duration, chain []*wire.Link, err error) {
	r := headReader{b: head}
	id, timeout = r.uvarint(), time.Duration(r.uvarint())
	n := r.uvarint()
	if n > maxChain {
		r.failed = true
	}
	for ; n > 0 && !r.failed; n-- {
		chain = append(chain, &wire.Link{Node: r.text(), Invocation: r.uvarint()})
	}
	if r.failed || id == 0 || timeout < 0 || len(r.b) > 0 {
		return 0, 0, nil, fmt.Errorf("%w: head of a call", errParcel)
	}
	return id, timeout, chain, nil
}
