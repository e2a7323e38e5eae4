package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// FateConfig is for [Fate].
type FateConfig struct {
	// How the node on the second host ends: return, stop, fail, panic, start,
	// exit, kill, deaf, child, stubborn or wait.
	How string
	// Where is the host, group or name of one more node; empty adds none.
	Where string
	// Own gives the node on the second host a process of its own.
	Own bool
}

// Victim ends as it is told.
type Victim struct {
	how    string
	others []actor.Ref[*Bystander]
}

// Start may fail.
func (v *Victim) Start(context.Context) error {
	if v.how == "start" {
		return errors.New("no port for the engine")
	}
	return nil
}

// Run waits for the others, and ends.
func (v *Victim) Run(ctx context.Context) error {
	for _, o := range v.others {
		if err := actor.Do0(ctx, o, (*Bystander).Ready); err != nil {
			return err
		}
	}
	slog.InfoContext(ctx, "fate", "how", v.how, "pid", os.Getpid())
	switch v.how {
	case "return":
		return nil
	case "stop":
		if err := tlaunch.Stop(ctx); err != nil {
			return err
		}
	case "fail":
		return errors.New("the well is dry")
	case "panic":
		//lint:ignore SA5000 this is what should happen
		map[string]int(nil)["boom"] = 1
	case "exit":
		fmt.Println("leaving by the back door")
		os.Exit(7)
	case "kill":
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return self.Kill()
	case "deaf":
		select {}
	case "child": // one that leaves its session behind, and whose parent is gone
		if out, err := exec.CommandContext(ctx, "sh", "-c", "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		slog.InfoContext(ctx, "child started")
	}
	<-ctx.Done()
	return ctx.Err()
}

// Bystander lives until the run ends.
type Bystander struct{ wait bool }

// Ready is answered once the node has started.
func (b *Bystander) Ready(context.Context) error { return nil }

// Run waits, where the victim is to end the run.
func (b *Bystander) Run(ctx context.Context) error {
	slog.InfoContext(ctx, "standing by")
	if b.wait {
		<-ctx.Done()
	}
	return nil
}

// Stop says that it was given notice.
func (b *Bystander) Stop(ctx context.Context) error {
	slog.InfoContext(ctx, "given notice")
	return nil
}

// stubborn is a command that forks twice, leaves its session behind and, as its children do, ignores SIGTERM.
const stubborn = `trap "" TERM
setsid sh -c 'sleep 1000 & sleep 1000' </dev/null &
echo "fate how=stubborn"
echo "child started"
while :; do sleep 1; done`

// Fate has a node on each host; that on the second ends as configured.
var Fate = tlaunch.Define("fate", func(p *tlaunch.Program, cfg FateConfig) error {
	victim := &Victim{how: cfg.How}
	for i, h := range p.Hosts() {
		if i == 1 && cfg.How == "stubborn" {
			tlaunch.AddCommand(p, "victim", tlaunch.Command{Path: "sh", Args: []string{"-c", stubborn}}, tlaunch.On(h))
		} else if i == 1 {
			opts := []tlaunch.NodeOption{tlaunch.On(h)}
			if cfg.Own {
				opts = append(opts, tlaunch.OwnProcess())
			}
			tlaunch.Add(p, "victim", victim, opts...)
		} else {
			victim.others = append(victim.others, tlaunch.Add(p, "bystander", &Bystander{cfg.How != "return"}, tlaunch.On(h)))
		}
	}
	if cfg.Where != "" {
		tlaunch.Add(p, "guest", &Bystander{}, tlaunch.On(cfg.Where))
	}
	return nil
})
