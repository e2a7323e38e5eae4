package bootstrap

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"
)

// NodeKey is the key of the attribute that names the node a log record comes from. See [Guest.Handler].
const NodeKey = "node"

// MaxLine is the largest number of bytes of one line or log record that is kept; the rest is cut, and the text says so.
const MaxLine = 64 << 20

// Stream says where a record comes from.
type Stream byte

const (
	// Stdout is the standard output of the worker or of a node that is a process, and whatever the host printed before the program was reached.
	Stdout Stream = iota + 1
	// Stderr is the standard error of the worker or of a node that is a process.
	Stderr
	// Log is a structured record written through [Guest.Handler].
	Log
	// Agent is what the supervisor of the process has to say.
	Agent
	// Gap says that lines are missing here: more was written than [Config].LogRate lets through, or the launcher was too slow for too long.
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

// Record is one line of output, or one log record, of a host's process.
type Record struct {
	Host   string
	Seq    uint64     // 1, 2, 3… for each process without gaps; zero: printed before or beside the protocol
	Time   time.Time  // UTC, by the host's clock
	Stream Stream     // where it comes from
	Node   string     // of log records, and of lines of a node that is a process; or empty
	Level  slog.Level // Log and Agent; Info for lines of output
	Text   string     // without its newline; any bytes
	Attrs  []Attr     // Log only

	// NodeSeq numbers the lines of each node as its process has written them: 1, 2, 3…, and likewise those that are no node's. What is
	// missing in between is declared by a Gap, whose NodeSeq is the last number that is missing. Zero: not numbered, as the agent's are.
	NodeSeq uint64
	// Missing is how many lines a Gap stands for.
	Missing uint64
	// MissingBytes is how long they were, without their newlines.
	MissingBytes uint64
}

// SlogRecord returns the record as one of log/slog, with the attributes host, stream and, where known, node added,
// for the handler of an embedding service.
func (r Record) SlogRecord() slog.Record {
	out := slog.NewRecord(r.Time, r.Level, r.Text, 0)
	out.AddAttrs(slog.String("host", r.Host), slog.String("stream", r.Stream.String()))
	if r.Node != "" {
		out.AddAttrs(slog.String(NodeKey, r.Node))
	}
	if r.Stream == Gap {
		out.AddAttrs(slog.Uint64("missing_lines", r.Missing), slog.Uint64("missing_bytes", r.MissingBytes))
	}
	for _, a := range r.Attrs {
		out.AddAttrs(slog.String(a.Key, a.Value))
	}
	return out
}

// logPayload is a log record on its way from the worker to the launcher.
type logPayload struct {
	Time   int64 // Unix nanoseconds
	Level  int
	Node   string
	Stream Stream `cbor:",omitempty"` // Stdout or Stderr where a node has printed it; else it is a log record
	Text   string
	Attrs  []Attr
}

// piece is a part of a record: long lines travel in several, so that no process between has to hold them whole.
type piece struct {
	stream Stream
	more   bool   // further pieces of the same record follow
	drop   bool   // what came before of this record is void
	level  int8   // Agent only
	seq    uint64 // of the last piece only
	time   int64  // of the last piece only; Unix nanoseconds
	data   []byte

	nodeSeq uint64 // of the last piece only
	node    string // whose line it is; on its way it is part of the data
}

const (
	pieceHeader = 1 + 1 + 1 + 8 + 8 + 8
	maxPiece    = 64 << 10
)

func appendPiece(b []byte, p piece) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(pieceHeader+len(p.data)))
	b = append(b, byte(framePiece), byte(p.stream))
	var flags byte
	if p.more {
		flags |= 1
	}
	if p.drop {
		flags |= 2
	}
	b = append(b, flags, byte(p.level))
	b = binary.BigEndian.AppendUint64(b, p.seq)
	b = binary.BigEndian.AppendUint64(b, p.nodeSeq)
	b = binary.BigEndian.AppendUint64(b, uint64(p.time))
	return append(b, p.data...)
}

// parsePiece decodes the payload of a frame; the data are not copied.
func parsePiece(payload []byte) (piece, error) {
	if len(payload) < pieceHeader || len(payload) > pieceHeader+maxPiece {
		return piece{}, fmt.Errorf("%w: piece of %d bytes", errFrame, len(payload))
	}
	p := piece{
		stream: Stream(payload[0]),
		more:   payload[1]&1 != 0,
		drop:   payload[1]&2 != 0,
		level:  int8(payload[2]),
		seq:    binary.BigEndian.Uint64(payload[3:]),
		time:   int64(binary.BigEndian.Uint64(payload[19:])),
		data:   payload[pieceHeader:],

		nodeSeq: binary.BigEndian.Uint64(payload[11:]),
	}
	if p.stream < Stdout || p.stream > Gap || payload[1] > 3 {
		return piece{}, fmt.Errorf("%w: piece of stream %d with flags %#x", errFrame, payload[0], payload[1])
	}
	return p, nil
}

// assembler puts the pieces of records together. Its zero value is ready.
type assembler struct {
	host string
	open map[Stream][]byte
}

// add takes a piece and returns a record once one is complete.
func (a *assembler) add(p piece) (Record, bool, error) {
	if p.drop {
		delete(a.open, p.stream)
		return Record{}, false, nil
	}
	data := p.data
	if before := a.open[p.stream]; p.more || len(before) > 0 {
		if len(before)+len(p.data) > MaxLine+(1<<20) {
			return Record{}, false, fmt.Errorf("%w: a record of more than %d bytes", errFrame, MaxLine)
		}
		data = append(before, p.data...)
	}
	if p.more {
		if a.open == nil {
			a.open = make(map[Stream][]byte)
		}
		a.open[p.stream] = data
		return Record{}, false, nil
	}
	delete(a.open, p.stream)
	r := Record{Host: a.host, Seq: p.seq, Time: time.Unix(0, p.time).UTC(), Stream: p.stream, Level: slog.Level(p.level), NodeSeq: p.nodeSeq}
	if p.stream == Gap {
		var m missing
		if err := decode(data, &m); err != nil {
			return Record{}, false, fmt.Errorf("%w: a gap that cannot be read: %w", errFrame, err)
		}
		r.Level, r.Node, r.Text, r.Missing, r.MissingBytes = slog.LevelWarn, m.Node, m.text(), m.Lines, m.Bytes
		return r, true, nil
	}
	if p.stream != Log {
		r.Text = string(data)
		return r, true, nil
	}
	var body logPayload
	if err := decode(data, &body); err != nil {
		// The worker wrote it, so it is no reason to give up the host.
		r.Text, r.Level = fmt.Sprintf("a log record that cannot be read: %v", err), slog.LevelWarn
		return r, true, nil
	}
	r.Time, r.Level = time.Unix(0, body.Time).UTC(), slog.Level(body.Level)
	r.Node, r.Text, r.Attrs = body.Node, body.Text, body.Attrs
	if body.Stream == Stdout || body.Stream == Stderr {
		r.Stream = body.Stream
	}
	return r, true, nil
}
