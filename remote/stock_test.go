package remote

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func withStock(t *testing.T, f func(t *testing.T, e *Endpoint, s *stockPeer)) {
	run := func(name string, configure func(c *Config) *Credentials) {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			cfg := Config{Address: l.Addr().String()}
			theirs := configure(&cfg)
			e := start(t, cfg)
			serve(t, e, l)
			f(t, e, startStock(t, theirs))
		})
	}
	run("plaintext", func(c *Config) *Credentials {
		c.InsecurePlaintext = true
		return nil
	})
	run("credentials", func(c *Config) *Credentials {
		authority := newAuthority(t, "run-1")
		c.Credentials = issue(t, authority, RoleHost, "ours", 1)
		return issue(t, authority, RoleGuest, "stock", 1)
	})
	run("own TLS", func(c *Config) *Credentials {
		authority := newAuthority(t, "somebody-else")
		var err error
		c.TLS, err = issue(t, authority, RoleHost, "ours", 1).TLS(nil)
		require.NoError(t, err)
		return issue(t, authority, RoleGuest, "stock", 1)
	})
}

func TestStockAsksUs(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		_, err := e.system.Root.SpawnNamed(protoactor.PropsFromFunc(echo), "echo")
		require.NoError(t, err)
		for i := range 100 {
			require.Equal(t, report{Text: "echo " + strconv.Itoa(i)},
				s.do(t, `{"Do":"ask","Address":%q,"ID":"echo","Text":"%d"}`, e.cfg.Address, i))
		}
		require.Equal(t, protoactor.ErrDeadLetter.Error(),
			s.do(t, `{"Do":"ask","Address":%q,"ID":"nobody","Text":"?"}`, e.cfg.Address).Err)
	})
}

func TestWeAskStock(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		answer, err := e.system.Root.RequestFuture(s.pid("echo"), text("raw"), patience).Result()
		require.NoError(t, err)
		require.Equal(t, "echo raw", answer.(*wrapperspb.StringValue).Value)

		in, self := newInbox(t, e, "asker", 1)
		require.NoError(t, e.Send(within(t, 5*time.Second), s.pid("echo"), self, text("sent")))
		require.Equal(t, "echo sent", receive(t, in.user).Message.(*wrapperspb.StringValue).Value)
	})
}

func TestFiveMegabytesFromStock(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		in, _ := newInbox(t, e, "big", 1)
		s.do(t, `{"Do":"send","Address":%q,"ID":"big","Size":%d}`, e.cfg.Address, 5<<20)
		require.Len(t, receive(t, in.user).Message.(*wrapperspb.BytesValue).Value, 5<<20)
	})
}

func TestFiveMegabytesToStock(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		body := strings.Repeat("x", 5<<20)
		require.NoError(t, e.Send(within(t, 30*time.Second), s.pid("sink"), nil, text("before")))
		require.NoError(t, e.Send(within(t, 30*time.Second), s.pid("sink"), nil, text(body)))
		require.NoError(t, e.Send(within(t, 30*time.Second), s.pid("sink"), nil, text("and after")))
		require.Equal(t, len("before"), s.do(t, `{"Do":"received","Size":3}`).Count)
		require.Equal(t, len(body), receive(t, s.reports).Count)
		require.Equal(t, len("and after"), receive(t, s.reports).Count, "in order")
	})
}

func TestFloodToStockStaysBelowItsLimit(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		const n = 200
		body := strings.Repeat("x", 100<<10)
		for range n { // 20 MB in all; 4 MiB in one batch would end the link
			require.NoError(t, e.Send(within(t, 20*time.Second), s.pid("sink"), nil, text(body)))
		}
		first := s.do(t, `{"Do":"received","Size":%d}`, n)
		require.Equal(t, len(body), first.Count)
		for range n - 1 {
			require.Equal(t, len(body), receive(t, s.reports).Count)
		}
	})
}

func TestStockWatchesAndStopsUs(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		_, err := e.system.Root.SpawnNamed(protoactor.PropsFromFunc(echo), "mortal")
		require.NoError(t, err)
		s.do(t, `{"Do":"watch","Address":%q,"ID":"mortal"}`, e.cfg.Address)
		// Its stream keeps order, so by the time of the answer we know of the watch.
		require.Empty(t, s.do(t, `{"Do":"ask","Address":%q,"ID":"mortal","Text":"?"}`, e.cfg.Address).Err)
		// That it has asked for the end and that it was told of it are reported by two goroutines.
		first := s.do(t, `{"Do":"stop","Address":%q,"ID":"mortal"}`, e.cfg.Address)
		require.ElementsMatch(t, []report{{}, {Ended: true, Text: "mortal"}}, []report{first, receive(t, s.reports)})
	})
}

// watcher spawns an actor that watches pid and reports how it ended.
func watcher(system *protoactor.ActorSystem, pid *protoactor.PID) (watching chan struct{}, ends chan *protoactor.Terminated) {
	watching, ends = make(chan struct{}), make(chan *protoactor.Terminated, 1)
	system.Root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
		switch m := c.Message().(type) {
		case *protoactor.Started:
			c.Watch(pid)
			close(watching)
		case *protoactor.Terminated:
			ends <- m
		}
	}))
	return watching, ends
}

func TestWeWatchAndStopStock(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		pid := s.pid("mortal")
		watching, ends := watcher(e.system, pid)
		receive(t, watching)
		e.system.Root.Stop(pid)
		got := receive(t, ends)
		require.Equal(t, pid.Id, got.Who.Id)
		require.Equal(t, protoactor.TerminatedReason_Stopped, got.Why)

		_, ends = watcher(e.system, s.pid("never-was"))
		require.Equal(t, protoactor.TerminatedReason_NotFound, receive(t, ends).Why)
	})
}

func TestWatchEndsWithTheStockProcess(t *testing.T) {
	withStock(t, func(t *testing.T, e *Endpoint, s *stockPeer) {
		_, ends := watcher(e.system, s.pid("mortal"))
		_, err := e.system.Root.RequestFuture(s.pid("mortal"), text("there?"), patience).Result()
		require.NoError(t, err)
		require.NoError(t, s.cmd.Process.Kill())
		require.Equal(t, protoactor.TerminatedReason_AddressTerminated, receive(t, ends).Why)
	})
}
