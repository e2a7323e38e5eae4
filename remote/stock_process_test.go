package remote

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	stock "github.com/asynkron/protoactor-go/remote"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The stock peer is a process of its own, this test binary started with stockEnv: protoactor-go replaces the logger of
// gRPC for its whole process when it starts, which is a race with everybody else's gRPC there.
const stockEnv = "TLAUNCH_TEST_STOCK_PEER"

// order is what the test tells the stock process, one JSON line each; it answers each with one report, in order. Ends
// of watched actors are reported as they come.
type order struct {
	Do      string // ask, send, watch, stop, received
	Address string
	ID      string
	Text    string
	Size    int
	Header  map[string]string // of what is asked
}

type report struct {
	Ended  bool // an actor that is watched has ended
	Text   string
	Reason int32
	Count  int
	Err    string
}

// stockMain is the main function of the stock process.
func stockMain(in io.Reader, out io.Writer) {
	lines := json.NewDecoder(in)
	var creds *Credentials
	if err := lines.Decode(&creds); err != nil {
		panic(err)
	}
	var options []stock.ConfigOption
	serving := []grpc.ServerOption{grpc.MaxRecvMsgSize(8 << 20)} // as one who expects more than gRPC's 4 MiB sets it
	if creds != nil {
		c, err := creds.TLS(nil)
		if err != nil {
			panic(err)
		}
		options = append(options,
			stock.WithDialOptions(grpc.WithTransportCredentials(credentials.NewTLS(c))))
		serving = append(serving, grpc.Creds(credentials.NewTLS(c)))
	}
	options = append(options, stock.WithServerOptions(serving...))
	system := newSystem()
	remote := stock.NewRemote(system, stock.Configure("127.0.0.1", 0, options...))
	remote.Start()

	var mu sync.Mutex
	say := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(out).Encode(r)
	}
	sizes := make(chan int, 1<<16)
	for id, f := range map[string]protoactor.ReceiveFunc{"echo": echo, "mortal": echo, "sink": func(c protoactor.Context) {
		if m, ok := c.Message().(*wrapperspb.StringValue); ok {
			sizes <- len(m.Value)
		}
	}, "headed": func(c protoactor.Context) {
		if _, ok := c.Message().(*wrapperspb.StringValue); ok {
			c.Respond(wrapperspb.String(fmt.Sprint(c.MessageHeader().ToMap())))
		}
	}} {
		if _, err := system.Root.SpawnNamed(protoactor.PropsFromFunc(f), id); err != nil {
			panic(err)
		}
	}
	say(report{Text: system.Address()})
	for {
		var o order
		if lines.Decode(&o) != nil {
			remote.Shutdown(true)
			return
		}
		pid := protoactor.NewPID(o.Address, o.ID)
		switch o.Do {
		case "ask":
			root := system.Root.Copy().WithSenderMiddleware(func(next protoactor.SenderFunc) protoactor.SenderFunc {
				return func(c protoactor.SenderContext, target *protoactor.PID, m *protoactor.MessageEnvelope) {
					for k, v := range o.Header {
						m.SetHeader(k, v)
					}
					next(c, target, m)
				}
			})
			v, err := root.RequestFuture(pid, text(o.Text), patience).Result()
			if err != nil {
				say(report{Err: err.Error()})
				continue
			}
			say(report{Text: v.(*wrapperspb.StringValue).Value})
		case "send":
			system.Root.Send(pid, wrapperspb.Bytes(make([]byte, o.Size)))
			say(report{})
		case "watch":
			system.Root.Spawn(protoactor.PropsFromFunc(func(c protoactor.Context) {
				switch m := c.Message().(type) {
				case *protoactor.Started:
					c.Watch(pid)
					say(report{})
				case *protoactor.Terminated:
					say(report{Ended: true, Text: m.Who.Id, Reason: int32(m.Why)})
				}
			}))
		case "stop":
			system.Root.Stop(pid)
			say(report{})
		case "received":
			for range o.Size {
				say(report{Count: <-sizes})
			}
		}
	}
}

// echo answers text with text.
func echo(c protoactor.Context) {
	if m, ok := c.Message().(*wrapperspb.StringValue); ok {
		c.Respond(wrapperspb.String("echo " + m.Value))
	}
}

// stockPeer is the test's side of a stock process.
type stockPeer struct {
	address string
	orders  *json.Encoder
	reports chan report
	cmd     *exec.Cmd
}

func startStock(t *testing.T, creds *Credentials) *stockPeer {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	// Its races are its own: the race detector has nothing to tell us about it.
	cmd.Env = append(os.Environ(), stockEnv+"=1", "GORACE=exitcode=0 log_path=/dev/null")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &stockPeer{orders: json.NewEncoder(in), reports: make(chan report, 1024), cmd: cmd}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.reports)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil { // it prints other things as well
				p.reports <- r
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		<-done
		_ = cmd.Wait()
	})
	require.NoError(t, p.orders.Encode(creds))
	p.address = receive(t, p.reports).Text
	require.NotEmpty(t, p.address)
	return p
}

func (p *stockPeer) pid(id string) *protoactor.PID { return protoactor.NewPID(p.address, id) }

func (p *stockPeer) do(t *testing.T, format string, args ...any) report {
	t.Helper()
	var o order
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, format, args...), &o))
	require.NoError(t, p.orders.Encode(o))
	return receive(t, p.reports)
}
