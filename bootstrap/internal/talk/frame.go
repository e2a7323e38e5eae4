package talk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/yamux"
)

// What one frame may hold, in bytes.
const (
	MaxEnvelope = MaxOrders + 4<<20 // orders and what travels beside them
	MaxReport   = 256 << 10         // what an agent says of a start
	MaxControl  = 1 << 10           // any other frame on a control stream
)

// Kind says what a frame on a control or record stream is.
type Kind byte

const (
	FrameOrders    Kind = iota + 1 // launcher → agent → worker: the first frame
	FramePing                      // launcher → agent
	FrameTerminate                 // launcher → agent: notice in nanoseconds
	FrameReady                     // agent → launcher: ReadyReport; files may be brought now
	FrameProceed                   // launcher → agent: the files are there
	FrameStarted                   // agent → launcher: StartReport
	FramePong                      // agent → launcher
	FrameNotice                    // agent → worker: StopCause
	FramePiece                     // agent → launcher, on the record stream: a piece of a record
	FrameExit                      // agent → launcher, on the record stream: ExitReport, the last frame
	FrameClean                     // launcher → cleaner: CleanOrders, the only frame
	FrameCleaned                   // cleaner → launcher: CleanReport, the only frame
	FrameDoor                      // launcher → a process that is to attach it: DoorReport
	FrameEntered                   // worker → agent: it has reached Enter
)

// ErrFrame means that something else than the protocol was received.
var ErrFrame = errors.New("bootstrap: malformed frame")

const frameHeader = 5

// AppendFrame appends one frame: length of the payload (4 bytes, big endian), kind, payload.
func AppendFrame(b []byte, kind Kind, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, byte(kind))
	return append(b, payload...)
}

// WriteFrame writes one frame, in one piece.
func WriteFrame(w io.Writer, kind Kind, payload []byte) error {
	_, err := w.Write(AppendFrame(make([]byte, 0, frameHeader+len(payload)), kind, payload))
	return err
}

// WriteMessage writes a frame with a message as CBOR.
func WriteMessage(w io.Writer, kind Kind, message any) error {
	payload, err := cbor.Marshal(message)
	if err != nil {
		return fmt.Errorf("bootstrap: encode frame %d: %w", kind, err)
	}
	return WriteFrame(w, kind, payload)
}

// ReadFrame reads one frame of at most limit bytes. A stream that ends between frames gives io.EOF.
func ReadFrame(r io.Reader, limit int) (Kind, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	kind, size := Kind(header[4]), binary.BigEndian.Uint32(header[:4])
	if int64(size) > int64(limit) {
		return 0, nil, fmt.Errorf("%w: kind %d has %d bytes, at most %d are allowed", ErrFrame, kind, size, limit)
	}
	payload := make([]byte, 0, min(int(size), 64<<10))
	for len(payload) < int(size) { // grows with what arrives, so that a length alone reserves nothing
		chunk := min(int(size)-len(payload), max(len(payload), 64<<10))
		start := len(payload)
		payload = append(payload, make([]byte, chunk)...)
		if _, err := io.ReadFull(r, payload[start:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
	}
	return kind, payload, nil
}

// ReadMessage reads a frame of the kind wanted into message.
func ReadMessage(r io.Reader, limit int, want Kind, message any) error {
	kind, payload, err := ReadFrame(r, limit)
	if err != nil {
		return err
	}
	if kind != want {
		return fmt.Errorf("%w: kind %d in place of %d", ErrFrame, kind, want)
	}
	if err := Decode(payload, message); err != nil {
		return fmt.Errorf("%w: kind %d: %w", ErrFrame, kind, err)
	}
	return nil
}

// Decode reads one CBOR message. Texts may hold any bytes, as file names and log lines do.
func Decode(payload []byte, message any) error {
	return decoding().Unmarshal(payload, message)
}

var decoding = sync.OnceValue(func() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
})

// EncodeNotice is the payload of [FrameTerminate].
func EncodeNotice(notice time.Duration) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(notice))
}

// DecodeNotice reads the payload of [FrameTerminate].
func DecodeNotice(payload []byte) (time.Duration, error) {
	if len(payload) != 8 {
		return 0, fmt.Errorf("%w: notice of %d bytes", ErrFrame, len(payload))
	}
	return time.Duration(binary.BigEndian.Uint64(payload)), nil
}

// MuxConfig is for both sessions. Liveness is the lease's matter alone, so the library's own timers are out of the way.
func MuxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 24 * time.Hour
	c.StreamOpenTimeout = 0
	c.StreamCloseTimeout = 15 * time.Minute
	c.LogOutput = nil
	c.Logger = log.New(io.Discard, "", 0)
	return c
}
