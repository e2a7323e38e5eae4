package guide

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

type Config struct{ Start, Rounds int }

type Consumer struct{}

func (*Consumer) Add(context.Context, int) (int, error) { return 0, nil }

func programs() {
	type Worker struct {
		rounds   int
		consumer actor.Ref[*Consumer]
	}
	// fragment: var sum = tlaunch.Define("sum", func(p *tlaunch.Program, cfg Config) error {
	_ = sum
}

func calls(ctx context.Context, consumer actor.Ref[*Consumer]) {
	// fragment: total, err := actor.Call(ctx, consumer, (*Consumer).Add, 3)
	_, _ = total, err
}

type Archive struct{ file io.Writer }

// fragment: func (a *Archive) Upload(ctx context.Context, conn net.Conn) error {

func streams(ctx context.Context, archive actor.Ref[*Archive], file io.Reader) error {
	// fragment: conn, err := actor.Open(ctx, archive, (*Archive).Upload)
	_ = answer
	return err
}

type Worker struct {
	collective.Member
	gradients []float32
	broken    chan error
	device    interface{ Write(item string) error }
}

func groups(p *tlaunch.Program) error {
	// fragment: group := collective.Over(topology.Ring())
}

func together(ctx context.Context, w *Worker) {
	// fragment: err := collective.AllReduce(ctx, w, w.gradients, collective.Mean) // in the Run of every member
	_ = err
}

func commands(p *tlaunch.Program, cfg struct{ Token tlaunch.Secret[string] }) {
	// fragment: for _, h := range p.Group("gpu") {
}

type Store struct{}

func (*Store) Add(context.Context, int) (int, error) { return 0, nil }

var store = tlaunch.Define("store", func(*tlaunch.Program, Config) error { return nil })

// fragment: func main() {

func invite(run *tlaunch.Run) {
	// fragment: invitation, err := run.Invite("dashboard", time.Minute) // in the launcher
	_, _ = invitation, err
}

func join(ctx context.Context, invitation tlaunch.Invitation) error {
	// fragment: c, err := tlaunch.Connect(ctx, invitation) // in the other process
	_ = ref
	return err
}

// fragment: func (w *Worker) Start(context.Context) error { w.broken = make(chan error, 1); return nil }

func secrets() {
	// fragment: type Config struct {
	_ = Config{}
}
