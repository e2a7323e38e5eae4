package bootstrap

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// NodeKey is the key of the attribute that names the node a log record comes from. See [Guest.Handler].
const NodeKey = record.NodeKey

// MaxLine is the largest number of bytes of one line or log record that is kept; the rest is cut, and the text says so.
const MaxLine = record.MaxLine

// Stream says where a record comes from. Its String is "stdout", "stderr", "log", "agent" or "gap".
type Stream = record.Stream

const (
	// Stdout is the standard output of the worker or of a node that is a process, and whatever the host printed before the program was reached.
	Stdout = record.Stdout
	// Stderr is the standard error of the worker or of a node that is a process.
	Stderr = record.Stderr
	// Log is a structured record written through [Guest.Handler].
	Log = record.Log
	// Agent is what the supervisor of the process has to say.
	Agent = record.Agent
	// Gap says that lines are missing here: more was written than [Config].LogRate lets through, or the launcher was too slow for too long.
	Gap = record.Gap
)

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

// assembler puts the pieces of records together. Its zero value is ready.
type assembler struct {
	host string
	open map[Stream][]byte
}

// add takes a piece and returns a record once one is complete.
func (a *assembler) add(p record.Piece) (Record, bool, error) {
	if p.Drop {
		delete(a.open, p.Stream)
		return Record{}, false, nil
	}
	data := p.Data
	if before := a.open[p.Stream]; p.More || len(before) > 0 {
		if len(before)+len(p.Data) > MaxLine+(1<<20) {
			return Record{}, false, fmt.Errorf("%w: a record of more than %d bytes", talk.ErrFrame, MaxLine)
		}
		data = append(before, p.Data...)
	}
	if p.More {
		if a.open == nil {
			a.open = make(map[Stream][]byte)
		}
		a.open[p.Stream] = data
		return Record{}, false, nil
	}
	delete(a.open, p.Stream)
	r := Record{Host: a.host, Seq: p.Seq, Time: time.Unix(0, p.Time).UTC(), Stream: p.Stream, Level: slog.Level(p.Level), NodeSeq: p.NodeSeq}
	if p.Stream == Gap {
		var m record.Missing
		if err := talk.Decode(data, &m); err != nil {
			return Record{}, false, fmt.Errorf("%w: a gap that cannot be read: %w", talk.ErrFrame, err)
		}
		r.Level, r.Node, r.Text, r.Missing, r.MissingBytes = slog.LevelWarn, m.Node, m.Text(), m.Lines, m.Bytes
		return r, true, nil
	}
	if p.Stream != Log {
		r.Text = string(data)
		return r, true, nil
	}
	var body record.LogPayload
	if err := talk.Decode(data, &body); err != nil {
		// The worker wrote it, so it is no reason to give up the host.
		r.Text, r.Level = fmt.Sprintf("a log record that cannot be read: %v", err), slog.LevelWarn
		return r, true, nil
	}
	r.Time, r.Level = time.Unix(0, body.Time).UTC(), slog.Level(body.Level)
	r.Node, r.Text = body.Node, body.Text
	for _, a := range body.Attrs {
		r.Attrs = append(r.Attrs, Attr(a))
	}
	if body.Stream == Stdout || body.Stream == Stderr {
		r.Stream = body.Stream
	}
	return r, true, nil
}
