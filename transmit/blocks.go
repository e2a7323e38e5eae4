package transmit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// The format of files: see the message Checkpoint in transmit.proto.
const (
	magic       = "TLAUNCHT"
	blockBytes  = 1 << 20   // after which a block ends
	longestPart = 128 << 20 // of a block that is read
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged: a checkpoint is not what was written.
var errDamaged = table.ErrDamaged

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// blocks cuts a message into blocks. After an error it does nothing more.
type blocks struct {
	ctx     context.Context
	to      io.Writer
	block   []byte // 8 bytes for length and checksum, and the content
	written int64
	err     error
}

// field appends a field, with what appends it.
func (b *blocks) field(appends func([]byte) []byte) {
	if b.written == 0 && b.block == nil && b.err == nil {
		_, b.err = io.WriteString(b.to, magic)
		b.written = int64(len(magic))
	}
	if b.err != nil {
		return
	}
	if b.block == nil {
		b.block = make([]byte, 8, blockBytes+blockBytes/8)
	}
	b.block = appends(b.block)
	if len(b.block) >= blockBytes {
		b.err = b.flush()
	}
}

func (b *blocks) flush() error {
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	if b.err != nil || len(b.block) <= 8 {
		return b.err
	}
	content := b.block[8:]
	binary.LittleEndian.PutUint32(b.block, uint32(len(content)))
	binary.LittleEndian.PutUint32(b.block[4:], crc32.Checksum(content, castagnoli))
	n, err := b.to.Write(b.block)
	b.written += int64(n)
	b.block = b.block[:8]
	return err
}

// readBlocks calls each with the fields of a checkpoint's message. What it is
// given is not used again.
func readBlocks(r io.Reader, each func(field) error) error {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil && !cutShort(err) {
		return err
	} else if err != nil || string(head) != magic {
		return damage("it does not begin as a checkpoint does")
	}
	for {
		_, err := io.ReadFull(r, head)
		if err == io.EOF {
			return nil
		}
		if cutShort(err) {
			return damage("it ends in the middle of a block")
		}
		if err != nil {
			return err
		}
		length := binary.LittleEndian.Uint32(head)
		if length > longestPart {
			return damage("a block of %d bytes", length)
		}
		block, err := readN(r, int(length))
		if cutShort(err) {
			return damage("it ends in the middle of a block")
		}
		if err != nil {
			return err
		}
		if sum := crc32.Checksum(block, castagnoli); sum != binary.LittleEndian.Uint32(head[4:]) {
			return damage("the checksum of a block is not its own")
		}
		if err := fields(block, each); errors.Is(err, ErrType) {
			return damage("%w", err)
		} else if err != nil {
			return err
		}
	}
}

// readN reads n bytes, and takes no more memory than there are.
func readN(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, 0, min(n, blockBytes+blockBytes/8))
	for len(b) < n {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(n-len(b), len(b)))
		}
		m, err := io.ReadFull(r, b[len(b):min(n, cap(b))])
		b = b[:len(b)+m]
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// cutShort tells whether err says that a file has no more, rather than that it cannot be read.
func cutShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
