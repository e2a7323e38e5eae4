package record

import (
	"encoding/binary"
	"fmt"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// NodeKey is the key of the attribute that names the node a log record comes from.
const NodeKey = "node"

// MaxLine is the largest number of bytes of one line or log record that is kept.
const MaxLine = 64 << 20

// Stream says where a record comes from.
type Stream byte

const (
	// Stdout is the standard output of the worker or of a node that is a process, and whatever the host printed before the program was reached.
	Stdout Stream = iota + 1
	// Stderr is the standard error of the worker or of a node that is a process.
	Stderr
	// Log is a structured record of the worker.
	Log
	// Agent is what the supervisor of the process has to say.
	Agent
	// Gap says that lines are missing here: more was written than is let through, or the launcher was too slow for too long.
	Gap
)

// String returns "stdout", "stderr", "log", "agent" or "gap".
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	case Log:
		return "log"
	case Agent:
		return "agent"
	case Gap:
		return "gap"
	}
	return fmt.Sprintf("stream(%d)", byte(s))
}

// Attr is an attribute of a log record; keys of groups are joined by dots.
type Attr struct {
	Key   string
	Value string
}

// LogPayload is a log record on its way from the worker to the launcher.
type LogPayload struct {
	Time   int64 // Unix nanoseconds
	Level  int
	Node   string
	Stream Stream `cbor:",omitempty"` // Stdout or Stderr where a node has printed it; else it is a log record
	Text   string
	Attrs  []Attr
}

// Missing is lines of one node that are gone, as the launcher is told.
type Missing struct {
	Node         string
	Lines, Bytes uint64
}

// Text says what is missing.
func (m Missing) Text() string {
	what := "lines"
	if m.Lines == 1 {
		what = "line"
	}
	return fmt.Sprintf("%d %s (%d bytes) missing here: more was written than the launcher lets through or could take", m.Lines, what, m.Bytes)
}

// Piece is a part of a record: long lines travel in several, so that no process between has to hold them whole.
type Piece struct {
	Stream Stream
	More   bool   // further pieces of the same record follow
	Drop   bool   // what came before of this record is void
	Level  int8   // Agent only
	Seq    uint64 // of the last piece only
	Time   int64  // of the last piece only; Unix nanoseconds
	Data   []byte

	NodeSeq uint64 // of the last piece only
	Node    string // whose line it is; on its way it is part of the data
}

// Sizes of pieces in bytes.
const (
	PieceHeader = 1 + 1 + 1 + 8 + 8 + 8
	MaxPiece    = 64 << 10 // of the data of one
)

// AppendPiece appends the frame of a piece.
func AppendPiece(b []byte, p Piece) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(PieceHeader+len(p.Data)))
	b = append(b, byte(talk.FramePiece), byte(p.Stream))
	var flags byte
	if p.More {
		flags |= 1
	}
	if p.Drop {
		flags |= 2
	}
	b = append(b, flags, byte(p.Level))
	b = binary.BigEndian.AppendUint64(b, p.Seq)
	b = binary.BigEndian.AppendUint64(b, p.NodeSeq)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
	return append(b, p.Data...)
}

// ParsePiece decodes the payload of a frame; the data are not copied.
func ParsePiece(payload []byte) (Piece, error) {
	if len(payload) < PieceHeader || len(payload) > PieceHeader+MaxPiece {
		return Piece{}, fmt.Errorf("%w: piece of %d bytes", talk.ErrFrame, len(payload))
	}
	p := Piece{
		Stream: Stream(payload[0]),
		More:   payload[1]&1 != 0,
		Drop:   payload[1]&2 != 0,
		Level:  int8(payload[2]),
		Seq:    binary.BigEndian.Uint64(payload[3:]),
		Time:   int64(binary.BigEndian.Uint64(payload[19:])),
		Data:   payload[PieceHeader:],

		NodeSeq: binary.BigEndian.Uint64(payload[11:]),
	}
	if p.Stream < Stdout || p.Stream > Gap || payload[1] > 3 {
		return Piece{}, fmt.Errorf("%w: piece of stream %d with flags %#x", talk.ErrFrame, payload[0], payload[1])
	}
	return p, nil
}
