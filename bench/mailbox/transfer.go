package mailbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bench/figures"
)

// A large value goes to one node while another sender asks another node again and again.

const (
	linkRate   = "1gbit" // as tc writes it
	pingBudget = 8 * time.Millisecond
	pingSize   = 16
	pingPause  = time.Millisecond
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A chest is a node that takes a large value, and tells what has come and what its process holds.
type chest struct {
	size  int
	sum   uint32
	begin memory
}

func (c *chest) Put(_ context.Context, b []byte) error {
	c.size, c.sum = len(b), crc32.Checksum(b, castagnoli)
	return nil
}

// Settle has the process's memory measured from now on.
func (c *chest) Settle(context.Context) (err error) {
	c.begin, err = figures.ReadMemory(true)
	return err
}

// A finding is what a chest tells.
type finding struct {
	Size   int
	Sum    uint32
	Growth float64 // of the memory, since Settle
}

func (c *chest) Find(context.Context) (finding, error) {
	m, err := figures.ReadMemory(false)
	return finding{c.size, c.sum, m.Peak - c.begin.Begin}, err
}

var _ = actor.Action((*chest).Put)

// transfer sends a value of the assignment's size, and tells how long pings beside it took and by how much the memory of either process has
// grown. The value that the sender has before is not counted.
func (s *side) transfer(ctx context.Context, a assignment) (*outcome, error) {
	value := make([]byte, a.Size)
	fill(value)
	sum := crc32.Checksum(value, castagnoli)
	if _, err := s.pings(ctx, a.Duration); err != nil { // all is as it will be, but for the value
		return nil, err
	}
	begin, err := figures.ReadMemory(true)
	if err == nil {
		err = actor.Do0(ctx, s.chest, (*chest).Settle)
	}
	if err != nil {
		return nil, err
	}
	if err := actor.Tell(ctx, s.chest, (*chest).Put, value); err != nil {
		return nil, err
	}
	pinging, stop := context.WithCancel(ctx)
	type result struct {
		took []float64
		err  error
	}
	pings := make(chan result, 1)
	go func() {
		took, err := s.pings(pinging, 0)
		pings <- result{took, err}
	}()
	found, err := actor.Call0(ctx, s.chest, (*chest).Find)
	stop()
	r := <-pings
	if err := errors.Join(err, r.err); err != nil {
		return nil, err
	}
	if found.Size != len(value) || found.Sum != sum {
		return nil, fmt.Errorf("%d bytes with the sum %08x were sent, and %d with %08x have come", len(value), sum, found.Size, found.Sum)
	}
	end, err := figures.ReadMemory(false)
	if err != nil {
		return nil, err
	}
	slices.Sort(r.took)
	return &outcome{Messages: float64(len(r.took)), Figures: map[string]float64{
		p99: r.took[len(r.took)*99/100], growth: max(found.Growth, end.Peak-begin.Begin),
	}}, nil
}

// pings asks until d is over, or ctx where d is zero, with a pause between one and the next, and returns the microseconds that each took: one at least.
func (s *side) pings(ctx context.Context, d time.Duration) (took []float64, err error) {
	over := ctx.Done()
	if d > 0 {
		limited, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		over = limited.Done()
	}
	pause := time.NewTicker(pingPause)
	defer pause.Stop()
	for {
		began := time.Now()
		if err := s.ask(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began))/float64(time.Microsecond))
		select {
		case <-pause.C:
		case <-over:
			return took, nil
		}
	}
}

// fill writes what no compression and no accident would bring back.
func fill(b []byte) {
	r := rand.NewPCG(1, 2)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.Uint64())
	}
}

// transferBudget is what was promised of a transfer: for pings in microseconds, and for memory the value and a window for either of the two
// that send.
func transferBudget(size int) map[string]float64 {
	return map[string]float64{p99: float64(pingBudget) / float64(time.Microsecond), growth: float64(size) + 2*windowBudget}
}
