package talk

import (
	"errors"
	"io"
)

// PipeConn is a pair of pipes as one connection.
type PipeConn struct {
	io.ReadCloser
	W io.WriteCloser
}

// Write writes to the other pipe than Read reads from.
func (c PipeConn) Write(b []byte) (int, error) { return c.W.Write(b) }

// Close closes both.
func (c PipeConn) Close() error { return errors.Join(c.ReadCloser.Close(), c.W.Close()) }
