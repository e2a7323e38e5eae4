package actor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// store is a node that takes streams.
type store struct {
	mu    sync.Mutex
	notes []string
	ended chan error    // of Hold
	begin chan struct{} // not nil: Start waits for it
}

func newStore() *store { return &store{ended: make(chan error, 8)} }

func (s *store) Start(ctx context.Context) error {
	if s.begin == nil {
		return nil
	}
	select {
	case <-s.begin:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Upload notes what comes, and answers with who it is, and how much it was.
func (s *store) Upload(ctx context.Context, conn net.Conn) error {
	b, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.notes = append(s.notes, string(b))
	s.mu.Unlock()
	_, err = fmt.Fprintf(conn, "%s %v %d", actor.Self(ctx), actor.InMethod(ctx), len(b))
	return err
}

// Hold reads until the stream ends.
func (s *store) Hold(ctx context.Context, conn net.Conn) error {
	_, err := conn.Write([]byte("!"))
	if err == nil {
		_, err = io.Copy(io.Discard, conn)
	}
	s.ended <- errors.Join(err, ctx.Err())
	return err
}

// Ask asks the node itself, whose turn is free, and writes what it says.
func (s *store) Ask(ctx context.Context, conn net.Conn) error {
	n, err := actor.Call0(ctx, actor.RefIn[*store](ctx, actor.Self(ctx)), (*store).Count)
	if err == nil {
		err = actor.Turn(ctx, func(context.Context) error { n++; return nil })
	}
	if err == nil {
		_, err = fmt.Fprint(conn, n)
	}
	return err
}

func (s *store) Fail(context.Context, net.Conn) error  { return errors.New("no room") }
func (s *store) Panic(context.Context, net.Conn) error { panic("boom") }

func (s *store) Count(context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.notes), nil
}

type uploader interface {
	Upload(context.Context, net.Conn) error
}

type holder interface {
	Hold(context.Context, net.Conn) error
	Missing(context.Context, net.Conn) error
}

func closeWrite(t testing.TB, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func TestStreamInsideOneProcess(t *testing.T) {
	c := newCluster(t, "a")
	s := newStore()
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: s})
	ref := actor.NewRef[*store](c.tables["a"], "a/0")
	ctx := within(t)
	for _, size := range []int{0, 1, 64 << 10, 1<<20 + 1} {
		sent := bytes.Repeat([]byte{'x'}, size)
		conn, err := actor.Open(ctx, ref, (*store).Upload)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		n, err := actor.WriteBuffers(conn, net.Buffers{sent[:size/3], sent[size/3:]})
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		closeWrite(t, conn)
		said, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("a/0 false %d", size), string(said))
		require.Equal(t, "a/0", conn.RemoteAddr().String())
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Close(), "again")
		_, err = conn.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	}
	count, err := actor.Call0(ctx, ref, (*store).Count)
	require.NoError(t, err)
	require.Equal(t, 4, count)

	// By an interface, and back from the method to the node's turn.
	conn, err := actor.Open(ctx, actor.As[uploader](ref), uploader.Upload)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool {
		n, err := actor.Call0(ctx, ref, (*store).Count)
		return err == nil && n == 5
	}, time.Minute, time.Millisecond)
	conn, err = actor.Open(ctx, ref, (*store).Ask)
	require.NoError(t, err)
	said, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "6", string(said))
	require.NoError(t, conn.Close())
}

func TestStreamsThatCannotBeOpened(t *testing.T) {
	c := newCluster(t, "a", "b")
	s := newStore()
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: s})
	ref, ctx := actor.NewRef[*store](c.tables["a"], "a/0"), within(t)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, x := range map[string]struct {
		open func() (net.Conn, error)
		want error
	}{
		"zero ref": {func() (net.Conn, error) { return actor.Open(ctx, actor.Ref[*store]{}, (*store).Hold) }, actor.ErrZeroRef},
		"no expression": {func() (net.Conn, error) {
			return actor.Open(ctx, ref, func(*store, context.Context, net.Conn) error { return nil })
		}, actor.ErrNotMethod},
		"nil":          {func() (net.Conn, error) { return actor.Open(ctx, ref, nil) }, actor.ErrNotMethod},
		"another type": {func() (net.Conn, error) { return actor.Open(ctx, actor.As[holder](ref), holder.Hold) }, actor.ErrNoMethod},
		"no such method": {func() (net.Conn, error) {
			return actor.Open(ctx, actor.NewRef[holder](c.tables["a"], "a/0"), holder.Missing)
		}, actor.ErrNoMethod},
		"no such node": {func() (net.Conn, error) {
			return actor.Open(ctx, actor.NewRef[*store](c.tables["a"], "z/0"), (*store).Hold)
		}, actor.ErrNoNode},
		"ended context": {func() (net.Conn, error) { return actor.Open(ended, ref, (*store).Hold) }, context.Canceled},
		"a transport without streams": {func() (net.Conn, error) {
			return actor.Open(ctx, actor.NewRef[*store](c.tables["b"], "a/0"), (*store).Hold)
		}, actor.ErrNoStreams},
	} {
		conn, err := x.open()
		require.ErrorIs(t, err, x.want, name)
		require.Nil(t, conn, name)
	}

	// What a transport brings by name is looked at too.
	box, _ := c.systems["a"].Actors().ProcessRegistry.GetLocal(actor.SystemID)
	taker := box.(actor.StreamTaker)
	for name, want := range map[string]error{"Count": actor.ErrNoMethod, "Start": actor.ErrNoMethod, "Nothing": actor.ErrNoMethod, "": actor.ErrNoMethod} {
		_, err := taker.TakeStream("a/0", name)
		require.ErrorIs(t, err, want, name)
	}
	_, err := taker.TakeStream("z/0", "Hold")
	require.ErrorIs(t, err, actor.ErrNoNode)
	serve, err := taker.TakeStream("a/0", "Hold")
	require.NoError(t, err)
	serve(nil)

	// And messages do not reach what takes streams.
	require.ErrorIs(t, actor.Do(ctx, ref, (*store).Hold, net.Conn(nil)), actor.ErrCannotTravel)

	require.NoError(t, n.Stop(ctx))
	_, err = actor.Open(ctx, ref, (*store).Hold)
	require.ErrorIs(t, err, actor.ErrStopped)
	_, err = taker.TakeStream("a/0", "Hold")
	require.ErrorIs(t, err, actor.ErrStopped)
}

// opens is a node that opens a stream to another and keeps it.
type opens struct{ got chan net.Conn }

func (o *opens) Open(ctx context.Context, key string) error {
	conn, err := actor.Open(ctx, actor.RefIn[*store](ctx, key), (*store).Hold)
	if err == nil {
		o.got <- conn
	}
	return err
}

func TestStreamEndsWithEitherNode(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, opener, server *actor.Node) error{
		"opener stops": func(ctx context.Context, opener, _ *actor.Node) error { return opener.Stop(ctx) },
		"server stops": func(ctx context.Context, _, server *actor.Node) error { return server.Stop(ctx) },
		"opener is replaced": func(_ context.Context, opener, _ *actor.Node) error {
			_, err := opener.Replace(&opens{})
			return err
		},
		"server is replaced": func(_ context.Context, _, server *actor.Node) error {
			_, err := server.Replace(newStore())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, "a")
			o, s := &opens{make(chan net.Conn, 1)}, newStore()
			opener, server := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: o}), spawn(t, c.systems["a"], actor.Spec{Key: "a/1", Value: s})
			ctx := within(t)
			require.NoError(t, actor.Do(ctx, actor.NewRef[*opens](c.tables["a"], "a/0"), (*opens).Open, "a/1"))
			conn := await(t, o.got)
			_, err := io.ReadFull(conn, make([]byte, 1))
			require.NoError(t, err)
			require.NoError(t, end(ctx, opener, server))
			_, err = conn.Read(make([]byte, 1))
			require.Error(t, err)
			await(t, s.ended)
			require.NoError(t, opener.Stop(ctx))
			require.NoError(t, server.Stop(ctx))
			require.Zero(t, c.systems["a"].Stats().FailedTells)
		})
	}
}

// A stream waits for the node to open, and ends where that never does.
func TestStreamToANodeThatStarts(t *testing.T) {
	c := newCluster(t, "a")
	ctx := within(t)
	for i, opens := range []bool{true, false} {
		s := newStore()
		s.begin = make(chan struct{})
		key := fmt.Sprintf("a/%d", i)
		n, err := c.systems["a"].Spawn(actor.Spec{Key: key, Value: s})
		require.NoError(t, err)
		started := make(chan error, 1)
		go func() { started <- n.Start(ctx) }()
		conn, err := actor.Open(ctx, actor.NewRef[*store](c.tables["a"], key), (*store).Upload)
		require.NoError(t, err)
		_, err = conn.Write([]byte("early"))
		require.NoError(t, err)
		closeWrite(t, conn)
		if opens {
			close(s.begin)
			require.NoError(t, await(t, started))
			said, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "a/0 false 5", string(said))
			require.NoError(t, n.Stop(ctx))
			continue
		}
		require.NoError(t, n.Stop(ctx))
		require.Error(t, await(t, started))
		said, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Empty(t, said)
		require.Empty(t, s.notes)
	}
}

func TestStreamThatFailsIsCounted(t *testing.T) {
	var logged bytes.Buffer
	c := newClusterWith(t, actor.Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))}, "a")
	n := spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: newStore()})
	ref, ctx := actor.NewRef[*store](c.tables["a"], "a/0"), within(t)
	for _, m := range []func(*store, context.Context, net.Conn) error{(*store).Fail, (*store).Panic} {
		conn, err := actor.Open(ctx, ref, m)
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, n.Stop(ctx)) // which waits for both
	require.EqualValues(t, 2, c.systems["a"].Stats().FailedTells)
	require.Contains(t, logged.String(), "a stream failed")
}

// A pipe is like a connection.
func TestStreamDeadlines(t *testing.T) {
	c := newCluster(t, "a")
	s := newStore()
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: s})
	conn, err := actor.Open(within(t), actor.NewRef[*store](c.tables["a"], "a/0"), (*store).Hold)
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetDeadline(time.Unix(1, 0)))
	_, err = conn.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetDeadline(time.Time{}))
	_, err = conn.Write([]byte("x"))
	require.NoError(t, err)
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	require.NoError(t, conn.Close())
	require.ErrorIs(t, await(t, read), net.ErrClosed)
	require.NoError(t, await(t, s.ended), "the other end reads to the end")
}
