package collective

import (
	"encoding/binary"
	"fmt"
)

// What a member and those that read a publication from it say to each other, beside the calls of CollectiveAttach. A letter is a header of 32
// bytes, numbers little endian, and a payload:
//
//	0  kind, 1 byte       1  flags       4  index of a chunk, or a member's rank, 4 bytes
//	8  session, 8 bytes: a random number that the reader drew      16 number of a version, 8 bytes      24 credit, 8 bytes
const letterSize = 32

type letterKind uint8

const (
	// From the member above.
	letterOffer letterKind = iota + 1 // payload: the manifest of a version that is there, or on its way
	letterChunk                       // of a version that was asked for
	letterEnd                         // the publisher has closed
	letterMove                        // read from the member of that rank instead
	letterGone                        // read from another instead
	// From the member below.
	letterWant  // payload: the chunks of a version to send; see missing
	letterHas   // it has the version, or a later one
	letterGrant // so many bytes were taken: there is room for as many
	letterLeave // it reads no more from this one
	letterKinds
)

// letterInstead, of an offer: what was under way is not sent any more.
const letterInstead = 1

type letter struct {
	kind    letterKind
	flags   uint8
	index   int
	session uint64
	number  uint64
	credit  uint64
}

func (l *letter) put(b []byte) {
	clear(b[:letterSize])
	b[0], b[1] = byte(l.kind), l.flags
	binary.LittleEndian.PutUint32(b[4:], uint32(l.index))
	binary.LittleEndian.PutUint64(b[8:], l.session)
	binary.LittleEndian.PutUint64(b[16:], l.number)
	binary.LittleEndian.PutUint64(b[24:], l.credit)
}

func readLetter(b []byte) (l letter, payload []byte, err error) {
	if len(b) < letterSize || b[0] == 0 || b[0] >= byte(letterKinds) {
		return l, nil, fmt.Errorf("%w: a letter of %d bytes", errMessage, len(b))
	}
	index := binary.LittleEndian.Uint32(b[4:])
	if index > 1<<30 {
		return l, nil, fmt.Errorf("%w: index %d", errMessage, index)
	}
	return letter{
		kind: letterKind(b[0]), flags: b[1], index: int(index), session: binary.LittleEndian.Uint64(b[8:]),
		number: binary.LittleEndian.Uint64(b[16:]), credit: binary.LittleEndian.Uint64(b[24:]),
	}, b[letterSize:], nil
}

// An Attach is how a member comes to another to read a publication from it, and asks whether it still does.
type Attach struct {
	Root     int    // the publisher
	Name     string // of what it publishes
	From     int    // who comes
	Session  uint64 // drawn by it, for each time
	Seen     uint64 // the highest number of a version it knows of, itself or from those below it
	Instance uint64 // whose that is
	Avoid    []int  // whom it does not reach
}

// An Attached is the answer.
type Attached struct {
	Here    bool   // it may read from this member
	Fresh   bool   // from now on; it did not before
	Ended   bool   // the publisher has closed
	Leaves  bool   // this one leaves, and does not know that the publisher has closed: until it does, or is gone, it may yet have the last version
	Instead int    // the member to go to, plus 1; 0: to this one
	Sent    uint64 // letters, in the session
	Number  uint64 // the newest version that this member has offered, or will next
}
