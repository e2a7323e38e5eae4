package bootstrap

import (
	"context"
	"log/slog"
	"net"
	"os"

	"github.com/hashicorp/yamux"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// Guest is a worker's view of the host it was started on. Its methods are safe for concurrent use.
type Guest struct {
	orders  talk.GuestOrders
	session *yamux.Session
	logs    *record.Pipe
	handler slog.Handler
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// Orders returns the bytes given to [Launcher.Start]. They must not be changed.
func (g *Guest) Orders() []byte { return g.orders.Orders }

// Context ends when the process is to stop: with the cause [ErrTerminated] when the launcher says so, with [ErrLeaseLost]
// when the launcher was not heard. What is not gone when the notice is over is killed.
func (g *Guest) Context() context.Context { return g.ctx }

// Dir returns the work folder, which is also the working directory: made for this process, and removed after it.
func (g *Guest) Dir() string { return g.orders.Dir }

// Host returns the name of the host in the inventory.
func (g *Guest) Host() string { return g.orders.Host }

// Run returns the id of the run.
func (g *Guest) Run() string { return g.orders.Run }

// Dial opens a stream to the launcher, which takes it with [Process.Accept].
func (g *Guest) Dial(ctx context.Context) (net.Conn, error) { return openStream(ctx, g.session) }

// Accept waits for a stream that the launcher has opened with [Process.Dial]. It fails once the agent is gone.
func (g *Guest) Accept() (net.Conn, error) { return acceptStream(g.session) }

// Handler returns a handler that sends records of every level to the launcher. The attribute [NodeKey], outside of groups,
// names the node. A record has left the process when Handle returns, so that none is lost by whatever comes next.
func (g *Guest) Handler() slog.Handler { return g.handler }

// Exit ends the process with the given status. Logs, os.Stdout and os.Stderr arrive to the last byte, and so do streams
// that the launcher has accepted and reads.
func (g *Guest) Exit(code int) { os.Exit(code) }
