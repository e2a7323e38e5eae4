package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// The wire format of a served embedded registry, version 1.
//
// 1. Hello. Each side sends six bytes at once: "TLREG" and one byte, its
// version. A side that reads anything else than its own hello ends the
// connection.
//
// 2. Frames. After the hello each side sends frames: four bytes of length,
// big-endian, then that many bytes of one CBOR item (RFC 8949) of definite
// length, without tags or repeated map keys. A client's frame has 1 byte to
// 1 MiB, a server's 1 byte to 8 MiB. A frame out of these bounds, or one that
// does not decode, ends the connection.
//
// 3. Requests. The client sends maps with integer keys: 1 its id, 2 the
// operation, 3 the run, 4 the host, 5 the incarnation, 6 a member, 7 a byte
// string. Absent keys are zero. Ids are the client's choice; the one of an
// open watch is not used again before the watch has ended. Operations and
// what they need:
//
//	1 register      6
//	2 deregister    3 4 5
//	3 members       3
//	4 watch         3
//	5 cancel        1, the id of a watch; not answered, unknown ids are nothing
//	6 describe      3 7
//	7 description   3
//	8 bye           -
//
// 4. Answers. The server sends maps with integer keys: 1 the request's id, 2
// a status, 3 a text for people, 4 a list of members, 5 a byte string. Every
// request but cancel is answered once, in the order of arrival. A watch is
// answered by a list at once and after changes, and for the last time with a
// status other than 0, unless it is cancelled. Statuses: 0 done, 1 fenced, 2
// invalid, 3 closed, 4 not described, 5 full, 6 unknown operation.
//
// 5. Members. A map with integer keys: 1 run, 2 host, 3 address, 4
// incarnation, 5 a map of text to text.
//
// 6. The end. Bye deregisters what the connection registered and removes what
// it described; when its answer has come the client closes the connection.
// When a connection ends without, the server removes the same, and the
// members may register again over another.
const wireVersion = 1

var wireHello = [...]byte{'T', 'L', 'R', 'E', 'G', wireVersion}

const (
	maxRequestFrame = 1 << 20
	maxAnswerFrame  = 8 << 20
)

type operation uint8

const (
	opRegister operation = iota + 1
	opDeregister
	opMembers
	opWatch
	opCancel
	opDescribe
	opDescription
	opBye
)

type request struct {
	ID          uint64    `cbor:"1,keyasint"`
	Op          operation `cbor:"2,keyasint"`
	Run         string    `cbor:"3,keyasint,omitempty"`
	Host        string    `cbor:"4,keyasint,omitempty"`
	Incarnation uint64    `cbor:"5,keyasint,omitempty"`
	Member      Member    `cbor:"6,keyasint,omitzero"`
	Data        []byte    `cbor:"7,keyasint,omitempty"`
}

type status uint8

const (
	statusDone status = iota
	statusFenced
	statusInvalid
	statusClosed
	statusNotDescribed
	statusFull
	statusUnknownOp
)

type answer struct {
	ID      uint64   `cbor:"1,keyasint"`
	Status  status   `cbor:"2,keyasint,omitempty"`
	Text    string   `cbor:"3,keyasint,omitempty"`
	Members []Member `cbor:"4,keyasint,omitempty"`
	Data    []byte   `cbor:"5,keyasint,omitempty"`
}

// statusErrors pairs the statuses with the sentinels they stand for.
var statusErrors = map[status]error{
	statusFenced:       ErrFenced,
	statusInvalid:      ErrInvalid,
	statusClosed:       ErrClosed,
	statusNotDescribed: ErrNoDescription,
	statusFull:         ErrFull,
	statusUnknownOp:    ErrProtocol,
}

// failed turns an error of the registry into an answer.
func failed(id uint64, err error) answer {
	for s, sentinel := range statusErrors {
		if errors.Is(err, sentinel) {
			return answer{ID: id, Status: s, Text: err.Error()}
		}
	}
	// What is left are contexts that ended with the connection or the registry.
	return answer{ID: id, Status: statusClosed, Text: err.Error()}
}

// err returns the error that the answer reports, nil if it reports none.
func (a answer) err() error {
	if a.Status == statusDone {
		return nil
	}
	sentinel, known := statusErrors[a.Status]
	if !known {
		return fmt.Errorf("%w: unknown status %d: %s", ErrProtocol, a.Status, a.Text)
	}
	return &wireError{sentinel: sentinel, text: a.Text}
}

// A wireError is an error as the other side worded it.
type wireError struct {
	sentinel error
	text     string
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.sentinel }

var wireEncoding = must(cbor.CoreDetEncOptions().EncMode())

var wireDecoding = must(cbor.DecOptions{
	DupMapKey:        cbor.DupMapKeyEnforcedAPF,
	IndefLength:      cbor.IndefLengthForbidden,
	TagsMd:           cbor.TagsForbidden,
	MaxNestedLevels:  8,
	MaxArrayElements: MaxMembers,
	MaxMapPairs:      64,
}.DecMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants; a test would not get past its start
	}
	return v
}

// appendFrame appends v as one frame.
func appendFrame(buf []byte, v any, limit int) ([]byte, error) {
	item, err := wireEncoding.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cluster: encode frame: %w", err)
	}
	if len(item) > limit {
		return nil, fmt.Errorf("%w: a frame of %d bytes; %d are the most", ErrInvalid, len(item), limit)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(item)))
	return append(buf, item...), nil
}

// readFrame reads one frame into v. It returns io.EOF if the stream ends
// before the frame begins.
func readFrame(r io.Reader, v any, limit uint32) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > limit {
		return fmt.Errorf("%w: a frame of %d bytes; 1 to %d are allowed", ErrProtocol, n, limit)
	}
	item := make([]byte, n)
	if _, err := io.ReadFull(r, item); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if err := wireDecoding.Unmarshal(item, v); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return nil
}

// readHello reads the other side's hello and compares it with ours.
func readHello(r io.Reader) error {
	var got [len(wireHello)]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return err
	}
	switch last := len(wireHello) - 1; {
	case got == wireHello:
		return nil
	case [len(wireHello) - 1]byte(got[:last]) == [len(wireHello) - 1]byte(wireHello[:last]):
		return fmt.Errorf("%w: the peer speaks version %d, this side version %d: use one version of the program everywhere", ErrProtocol, got[last], wireVersion)
	default:
		return fmt.Errorf("%w: the peer is not an embedded registry or its client", ErrProtocol)
	}
}
