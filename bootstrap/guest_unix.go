//go:build unix

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// enterWorker takes the descriptors that the agent has left and reads the orders.
func enterWorker() (*Guest, error) {
	var files [3]*os.File
	for i, name := range []string{"agent in", "agent out", "logs"} {
		fd := 3 + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return nil, fmt.Errorf("bootstrap: worker: %s is missing: only an agent can start a worker", name)
		}
		syscall.CloseOnExec(fd) // the worker's children are not the host
		// Records are written with the descriptor blocking, so that one that is half written is no case to think of.
		if err := unix.SetNonblock(fd, i < 2); err != nil {
			return nil, fmt.Errorf("bootstrap: worker: %s: %w", name, err)
		}
		files[i] = os.NewFile(uintptr(fd), name)
	}
	session, err := yamux.Server(talk.PipeConn{ReadCloser: files[0], W: files[1]}, talk.MuxConfig())
	if err != nil {
		return nil, err
	}
	control, err := session.AcceptStream()
	if err != nil {
		return nil, fmt.Errorf("bootstrap: worker: wait for the agent: %w", err)
	}
	_ = talk.WriteFrame(control, talk.FrameEntered, nil) // where that fails, so does what follows
	g := &Guest{session: session, logs: record.NewPipe(files[2])}
	if err := talk.ReadMessage(control, talk.MaxEnvelope, talk.FrameOrders, &g.orders); err != nil {
		return nil, fmt.Errorf("bootstrap: worker: read orders: %w", err)
	}
	time.AfterFunc(agent.Settling, agent.Trim) // it takes no time, and the process is its owner
	g.handler = record.NewHandler(g.logs)
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	go g.listen(control)
	return g, nil
}

// listen ends the guest's context when the agent says so. It owns the end of the process where the agent itself is gone:
// Linux kills the worker then, elsewhere it has to end by itself.
func (g *Guest) listen(control *yamux.Stream) {
	for {
		kind, payload, err := talk.ReadFrame(control, talk.MaxControl)
		if err != nil {
			g.cancel(errors.Join(ErrLeaseLost, err))
			time.Sleep(LeaseNotice)
			os.Exit(agent.ExitBroken)
		}
		if kind != talk.FrameNotice || len(payload) != 1 {
			continue
		}
		if talk.StopCause(payload[0]) == talk.CauseLease {
			g.cancel(ErrLeaseLost)
		} else {
			g.cancel(ErrTerminated)
		}
	}
}
