package resume

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var errCut = errors.New("the test cuts the carrier")

// wire is one end of a carrier that is cut after some bytes have been written to it.
type wire struct {
	net.Conn
	mu   sync.Mutex
	left int // bytes until the cut; negative: none
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left < 0 || len(b) <= w.left {
		if w.left >= 0 {
			w.left -= len(b)
		}
		return w.Conn.Write(b)
	}
	n := 0
	if w.left > 0 { // a pipe does not take nothing
		n, _ = w.Conn.Write(b[:w.left])
		w.left -= n
	}
	return n, errors.Join(errCut, w.Close())
}

// never is a limit that no carrier reaches.
const never = -1

// carrierPair returns the two ends of a carrier, the first of which is cut after here bytes and the other after there.
func carrierPair(here, there int) (a, b *wire) {
	x, y := net.Pipe()
	return &wire{Conn: x, left: here}, &wire{Conn: y, left: there}
}

// peers are both ends of a stream, the first of which brings a new carrier when one is lost, for as long as it gets one.
type peers struct {
	a, b     *Stream
	inA, inB *inbox // nil until bytes are exchanged
	bridges  sync.WaitGroup
	lost     chan error
}

// newPeers returns the ends of a stream. next gives the limits of each carrier, first included, and is called by one goroutine at a time;
// after false no more carriers come.
func newPeers(budget int, next func() (here, there int, ok bool)) *peers {
	p := &peers{lost: make(chan error, 1)}
	here, there, _ := next()
	a, b := carrierPair(here, there)
	token := Token{1, 2, 3}
	p.b = New(b, Config{Budget: budget})
	p.a = New(a, Config{Budget: budget, Lost: func(err error) { p.lost <- err }})
	p.a.Allow(token)
	p.b.Allow(token)
	p.bridges.Go(func() {
		for range p.lost {
			for {
				here, there, ok := next()
				if !ok {
					break
				}
				a, b := carrierPair(here, there)
				var accepted sync.WaitGroup
				accepted.Go(func() { _ = p.b.Accept(b) }) // what matters is whether the other end has it
				_, err := p.a.Resume(a)
				accepted.Wait()
				if err == nil || !errors.Is(err, ErrRefused) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, errCut) {
					break
				}
			}
		}
	})
	return p
}

// end waits for everything, once both ends are over.
func (p *peers) end() {
	p.a.Wait()
	p.b.Wait()
	close(p.lost)
	p.bridges.Wait()
}

// over breaks both ends.
func (p *peers) over() {
	p.a.Break(errCut)
	p.b.Break(errCut)
	p.end()
}

// uncut are the limits of carriers that last.
func uncut() (here, there int, ok bool) { return never, never, true }

// only returns the limits of a first carrier after which no more come.
func only(here, there int) func() (int, int, bool) {
	first := true
	return func() (int, int, bool) {
		defer func() { first = false }()
		return here, there, first
	}
}

// pattern is the stream of bytes that seed stands for.
func pattern(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
