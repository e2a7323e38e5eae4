package programs

import (
	"context"
	"os"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// ExtraVariable names the variable by which [Different] differs.
const ExtraVariable = "CLUSTERTEST_EXTRA"

// Idler does nothing until the run ends.
type Idler struct{ Note string }

// Run waits.
func (*Idler) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// IdleConfig is for [Idle].
type IdleConfig struct{ PerHost int }

// Idle has many nodes that do nothing on each host.
var Idle = tlaunch.Define("idle", func(p *tlaunch.Program, cfg IdleConfig) error {
	for range cfg.PerHost {
		tlaunch.AddEach(p, "idler", tlaunch.OnEach("@all"), func(tlaunch.Host, int) *Idler { return &Idler{} })
	}
	return nil
})

// Hungry takes ever more memory.
type Hungry struct{ kept [][]byte }

// Run takes memory until it gets no more.
func (h *Hungry) Run(ctx context.Context) error {
	for ctx.Err() == nil && len(h.kept) < 4096 {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1 // the system gives only what is written to
		}
		h.kept = append(h.kept, b)
	}
	return ctx.Err()
}

// Greed has a hungry node on the second host, and an idle one on the first.
var Greed = tlaunch.Define("greed", func(p *tlaunch.Program, _ struct{}) error {
	tlaunch.Add(p, "idler", &Idler{}, tlaunch.On(p.Hosts()[0]))
	tlaunch.Add(p, "hungry", &Hungry{}, tlaunch.On(p.Hosts()[1]))
	return nil
})

// Different is no pure function of its configuration: its second node holds
// the value of a variable.
var Different = tlaunch.Define("different", func(p *tlaunch.Program, _ struct{}) error {
	tlaunch.Add(p, "same", &Idler{}, tlaunch.On(p.Hosts()[0]))
	tlaunch.Add(p, "other", &Idler{Note: os.Getenv(ExtraVariable)}, tlaunch.On(p.Hosts()[1]))
	return nil
})

// Unsendable has a configuration that cannot be encoded.
var Unsendable = tlaunch.Define("unsendable", func(p *tlaunch.Program, _ UnsendableConfig) error {
	tlaunch.Add(p, "same", &Idler{})
	return nil
})

// UnsendableConfig cannot be encoded.
type UnsendableConfig struct{ Notify chan int }
