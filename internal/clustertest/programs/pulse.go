package programs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Heart counts the beats that it got.
type Heart struct{ beats int }

// Beat counts.
func (h *Heart) Beat(_ context.Context, n int) (int, error) {
	h.beats++
	if h.beats != n {
		return 0, fmt.Errorf("beat %d came as number %d", n, h.beats)
	}
	return n, nil
}

// Pacemaker beats until the run ends; a beat that is lost fails it.
type Pacemaker struct {
	hearts []actor.Ref[*Heart]
	beats  int
}

// Run beats.
func (p *Pacemaker) Run(ctx context.Context) error {
	slog.InfoContext(ctx, "pulse begins")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		for _, h := range p.hearts {
			if _, err := actor.Call(ctx, h, (*Heart).Beat, n); err != nil {
				return err // at the end of the run that is no failure
			}
		}
		p.beats = n
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Stop says how far it came.
func (p *Pacemaker) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "pulse ends", "beats", p.beats)
	return nil
}

// Pulse is a run that notices when it is touched: a node on the first host calls one on each.
var Pulse = tlaunch.Define("pulse", func(p *tlaunch.Program, _ struct{}) error {
	m := &Pacemaker{}
	for _, h := range p.Hosts() {
		m.hearts = append(m.hearts, tlaunch.Add(p, "heart", &Heart{}, tlaunch.On(h)))
	}
	tlaunch.Add(p, "pacemaker", m, tlaunch.On(p.Hosts()[0]))
	return nil
})
