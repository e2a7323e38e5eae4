package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// A sink is a node that counts.
type sink struct{ count int }

// A sample is a message of 16 bytes of content.
type sample struct {
	Step  int64
	Value float64
}

func (s *sink) Put(context.Context, []byte) error       { s.count++; return nil }
func (s *sink) PutSample(context.Context, sample) error { s.count++; return nil }
func (s *sink) PutSlowly(context.Context, []byte) error {
	s.count++
	time.Sleep(slowness)
	return nil
}
func (s *sink) Echo(_ context.Context, b []byte) ([]byte, error) {
	return b, nil
}

// Count tells how many messages were handled since it was asked last.
func (s *sink) Count(context.Context) (int, error) {
	n := s.count
	s.count = 0
	return n, nil
}

var (
	_ = actor.Action((*sink).Put)
	_ = actor.Action((*sink).PutSample)
	_ = actor.Action((*sink).PutSlowly)
	_ = actor.Method((*sink).Echo)
)

// A foreign is a sink whose Put no method expression of its type names, so that it is called by reflection.
type foreign struct{ sink }

func (f *foreign) Put(ctx context.Context, b []byte) error { return f.sink.Put(ctx, b) }
func (f *foreign) Count(ctx context.Context) (int, error)  { return f.sink.Count(ctx) }

type putter interface {
	Put(context.Context, []byte) error
	Count(context.Context) (int, error)
}

const many = 8 // senders and nodes of tellMany

func openOurs(_ context.Context, a assignment) (*side, error) {
	table := actor.NewTable()
	keys := make([]string, many)
	sinks, reflected := make([]actor.Ref[*sink], many), actor.As[putter](actor.NewRef[*foreign](table, "foreign/0"))
	for i := range keys {
		keys[i] = fmt.Sprintf("sink/%d", i)
		sinks[i] = actor.NewRef[*sink](table, keys[i])
	}
	large := actor.NewRef[*chest](table, "chest/0")
	sys := actor.NewSystem(actor.Config{Table: table, Locate: func(string) (string, error) { return a.Address, nil }})
	s := &side{close: sys.Close, chest: large}
	if a.Role != within {
		if err := s.connect(sys, a); err != nil {
			return nil, errors.Join(err, sys.Close(context.Background()))
		}
	}
	if a.Role != sends {
		values := map[string]any{"foreign/0": &foreign{}, "chest/0": &chest{}}
		for _, k := range keys {
			values[k] = &sink{}
		}
		for k, v := range values {
			n, err := sys.Spawn(actor.Spec{Key: k, Value: v})
			if err == nil {
				err = n.Start(context.Background())
			}
			if err != nil {
				return nil, errors.Join(err, s.close(context.Background()))
			}
		}
	}
	s.sender(a, sinks, reflected)
	return s, nil
}

// connect gives the system its way to other processes.
func (s *side) connect(sys *actor.System, a assignment) error {
	cfg := remote.Config{System: sys.Actors(), Address: "sender", Credentials: a.Credentials, InsecurePlaintext: a.Credentials == nil}
	if a.Kind == transfer {
		cfg.MaxMessage = a.Size + 1<<10 // with what is around it
	}
	var l net.Listener
	if a.Role == receives {
		var err error
		if l, err = net.Listen("tcp", net.JoinHostPort(cmp.Or(a.Host, "127.0.0.1"), "0")); err != nil {
			return err
		}
		cfg.Address = l.Addr().String()
		s.address = cfg.Address
	}
	e, err := remote.New(cfg)
	if err != nil {
		if l != nil {
			l.Close()
		}
		return err
	}
	sys.Attach(e)
	served := make(chan error, 1)
	if l == nil {
		served <- nil
	} else {
		go func() { served <- e.Serve(l) }()
	}
	s.close = func(ctx context.Context) error { return errors.Join(sys.Close(ctx), e.Close(ctx), <-served) }
	return nil
}

// sender says how messages are sent.
func (s *side) sender(a assignment, sinks []actor.Ref[*sink], reflected actor.Ref[putter]) {
	data := make([]byte, a.Size)
	if a.Kind == transfer {
		data = data[:pingSize]
	}
	s.senders = 1
	s.send = func(ctx context.Context, i int) error { return actor.Tell(ctx, sinks[i], (*sink).Put, data) }
	s.handled = func(ctx context.Context) (int, error) {
		sum := 0
		for i := range s.senders {
			n, err := actor.Call0(ctx, sinks[i], (*sink).Count)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}
	s.ask = func(ctx context.Context) error {
		_, err := actor.Call(ctx, sinks[0], (*sink).Echo, data)
		return err
	}
	switch a.Kind {
	case tellReflect:
		s.send = func(ctx context.Context, _ int) error { return actor.Tell(ctx, reflected, putter.Put, data) }
		s.handled = func(ctx context.Context) (int, error) { return actor.Call0(ctx, reflected, putter.Count) }
	case tellStruct:
		s.send = func(ctx context.Context, i int) error {
			return actor.Tell(ctx, sinks[i], (*sink).PutSample, sample{1, 2})
		}
	case tellMany:
		s.senders = many
	case slowConsumer:
		s.produce(sinks, data)
	}
}
