package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// hostile is a link whose other end is not our agent: it greets, and then does as told with the session until that ends.
func hostile(t *testing.T, does func(*yamux.Session)) *link {
	here, there := net.Pipe()
	none, closed := net.Pipe()
	require.NoError(t, closed.Close())
	var far sync.WaitGroup
	far.Go(func() {
		defer there.Close()
		if _, err := io.WriteString(there, talk.Preamble); err != nil {
			return
		}
		stream := resume.New(there, resume.Config{})
		session, err := yamux.Server(stream, talk.MuxConfig())
		if err != nil {
			return
		}
		does(session)
		_ = session.Close() // the launcher may have gone before
		stream.Wait()
	})
	cut := func() { _ = here.Close() }
	return &link{
		in: here, out: here, err: none, cut: cut, kill: cut,
		wait:    func() error { far.Wait(); return nil },
		release: func() { cut(); far.Wait() },
		abandon: func(string) {},
	}
}

// chatter keeps the lease on a control stream and does nothing else.
func chatter(control io.Writer) {
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for talk.WriteFrame(control, talk.FramePong, nil) == nil {
		<-every.C
	}
}

// start starts a process at the other end of l.
func start(ctx context.Context, t *testing.T, l *link, lease time.Duration) (*Process, error) {
	cfg := Config{Lease: lease}
	require.NoError(t, cfg.validate())
	return newProcess(ctx, &cfg, inventory.Local(1).Hosts[0], l, talk.AgentOrders{Run: "r", Host: "host1", Lease: cfg.Lease, Orders: bytes.Repeat([]byte{1}, 1<<20)})
}

// Agents that talk but do not do what they should: a start ends with its context, or with what is wrong.
func TestHostileAgents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does func(*yamux.Session)
		want error // nil: the context's cause
	}{
		"takes no orders": {does: func(s *yamux.Session) {
			if control, err := s.AcceptStream(); err == nil {
				chatter(control)
			}
		}},
		"never says that it has started": {does: func(s *yamux.Session) {
			control, err := s.AcceptStream()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, control) }()
			chatter(control)
		}},
		"sends too much": {want: talk.ErrFrame, does: func(s *yamux.Session) {
			control, err := s.AcceptStream()
			if err != nil {
				return
			}
			go func() { _, _ = control.Write(talk.AppendFrame(nil, talk.FrameStarted, make([]byte, talk.MaxReport+1))) }()
			_, _ = io.Copy(io.Discard, control)
		}},
		"a work folder that cannot be read": {want: talk.ErrFrame, does: func(s *yamux.Session) {
			control, err := s.AcceptStream()
			if err != nil {
				return
			}
			go func() { _ = talk.WriteFrame(control, talk.FrameReady, []byte("\xff\xff")) }()
			_, _ = io.Copy(io.Discard, control)
		}},
		"is silent": {want: ErrNoStatus, does: func(s *yamux.Session) { <-s.CloseChan() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late, limit, lease := errors.New("too late"), patience, patience // which are not to end before what is tested, on a busy machine neither
			switch c.want {
			case nil:
				limit, lease = 300*time.Millisecond, 2*time.Second // a start that is given up waits for the agent's end as long as the lease
			case ErrNoStatus:
				lease = minLease
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, late)
			defer cancel()
			_, err := start(ctx, t, hostile(t, c.does), lease)
			want := c.want
			if want == nil {
				want = late
			}
			require.ErrorIs(t, err, want)
		})
	}
}

// What a host says is one line that does nothing to a terminal.
func TestHostErrorIsOneLine(t *testing.T) {
	e := &HostError{Host: "a", Op: "start", Err: errors.New("one\ntwo\r\n\x1b[2Jthree"), Remedy: "try again"}
	require.Equal(t, `host a: start: one; two; \x1b[2Jthree; try again`, e.Error())
}

// The launcher says how a host's processes are held.
func TestStartIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p, _ := launchLocal(t, Config{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}, "exit 0")
	await(t, p)
	require.Contains(t, out.String(), "level=DEBUG")
	require.Contains(t, out.String(), "host=host1")
	require.Contains(t, out.String(), "children=")
}
