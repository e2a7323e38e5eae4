package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// ReadLines records r line by line until it ends. A last line without a newline is recorded as it is.
func (r *Recorder) ReadLines(stream Stream, in io.Reader) {
	buf := make([]byte, MaxPiece)
	length := 0 // of the line so far, the part that is dropped included
	fill := 0
	emit := func(data []byte, more bool) {
		before := length
		length += len(data)
		if keep := max(MaxLine-before, 0); keep < len(data) {
			data = data[:keep]
		}
		if more {
			if len(data) > 0 {
				r.add(Piece{Stream: stream, More: true, Data: data})
			}
			return
		}
		if cut := length - MaxLine; cut > 0 {
			if len(data) > 0 {
				r.add(Piece{Stream: stream, More: true, Data: data})
			}
			data = []byte(fmt.Sprintf(" [line cut: %d more bytes]", cut))
		}
		r.add(Piece{Stream: stream, Data: data})
		length = 0
	}
	for {
		n, err := in.Read(buf[fill:])
		fill += n
		rest := buf[:fill]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			emit(rest[:end], false)
			rest = rest[end+1:]
		}
		if len(rest) == len(buf) {
			emit(rest, true)
			rest = nil
		}
		fill = copy(buf, rest)
		if err != nil {
			if fill > 0 || length > 0 {
				emit(buf[:fill], false)
			}
			return
		}
	}
}

// ReadLogs records the log records of r until it ends: length (4 bytes), length of the node's name (2 bytes), name, CBOR.
func (r *Recorder) ReadLogs(in io.Reader) {
	buf := make([]byte, MaxPiece)
	for {
		var header [4]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				r.Say(slog.LevelWarn, "the last log record was cut short")
			}
			return
		}
		left := int64(binary.BigEndian.Uint32(header[:])) - 2
		if left < 0 || left > MaxLine+(1<<19) {
			r.Say(slog.LevelError, "the worker's log pipe carries something else than log records; the rest of it is dropped")
			_, _ = io.Copy(io.Discard, in)
			return
		}
		node, err := readNode(in, left)
		left -= int64(len(node))
		for {
			chunk := buf[:min(left, MaxPiece)]
			n := 0
			if err == nil {
				n, err = io.ReadFull(in, chunk)
			}
			if err != nil {
				r.add(Piece{Stream: Log, Drop: true})
				r.Say(slog.LevelWarn, fmt.Sprintf("the last log record was cut short: %d bytes are missing", left-int64(n)))
				return
			}
			left -= int64(len(chunk))
			r.add(Piece{Stream: Log, Node: node, More: left > 0, Data: chunk})
			if left == 0 {
				break
			}
		}
	}
}

// readNode reads the name of a record's node, of at most limit bytes.
func readNode(in io.Reader, limit int64) (string, error) {
	var size [2]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return "", err
	}
	n := int64(binary.BigEndian.Uint16(size[:]))
	if n > limit {
		return "", talk.ErrFrame
	}
	name := make([]byte, n)
	_, err := io.ReadFull(in, name)
	return string(name), err
}
