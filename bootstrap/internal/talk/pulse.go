package talk

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
)

// Pulse remembers when something was last read. It is safe for concurrent use.
type Pulse struct {
	origin time.Time
	last   atomic.Int64 // nanoseconds after origin
}

// NewPulse returns a pulse that has just beaten.
func NewPulse() *Pulse { return &Pulse{origin: time.Now()} }

// Beat notes that something was read now.
func (p *Pulse) Beat() { p.last.Store(int64(time.Since(p.origin))) }

// At is the time of the last beat.
func (p *Pulse) At() time.Time { return p.origin.Add(time.Duration(p.last.Load())) }

// pulseReader beats with every successful read.
type pulseReader struct {
	io.Reader
	pulse *Pulse
}

func (r pulseReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.pulse.Beat()
	}
	return n, err
}

// Heard is a stream whose reads beat: what a lost carrier had under way counts when it comes.
type Heard struct {
	*resume.Stream
	Pulse *Pulse
}

// Read reads from the stream, and beats with what it has got.
func (s Heard) Read(b []byte) (int, error) { return pulseReader{s.Stream, s.Pulse}.Read(b) }
