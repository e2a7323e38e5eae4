package bootstrap

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

	"github.com/tartrl/tlaunch-go/bootstrap/internal/hold"
)

// marker is the one variable by which a started process knows that it is part of a host. It carries no secret.
const marker = hold.Variable

const (
	markerAgent  = "agent"
	markerWorker = "worker"
	markerClean  = "clean"
	markerAttach = "attach"
	markerGiver  = "giver"
)

// preamble ends whatever a host's start files and package initialisers print before [Enter] is reached.
// Its first byte occurs nowhere else in it, which keeps the search for it simple.
const preamble = "\x1etlaunch host 1 5b0e6a4f\x02\r\n"

// claimSuffix ends the name of a work folder's claim, which lies beside it.
const claimSuffix = ".claim"

// MaxOrders is the largest number of bytes of orders that a process can be started with.
const MaxOrders = 64 << 20

const (
	maxEnvelope = MaxOrders + 4<<20 // orders and what travels beside them
	maxReport   = 256 << 10         // what an agent says of a start
	maxControl  = 1 << 10           // any other frame on a control stream
)

// frameKind says what a frame on a control or record stream is.
type frameKind byte

const (
	frameOrders    frameKind = iota + 1 // launcher → agent → worker: the first frame
	framePing                           // launcher → agent
	frameTerminate                      // launcher → agent: notice in nanoseconds
	frameReady                          // agent → launcher: readyReport; files may be brought now
	frameProceed                        // launcher → agent: the files are there
	frameStarted                        // agent → launcher: startReport
	framePong                           // agent → launcher
	frameNotice                         // agent → worker: stopCause
	framePiece                          // agent → launcher, on the record stream: a piece of a record
	frameExit                           // agent → launcher, on the record stream: exitReport, the last frame
	frameClean                          // launcher → cleaner: cleanOrders, the only frame
	frameCleaned                        // cleaner → launcher: cleanReport, the only frame
	frameDoor                           // launcher → a process that is to attach it: doorReport
)

// agentOrders tell an agent what to start.
type agentOrders struct {
	Run     string
	Host    string
	Lease   time.Duration
	LogRate int64    // bytes per second; negative: all
	Bases   []string // folders in which the work folder may be made, the first that works is taken
	Env     []string // NAME=VALUE for the worker
	Files   bool     // the launcher brings files into the work folder before the worker starts
	Token   []byte   // with which the link is taken up again over another connection; empty: it is not
	Orders  []byte
}

// recordPatience is how long the worker's output waits for a launcher that does not take it: as long as a broken link may be
// repaired. Where no line may be lost it is for ever.
func (o *agentOrders) recordPatience() time.Duration {
	if o.LogRate < 0 {
		return -1
	}
	return o.Lease + LeaseNotice
}

// readyReport says where the work folder is.
type readyReport struct {
	Dir string
}

// guestOrders are what a worker is told.
type guestOrders struct {
	Run    string
	Host   string
	Dir    string
	Orders []byte
}

// startReport says whether the worker runs.
type startReport struct {
	Dir    string
	Held   string // how the worker's children are held
	Error  string
	Bridge bridgeReport
}

// bridgeReport says how an agent is reached when the link to it is lost. Its zero value says that it is not.
type bridgeReport struct {
	Program string // path of the executable that attaches
	Door    string // where it finds the agent
}

// doorReport tells a process that attaches where the agent is.
type doorReport struct {
	Door string
}

// exitReport says how the worker ended.
type exitReport struct {
	Code   int
	Signal string
	Memory bool // the kernel killed it for want of memory
	MaxRSS int64
	Left   int  // processes that could not be killed
	Silent bool // it was killed because it did not answer
}

var errFrame = errors.New("bootstrap: malformed frame")

const frameHeader = 5

// appendFrame appends one frame: length of the payload (4 bytes, big endian), kind, payload.
func appendFrame(b []byte, kind frameKind, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, byte(kind))
	return append(b, payload...)
}

func writeFrame(w io.Writer, kind frameKind, payload []byte) error {
	_, err := w.Write(appendFrame(make([]byte, 0, frameHeader+len(payload)), kind, payload))
	return err
}

func writeMessage(w io.Writer, kind frameKind, message any) error {
	payload, err := cbor.Marshal(message)
	if err != nil {
		return fmt.Errorf("bootstrap: encode frame %d: %w", kind, err)
	}
	return writeFrame(w, kind, payload)
}

// readFrame reads one frame of at most limit bytes. A stream that ends between frames gives io.EOF.
func readFrame(r io.Reader, limit int) (frameKind, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	kind, size := frameKind(header[4]), binary.BigEndian.Uint32(header[:4])
	if int64(size) > int64(limit) {
		return 0, nil, fmt.Errorf("%w: kind %d has %d bytes, at most %d are allowed", errFrame, kind, size, limit)
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

// readMessage reads a frame of the kind wanted into message.
func readMessage(r io.Reader, limit int, want frameKind, message any) error {
	kind, payload, err := readFrame(r, limit)
	if err != nil {
		return err
	}
	if kind != want {
		return fmt.Errorf("%w: kind %d in place of %d", errFrame, kind, want)
	}
	if err := decode(payload, message); err != nil {
		return fmt.Errorf("%w: kind %d: %w", errFrame, kind, err)
	}
	return nil
}

// decode reads one CBOR message. Texts may hold any bytes, as file names and log lines do.
func decode(payload []byte, message any) error {
	return decoding().Unmarshal(payload, message)
}

var decoding = sync.OnceValue(func() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
})

func encodeNotice(notice time.Duration) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(notice))
}

func decodeNotice(payload []byte) (time.Duration, error) {
	if len(payload) != 8 {
		return 0, fmt.Errorf("%w: notice of %d bytes", errFrame, len(payload))
	}
	return time.Duration(binary.BigEndian.Uint64(payload)), nil
}

// muxConfig is for both sessions. Liveness is the lease's matter alone, so the library's own timers are out of the way.
func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 24 * time.Hour
	c.StreamOpenTimeout = 0
	c.StreamCloseTimeout = 15 * time.Minute
	c.LogOutput = nil
	c.Logger = log.New(io.Discard, "", 0)
	return c
}
