package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bench/figures"
	"github.com/tartrl/tlaunch-go/internal/cputime"
	"github.com/tartrl/tlaunch-go/remote"
)

// The roles of a process.
const (
	receives = "receives"
	sends    = "sends"
	within   = "within" // one process is both
	disturbs = "disturbs"
)

// An assignment is what a process is to do; it comes on its standard input, which stays open for as long as a receiver is wanted.
type assignment struct {
	Who, Role, Kind string
	Size            int
	Duration        time.Duration
	Host            string              // where a receiver listens; empty: loopback
	Address         string              // of the receiver, for the others
	Credentials     *remote.Credentials // nil: without TLS
	Profile         string              // file; empty: none
}

// An outcome is what a process tells on its standard output: a receiver where it is, and when it is no longer wanted the rest.
type outcome struct {
	Address     string
	Messages    float64
	Figures     map[string]float64
	Allocations float64
	Processor   float64 // time of a receiver, in seconds
	Memory      memory  // of a receiver, where that is the figure
}

// A side is one process of a contestant. The functions that a role has no use for are nil.
type side struct {
	address string                                 // of a receiver
	send    func(ctx context.Context, i int) error // one message of sender i, without waiting for it
	senders int                                    // that send at the same time
	most    int                                    // messages that a sender sends before it waits for all to be handled; 0: any number
	handled func(ctx context.Context) (int, error) // waits until all that was sent before is handled, and tells how much that is
	ask     func(ctx context.Context) error        // one round trip
	close   func(ctx context.Context) error
	chest   actor.Ref[*chest] // of ours
}

// openers make the sides of contestants.
var openers = map[string]func(ctx context.Context, a assignment) (*side, error){
	ours: openOurs, left: openOurs, stock: openStock, stockEach: openStock, tcp: openTCP,
}

// child does what the assignment on its standard input says.
func child(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) int {
	if err := obey(ctx, stdin, stdout); err != nil {
		fmt.Fprintln(stderr, "bench mailbox:", err)
		return 1
	}
	return 0
}

func obey(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	var a assignment
	in := json.NewDecoder(stdin)
	if err := in.Decode(&a); err != nil {
		return fmt.Errorf("the assignment: %w", err)
	}
	if a.Role == disturbs {
		return besiege(ctx, a, in, stdout)
	}
	open := openers[a.Who]
	if open == nil {
		return fmt.Errorf("%q is no contestant", a.Who)
	}
	s, err := open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if a.Profile != "" {
		f, err := os.Create(a.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	out := json.NewEncoder(stdout)
	if a.Role == receives {
		before := allocations()
		var begin memory
		used := cputime.Used()
		if measuresMemory(a.Kind) {
			if begin, err = figures.ReadMemory(true); err != nil {
				return err
			}
		}
		if err := out.Encode(outcome{Address: s.address}); err != nil {
			return err
		}
		var more any
		if err := in.Decode(&more); !errors.Is(err, io.EOF) {
			return fmt.Errorf("a receiver is told no more than its assignment: %w", err)
		}
		end := outcome{Allocations: allocations() - before}
		if a.Kind == assaulted {
			if end.Processor = (cputime.Used() - used).Seconds(); end.Processor <= 0 {
				return errors.New("this system does not say what processor time a process has used")
			}
		}
		if measuresMemory(a.Kind) {
			if end.Memory, err = figures.ReadMemory(false); err != nil {
				return err
			}
			end.Memory.Begin = begin.Begin
		}
		return out.Encode(end)
	}
	if s.handled != nil {
		if _, err := s.handled(ctx); err != nil { // the link is made before the clock runs
			return err
		}
	}
	before := allocations()
	o, err := s.work(ctx, a)
	if err != nil {
		return err
	}
	o.Allocations = allocations() - before
	return out.Encode(o)
}

func (s *side) work(ctx context.Context, a assignment) (*outcome, error) {
	switch a.Kind {
	case idlePeer:
		return s.crowd(ctx, a)
	case call, callLocal:
		return s.roundTrips(ctx, a.Duration)
	case transfer:
		return s.transfer(ctx, a)
	}
	o, err := s.stream(ctx, a.Duration)
	if err == nil && a.Kind == payload {
		o.Figures[""] *= float64(a.Size)
	}
	return o, err
}

// stream sends for a while and waits until all is handled.
func (s *side) stream(ctx context.Context, d time.Duration) (*outcome, error) {
	began := time.Now()
	end := began.Add(d)
	counts := make([]int, s.senders)
	failed := make(chan error, s.senders)
	for i := range s.senders {
		go func() { failed <- s.sendUntil(ctx, i, end, &counts[i]) }()
	}
	var errs []error
	for range s.senders {
		errs = append(errs, <-failed)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sent := 0
	for _, n := range counts {
		sent += n
	}
	handled, err := s.handled(ctx)
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	if handled != sent {
		return nil, fmt.Errorf("%d messages were sent and %d handled", sent, handled)
	}
	return &outcome{Messages: float64(sent), Figures: map[string]float64{"": float64(sent) / took.Seconds()}}, nil
}

func (s *side) sendUntil(ctx context.Context, i int, end time.Time, count *int) error {
	const looks = 64 // messages between two looks at the clock
	for n := 0; ; n++ {
		if n%looks == 0 && !time.Now().Before(end) {
			*count = n
			return nil
		}
		if s.most > 0 && n > 0 && n%s.most == 0 {
			if _, err := s.handled(ctx); err != nil {
				return err
			}
		}
		if err := s.send(ctx, i); err != nil {
			return err
		}
	}
}

// roundTrips asks again and again.
func (s *side) roundTrips(ctx context.Context, d time.Duration) (*outcome, error) {
	const first = 1000 // round trips that do not count
	var took []float64
	for end := time.Now().Add(d); len(took) < 2*first || time.Now().Before(end); {
		began := time.Now()
		if err := s.ask(ctx); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began))/float64(time.Microsecond))
	}
	n := float64(len(took))
	took = took[first:]
	slices.Sort(took)
	return &outcome{Messages: n, Figures: map[string]float64{p50: took[len(took)/2], p99: took[len(took)*99/100]}}, nil
}

func allocations() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Mallocs)
}
