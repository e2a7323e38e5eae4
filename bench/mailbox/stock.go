package mailbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	stockremote "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	stockName = "sink"
	// stockAhead is how many messages a stock sender is ahead of its receiver, at most: its queue has no bound.
	stockAhead = 100_000
	// stockPatience is how long a stock request waits.
	stockPatience = time.Minute
)

// quietSystem is an actor system that says nothing.
func quietSystem() *protoactor.ActorSystem {
	return protoactor.NewActorSystem(protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}))
}

// openStock is stock protoactor-go with its own remote; messages are protobuf's BytesValue.
func openStock(_ context.Context, a assignment) (*side, error) {
	system := quietSystem()
	s := &side{senders: 1, most: stockAhead, close: func(context.Context) error { return nil }}
	if a.Role != within {
		// It ends with its process: its Shutdown races with its own reader of a connection that ends.
		stockremote.NewRemote(system, stockremote.Configure("127.0.0.1", 0)).Start()
	}
	s.address = system.Address()
	if a.Role != sends {
		count := 0
		props := protoactor.PropsFromFunc(func(c protoactor.Context) {
			switch m := c.Message().(type) {
			case *wrapperspb.BytesValue:
				if c.Sender() != nil {
					c.Respond(m)
				}
				count++
			case *emptypb.Empty:
				c.Respond(wrapperspb.Int64(int64(count)))
			}
		})
		if _, err := system.Root.SpawnNamed(props, stockName); err != nil {
			return nil, err
		}
	}
	if a.Role == sends {
		s.address = a.Address
	}
	to, m := protoactor.NewPID(s.address, stockName), wrapperspb.Bytes(make([]byte, a.Size))
	s.send = func(context.Context, int) error {
		system.Root.Send(to, m)
		return nil
	}
	if a.Who == stockEach {
		s.send = func(context.Context, int) error {
			system.Root.Send(to, wrapperspb.Bytes(bytes.Clone(m.Value)))
			return nil
		}
	}
	s.handled = func(context.Context) (int, error) {
		v, err := system.Root.RequestFuture(to, &emptypb.Empty{}, stockPatience).Result()
		if err != nil {
			return 0, err
		}
		n, ok := v.(*wrapperspb.Int64Value)
		if !ok {
			return 0, fmt.Errorf("the receiver answered %T", v)
		}
		return int(n.Value), nil
	}
	s.ask = func(context.Context) error {
		_, err := system.Root.RequestFuture(to, m, stockPatience).Result()
		return err
	}
	return s, nil
}
