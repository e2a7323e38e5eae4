package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// hall is a node that takes streams.
type hall struct {
	ended chan error // of Hold
	began chan string
}

func newHall() *hall { return &hall{make(chan error, 256), make(chan string, 256)} }

// Sum answers with the digest of what comes.
func (h *hall) Sum(_ context.Context, conn net.Conn) error {
	d := sha256.New()
	if _, err := io.Copy(d, conn); err != nil {
		return err
	}
	_, err := conn.Write(d.Sum(nil))
	return err
}

// Hold says that it has begun, and reads until the stream ends.
func (h *hall) Hold(ctx context.Context, conn net.Conn) error {
	h.began <- actor.Self(ctx)
	_, err := conn.Write([]byte("!"))
	if err == nil {
		_, err = io.Copy(io.Discard, conn)
	}
	h.ended <- errors.Join(err, ctx.Err())
	return nil
}

func (h *hall) Count(context.Context) (int, error) { return 0, nil }

// halls are a house with a node that takes streams on each side: a/1 and b/1.
type halls struct {
	*house
	values map[string]*hall
	nodes  map[string]*actor.Node
}

func newHalls(t *testing.T, change func(a, b *Config)) *halls {
	patient := func(a, b *Config) {
		a.HandshakeTimeout, b.HandshakeTimeout = patience, patience // streams are not opened again by themselves, as links are
		if change != nil {
			change(a, b)
		}
	}
	h := &halls{newHouse(t, &shelf{}, &shelf{}, patient), map[string]*hall{}, map[string]*actor.Node{}}
	for _, name := range []string{"a", "b"} {
		h.values[name] = newHall()
		n, err := h.systems[name].Spawn(actor.Spec{Key: name + "/1", Value: h.values[name]})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		h.nodes[name] = n
	}
	return h
}

func (h *halls) ref(from, to string) actor.Ref[*hall] {
	return actor.NewRef[*hall](h.tables[from], to+"/1")
}

// hold opens a stream on which the other end reads.
func (h *halls) hold(t *testing.T, from, to string) net.Conn {
	t.Helper()
	conn, err := actor.Open(within(t, time.Minute), h.ref(from, to), (*hall).Hold)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.ReadFull(conn, make([]byte, 1))
	require.NoError(t, err)
	return conn
}

func withTLS(t testing.TB) func(a, b *Config) {
	authority := newAuthority(t, "run-1")
	return func(a, b *Config) {
		a.InsecurePlaintext, b.InsecurePlaintext = false, false
		a.Credentials, b.Credentials = issue(t, authority, RoleHost, "alice", 1), issue(t, authority, RoleHost, "bob", 1)
	}
}

func anyHalls(t *testing.T, f func(t *testing.T, h *halls)) {
	t.Run("plaintext", func(t *testing.T) { f(t, newHalls(t, nil)) })
	t.Run("tls", func(t *testing.T) { f(t, newHalls(t, withTLS(t))) })
}

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }

func TestStreamsBothWays(t *testing.T) {
	anyHalls(t, func(t *testing.T, h *halls) {
		ctx := within(t, time.Minute)
		for i, size := range []int{0, 1, recordBytes, 3*recordBytes + 1, 5 << 20} {
			from, to := "a", "b"
			if i%2 > 0 {
				from, to = to, from
			}
			conn, err := actor.Open(ctx, h.ref(from, to), (*hall).Sum)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			sent := bytes.Repeat([]byte("stream of bytes "), size/16+1)[:size]
			want := sha256.Sum256(sent)
			n, err := conn.Write(sent[:size/2])
			require.NoError(t, err)
			require.Equal(t, size/2, n)
			k, err := actor.WriteBuffers(conn, net.Buffers{sent[size/2 : size/2+size/5], sent[size/2+size/5:]})
			require.NoError(t, err)
			require.EqualValues(t, size-n, k)
			require.NoError(t, closeWrite(conn))
			got, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, want[:], got)
			require.NoError(t, conn.Close())
			require.NoError(t, conn.Close(), "again")
			_, err = conn.Write([]byte("late"))
			require.ErrorIs(t, err, net.ErrClosed)
		}
		for _, e := range []*Endpoint{h.a, h.b} {
			require.Eventually(t, func() bool { return e.Stats().Peers[0].Streams == 0 }, patience, time.Millisecond)
			require.EqualValues(t, 5, e.Stats().Peers[0].OpenedStreams)
			require.Empty(t, e.Stats().Refused)
		}
		require.Greater(t, h.a.Stats().Peers[0].SentBytes, uint64(5<<20))
		require.Greater(t, h.b.Stats().Peers[0].ReceivedBytes, uint64(5<<20))
	})
}

func TestStreamsThatAreRefused(t *testing.T) {
	anyHalls(t, func(t *testing.T, h *halls) {
		ctx := within(t, time.Minute)
		for node, want := range map[string]error{"b/7": actor.ErrNoNode, "b/1": actor.ErrNoMethod, "b/0": actor.ErrNoMethod} {
			for _, method := range []string{"Count", "Stop", "Nothing"} {
				_, err := h.a.OpenStream(ctx, h.b.cfg.Address, node, method)
				require.ErrorIs(t, err, want, node)
				var told *actor.Error
				require.ErrorAs(t, err, &told)
				require.Equal(t, node, told.Node)
				require.Equal(t, method, told.Method)
			}
		}
		_, err := h.a.OpenStream(ctx, h.b.cfg.Address, string(make([]byte, maxName+1)), "Hold")
		require.ErrorIs(t, err, ErrTooLarge)
		_, err = h.a.OpenStream(ctx, h.a.cfg.Address, "a/1", "Hold")
		require.ErrorIs(t, err, actor.ErrNoStreams)
		require.NoError(t, h.nodes["b"].Stop(ctx))
		_, err = actor.Open(ctx, h.ref("a", "b"), (*hall).Hold)
		require.ErrorIs(t, err, actor.ErrStopped)
		require.Empty(t, h.b.Stats().Refused, "nobody is to blame")
		require.Zero(t, h.a.Stats().Peers[0].Streams)
		require.NoError(t, h.a.Close(ctx))
		_, err = h.a.OpenStream(ctx, h.b.cfg.Address, "b/1", "Hold")
		require.ErrorIs(t, err, ErrClosed)
	})
}

// A process without nodes, one of an older version, and a stock one.
func TestStreamsToWhoTakesNone(t *testing.T) {
	h := newHalls(t, nil)
	ctx := within(t, time.Minute)
	bare := tcpPair(t, nil)
	_, err := h.a.OpenStream(ctx, bare.b.cfg.Address, "b/1", "Hold")
	require.ErrorIs(t, err, actor.ErrNoStreams, "no nodes")

	older, err := net.Dial("tcp", h.a.cfg.Address)
	require.NoError(t, err)
	defer older.Close()
	require.NoError(t, older.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, writeHello(older, helloOf(minVersion, versionTraced, "c:1", 1, "c", 1<<20, true).append(nil)))
	block, err := readHello(older)
	require.NoError(t, err)
	require.Equal(t, byte(welcomed), block[0])
	_, err = h.a.OpenStream(ctx, "c:1", "c/1", "Hold")
	require.ErrorIs(t, err, actor.ErrNoStreams, "an older version")

	s := startStock(t, nil)
	_, err = h.a.OpenStream(ctx, s.address, "s/1", "Hold")
	require.ErrorIs(t, err, actor.ErrNoStreams, "stock")
}

// An older process that has taken the place of one that knows of streams does not take the hello of a stream for that of a link.
func TestStreamHelloSaysNothingToAnOlderVersion(t *testing.T) {
	e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
	one, other := bufferedPipe()
	defer one.Close()
	asked := make(chan error, 1)
	go func() {
		asked <- e.askForStream(newSecured(one), &link{p: e.peer("b:1")}, streamHello{true, "b/1", "Hold"})
	}()
	block, err := readHello(other)
	require.NoError(t, err)
	c := cursor{b: block}
	require.Greater(t, c.uvarint(), uint64(versionTraced), "the least version spoken")
	require.NoError(t, other.Close())
	require.Error(t, receive(t, asked))
}

// What can be dialled in one direction only has streams in that direction only, and who tries the other hears it soon.
func TestStreamsWhereOneEndCannotBeDialled(t *testing.T) {
	h := newHalls(t, func(a, b *Config) {
		b.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("behind a wall") }
	})
	h.hold(t, "a", "b")
	_, err := actor.Open(within(t, time.Minute), h.ref("b", "a"), (*hall).Hold)
	require.ErrorIs(t, err, actor.ErrUnreachable)
	require.NoError(t, actor.Tell(t.Context(), h.refs["b"]["a/0"], (*shelf).Put, 1), "the link goes on")
	require.Equal(t, 1, h.b.Stats().Peers[0].Streams)
}

func TestStreamEndsWithItsNodes(t *testing.T) {
	anyHalls(t, func(t *testing.T, h *halls) {
		ctx := within(t, time.Minute)
		conn := h.hold(t, "a", "b")
		next, err := h.nodes["b"].Replace(newHall())
		require.NoError(t, err)
		require.NoError(t, next.Start(ctx))
		receive(t, h.values["b"].ended)
		_, err = io.Copy(io.Discard, conn)
		_ = err // an end that was cut off can look like one that was closed
		conn, err = actor.Open(ctx, h.ref("a", "b"), (*hall).Sum)
		require.NoError(t, err, "the next node is there")
		require.NoError(t, h.systems["a"].Close(ctx), "the opener's")
		require.Eventually(t, func() bool {
			_, err := conn.Write([]byte("x"))
			return errors.Is(err, net.ErrClosed)
		}, patience, time.Millisecond)
		require.NoError(t, next.Stop(ctx), "which waits for the method")
		require.NoError(t, h.nodes["b"].Stop(ctx))
		for _, e := range []*Endpoint{h.a, h.b} {
			require.Eventually(t, func() bool { return e.Stats().Peers[0].Streams == 0 }, patience, time.Millisecond)
		}
	})
}

// A stream ends with the link, for who is in the middle of it too.
func TestStreamEndsWithTheLink(t *testing.T) {
	for name, end := range map[string]func(h *halls) error{
		"the opener fences": func(h *halls) error { h.a.Fence("bob", h.b.cfg.Address, 1); return ErrGone },
		"the server fences": func(h *halls) error { h.b.Fence("alice", h.a.cfg.Address, 1); return nil },
		"the link is given up": func(h *halls) error {
			onlyLink(h.a, h.b.cfg.Address).finish(errAway)
			return ErrUnreachable
		},
		"the opener closes": func(h *halls) error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = h.a.Close(ctx)
			return ErrUnreachable
		},
		"the server closes": func(h *halls) error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = h.b.Close(ctx)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			anyHalls(t, func(t *testing.T, h *halls) {
				conns := []net.Conn{h.hold(t, "a", "b"), h.hold(t, "a", "b")}
				why := end(h)
				for _, conn := range conns {
					_, err := conn.Read(make([]byte, 1))
					require.Error(t, err) // io.EOF, where the news of the other end come first
					require.Eventually(t, func() bool {
						_, err := conn.Write([]byte("x"))
						return why == nil && err != nil || why != nil && errors.Is(err, why)
					}, patience, time.Millisecond)
					_ = receive(t, h.values["b"].ended) // an end that was cut off can look like one that was closed
					require.NoError(t, conn.Close())
				}
				for _, e := range []*Endpoint{h.a, h.b} {
					require.Eventually(t, func() bool { return e.Stats().Peers[0].Streams == 0 && e.Stats().Connections == 0 }, patience, time.Millisecond)
				}
			})
		})
	}
}

// Closing unblocks who writes, though the other end does not read.
func TestStreamIsClosedInTheMiddle(t *testing.T) {
	anyHalls(t, func(t *testing.T, h *halls) {
		serve := make(chan net.Conn, 1)
		n, err := h.systems["b"].Spawn(actor.Spec{Key: "b/2", Value: &deaf{serve}})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		conn, err := actor.Open(within(t, time.Minute), actor.NewRef[*deaf](h.tables["a"], "b/2"), (*deaf).Ignore)
		require.NoError(t, err)
		wrote := make(chan error, 1)
		go func() {
			for {
				if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
					wrote <- err
					return
				}
			}
		}()
		there := receive(t, serve)
		require.NoError(t, conn.Close())
		require.Error(t, receive(t, wrote))
		_, err = io.Copy(io.Discard, there)
		_ = err // an end that was cut off can look like one that was closed
		require.NoError(t, n.Stop(within(t, time.Minute)))
	})
}

// deaf does not read.
type deaf struct{ serve chan net.Conn }

func (d *deaf) Ignore(ctx context.Context, conn net.Conn) error {
	d.serve <- conn
	<-ctx.Done()
	return nil
}

func TestStreamDeadlines(t *testing.T) {
	anyHalls(t, func(t *testing.T, h *halls) {
		conn := h.hold(t, "a", "b")
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := conn.Read(make([]byte, 1))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.NoError(t, conn.SetDeadline(time.Time{}))
		_, err = conn.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, closeWrite(conn))
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, receive(t, h.values["b"].ended))
	})
}

// Links find a place, whatever streams take; and one process has no more than its share.
func TestStreamsAreBounded(t *testing.T) {
	t.Run("connections", func(t *testing.T) {
		h := newHalls(t, func(_, b *Config) { b.MaxConnections, b.MaxConnectionsPerAddress = 16, 8 })
		var open []net.Conn
		for range 4 {
			open = append(open, h.hold(t, "a", "b"))
		}
		_, err := actor.Open(within(t, time.Minute), h.ref("a", "b"), (*hall).Hold)
		require.ErrorIs(t, err, actor.ErrOverloaded)
		require.NoError(t, open[0].Close())
		require.Eventually(t, func() bool { return h.b.streams.count() == 3 }, patience, time.Millisecond)
		h.hold(t, "a", "b")
		require.Empty(t, h.b.Stats().Refused)
	})
	t.Run("a process", func(t *testing.T) {
		h := newHalls(t, nil)
		for range maxTies {
			h.hold(t, "a", "b")
		}
		_, err := actor.Open(within(t, time.Minute), h.ref("a", "b"), (*hall).Hold)
		require.ErrorIs(t, err, actor.ErrOverloaded)
		h.hold(t, "b", "a")
	})
}

// Who has no link gets no stream, whoever it says it is.
func TestStreamWithoutALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memoryPair(t, nil)
		require.NoError(t, p.a.Connect(t.Context(), "b:1"))
		wants := helloOf(versionStreams, versionStreams, "c:1", 1, "c", 1<<20, true)
		wants.stream = streamHello{true, "b/1", "Hold"}
		for _, address := range []string{"c:1", "a:1"} { // where another process lives
			began := time.Now()
			wants.address = address
			v, _ := answered(t, p.b, p.a.cfg.Dial, wants.append(nil))
			require.Equal(t, byUnlinked, v)
			require.Equal(t, p.b.cfg.HandshakeTimeout/2, time.Since(began), "its link might be about to come up")
		}
		require.Empty(t, p.b.Stats().Refused)
	})
}

// A caller whose link is about to come up here waits for it.
func TestStreamWaitsForItsLink(t *testing.T) {
	h := newHalls(t, nil)
	wants := helloOf(versionStreams, versionStreams, "d:1", 1, "d", 1<<20, true)
	wants.stream = streamHello{true, "b/1", "Hold"}
	c, err := net.Dial("tcp", h.b.cfg.Address)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, writeHello(c, wants.append(nil)))
	require.Eventually(t, func() bool {
		p := h.b.peer("d:1")
		defer p.release()
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.arrival != nil
	}, patience, time.Millisecond)
	l, err := net.Dial("tcp", h.b.cfg.Address)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, writeHello(l, helloOf(minVersion, maxVersion, "d:1", 1, "d", 1<<20, true).append(nil)))
	answer, err := readHello(c)
	require.NoError(t, err)
	require.Equal(t, welcomed, verdict(answer[0]))
	require.Equal(t, "b/1", receive(t, h.values["b"].began))
	b := make([]byte, 1)
	_, err = io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, "!", string(b))
}

// What an opener makes of each answer.
func TestStreamAnswers(t *testing.T) {
	said := func(v verdict, rest []byte) []byte { return append([]byte{byte(v)}, rest...) }
	there := helloOf(minVersion, maxVersion, "", 1, "b", 1<<20, true)
	other := helloOf(minVersion, maxVersion, "", 1, "another process", 1<<20, true)
	later := helloOf(minVersion, maxVersion, "", 2, "b", 1<<20, true)
	for name, c := range map[string]struct {
		answer []byte
		want   error
	}{
		"welcome":           {said(welcomed, there.append(nil)), nil},
		"another process":   {said(welcomed, other.append(nil)), ErrGone},
		"a later one":       {said(welcomed, later.append(nil)), ErrGone},
		"no link":           {said(byUnlinked, addText(nil, "no")), errUnlinked},
		"nobody":            {said(byNode, appendStreamRefusal(nil, actor.ErrNoMethod)), actor.ErrNoMethod},
		"nobody, and words": {said(byNode, []byte{9}), errFirstMessage},
		"too many":          {said(byStreams, addText(nil, "no")), ErrTooManyStreams},
		"closing":           {said(byClosing, addText(nil, "no")), errLeft},
		"older":             {said(byVersion, addText(nil, "no")), ErrVersion},
		"nothing":           {nil, errFirstMessage},
		"no verdict":        {said(200, nil), errFirstMessage},
	} {
		e := start(t, Config{Address: "a:1", InsecurePlaintext: true, Dial: newNetwork().dial})
		one, other := bufferedPipe()
		require.NoError(t, writeHello(other, c.answer))
		err := e.askForStream(newSecured(one), &link{p: e.peer("b:1"), system: "b", incarnation: 1}, streamHello{true, "b/1", "Hold"})
		if c.want == nil {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, c.want, name)
		}
		require.NoError(t, one.Close())
	}
}

func TestStreamRefusalRoundTrip(t *testing.T) {
	want := &actor.Error{Code: 3, Node: "b/1", Host: "h", Method: "M", Text: "no such method"}
	require.Equal(t, want, parseStreamRefusal(appendStreamRefusal(nil, fmt.Errorf("wrapped: %w", want))))
	long := &actor.Error{Code: 3, Text: string(bytes.Repeat([]byte("x"), helloLimit))}
	got := parseStreamRefusal(appendStreamRefusal(nil, long))
	require.ErrorIs(t, got, actor.ErrNoMethod)
	require.ErrorIs(t, parseStreamRefusal(appendStreamRefusal(nil, actor.ErrNoStreams)), actor.ErrNoStreams)
	require.ErrorIs(t, parseStreamRefusal(nil), errFirstMessage)
	require.ErrorIs(t, parseStreamRefusal([]byte{3, 200}), errFirstMessage)
}

func FuzzParseStreamRefusal(f *testing.F) {
	f.Add(appendStreamRefusal(nil, actor.ErrNoStreams))
	f.Add(appendStreamRefusal(nil, &actor.Error{Code: 3, Node: "b/1", Host: "h", Method: "M", Text: "no such method"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := parseStreamRefusal(b)
		var told *actor.Error
		if !errors.As(err, &told) {
			require.ErrorIs(t, err, errFirstMessage)
			return
		}
		require.Equal(t, err, parseStreamRefusal(appendStreamRefusal(nil, err)))
	})
}
