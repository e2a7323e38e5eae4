package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// maxNode is how much of a node's name tells it from others.
const maxNode = 1 << 10

// Handler writes log records to a pipe; see [Recorder.ReadLogs] for their form.
type Handler struct {
	out    *Pipe
	node   string
	attrs  []Attr
	prefix string // of the open groups, with its last dot
}

// Pipe is where a worker writes records. It keeps those of several goroutines apart.
type Pipe struct {
	mu sync.Mutex
	w  io.Writer
}

var _ slog.Handler = (*Handler)(nil)

// NewPipe returns a pipe that writes to w.
func NewPipe(w io.Writer) *Pipe { return &Pipe{w: w} }

// NewHandler returns a handler that writes records of every level to out. The attribute [NodeKey], outside of groups, names the node.
func NewHandler(out *Pipe) *Handler { return &Handler{out: out} }

// Enabled is true for every level.
func (h *Handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes a record; it has left the process when Handle returns.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	one := *h
	one.attrs = slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		one.add(one.prefix, a)
		return true
	})
	return h.out.Record(LogPayload{Time: at.UnixNano(), Level: int(r.Level), Node: one.node, Text: r.Message, Attrs: one.attrs})
}

// Record writes one record; what is too long is cut.
func (w *Pipe) Record(body LogPayload) error {
	payload, err := cbor.Marshal(body)
	if err != nil {
		return fmt.Errorf("bootstrap: encode a log record: %w", err)
	}
	if over := len(payload) - MaxLine; over > 0 {
		body.Attrs = []Attr{{Key: "cut", Value: fmt.Sprintf("%d bytes", over)}}
		body.Text = body.Text[:min(len(body.Text), MaxLine-1<<10)]
		if payload, err = cbor.Marshal(body); err != nil {
			return fmt.Errorf("bootstrap: encode a log record: %w", err)
		}
	}
	node := body.Node[:min(len(body.Node), maxNode)] // by which the agent counts
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+2+len(node)+len(payload)), uint32(2+len(node)+len(payload)))
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(len(node))), node...)
	frame = append(frame, payload...)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.w.Write(frame)
	return err
}

// WithAttrs returns a handler that adds attrs to each record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		c.add(c.prefix, a)
	}
	return &c
}

// WithGroup returns a handler that puts the name and a dot before the keys of what is added from here on.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// add flattens an attribute into h.
func (h *Handler) add(prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	switch {
	case value.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, b := range value.Group() {
			h.add(prefix, b)
		}
	case a.Equal(slog.Attr{}):
	case prefix == "" && a.Key == NodeKey:
		h.node = value.String()
	case value.Kind() == slog.KindTime:
		h.attrs = append(h.attrs, Attr{prefix + a.Key, value.Time().UTC().Format(time.RFC3339Nano)})
	default:
		h.attrs = append(h.attrs, Attr{prefix + a.Key, value.String()})
	}
}
