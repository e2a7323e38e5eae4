package programs

import (
	"context"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

// Ledger adds up numbers.
type Ledger struct{ sum int }

var _ = actor.Method((*Ledger).Add)

// Add adds n and returns the sum so far.
func (l *Ledger) Add(_ context.Context, n int) (int, error) {
	l.sum += n
	return l.sum, nil
}

// Greet takes a message of an actor that knows nothing of nodes.
func (l *Ledger) Greet(_ context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String("ledger greets " + name.Value), nil
}

// answering is a raw actor. It answers text; text "call back" makes it ask the
// actor that sent it first.
func answering(c protoactor.Context) {
	m, ok := c.Message().(*wrapperspb.StringValue)
	switch {
	case !ok:
	case m.Value == "call back":
		c.Request(c.Sender(), wrapperspb.String("who are you"))
	case c.Sender() != nil:
		c.Respond(wrapperspb.String("props answers " + m.Value))
	}
}

// Service has an object node on the first host and a raw actor on the second,
// and lives until it is stopped.
var Service = tlaunch.Define("service", func(p *tlaunch.Program, _ struct{}) error {
	hosts := p.Hosts()
	tlaunch.Add(p, "ledger", &Ledger{}, tlaunch.On(hosts[0]))
	tlaunch.AddProps(p, "answering", protoactor.PropsFromFunc(answering), tlaunch.On(hosts[1]))
	for _, h := range hosts {
		tlaunch.Add(p, "idler", &Idler{}, tlaunch.On(h))
	}
	return nil
})
