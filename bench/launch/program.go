package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// node says that it runs, and does nothing else.
type node struct {
	Host string
}

// running is what a node says.
const running = "running"

func (n *node) Run(ctx context.Context) error {
	slog.InfoContext(ctx, running)
	<-ctx.Done()
	return ctx.Err()
}

// everywhere has one node on each host.
var everywhere = tlaunch.Define("bench-launch", func(p *tlaunch.Program, _ struct{}) error {
	for _, h := range p.Hosts() {
		tlaunch.Add(p, "node", &node{h.Name}, tlaunch.On(h))
	}
	return nil
})

// assignment is what a launcher is to do; it comes on its standard input.
type assignment struct {
	Inventory string
	SSHConfig string
	Profile   string // file; empty: none
}

// result is what a launcher tells on its standard output once all nodes run.
type result struct {
	Seconds float64 // from the call of Launch until all nodes ran
	Peak    int64   // its resident memory in bytes, at most; 0 where the system does not tell
	Sent    int64   // bytes of executables that it sent to hosts
}

// child is a launcher: it launches once, tells how long that took, and stops the run.
func child(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) int {
	var a assignment
	err := json.NewDecoder(stdin).Decode(&a)
	if err == nil {
		err = launchOnce(ctx, a, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return tlaunch.ExitStatus(err)
	}
	return 0
}

func launchOnce(ctx context.Context, a assignment, stdout io.Writer) (err error) {
	inv, err := tlaunch.ReadInventory(a.Inventory)
	if err != nil {
		return err
	}
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
	said := newTally(len(inv.Hosts))
	began := time.Now()
	run, err := everywhere.Launch(ctx, struct{}{}, tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: a.SSHConfig}),
		tlaunch.OnRecord(said.record), tlaunch.OnProgress(said.progress))
	if err != nil {
		return err
	}
	select {
	case <-said.all:
	case <-run.Done():
		return errors.Join(errors.New("the run ended before all nodes ran"), run.Wait(ctx))
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), run.Stop(context.WithoutCancel(ctx)))
	}
	r := result{Seconds: time.Since(began).Seconds(), Peak: peakMemory(), Sent: said.bytes()}
	pprof.StopCPUProfile() // the end is not what is looked at
	return errors.Join(json.NewEncoder(stdout).Encode(r), run.Stop(context.WithoutCancel(ctx)))
}

// tally counts the hosts whose node has said that it runs.
type tally struct {
	all chan struct{} // closed when all have

	mu   sync.Mutex
	left int
	said map[string]bool
	sent map[string]int64
}

func newTally(hosts int) *tally {
	return &tally{all: make(chan struct{}), left: hosts, said: map[string]bool{}, sent: map[string]int64{}}
}

func (t *tally) record(r tlaunch.Record) {
	if r.Stream != bootstrap.Log || r.Text != running {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said[r.Host] {
		return
	}
	t.said[r.Host] = true
	if t.left--; t.left == 0 {
		close(t.all)
	}
}

func (t *tally) progress(p tlaunch.Progress) {
	if p.Stage != bootstrap.StageShipping {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[p.Host] = max(t.sent[p.Host], p.Sent)
}

func (t *tally) bytes() (sum int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.sent {
		sum += n
	}
	return sum
}
