package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEmbeddedConforms(t *testing.T) {
	conform(t, fixture{shared: true, bubble: true, open: func(t *testing.T) (a, b Registry) {
		e := NewEmbedded()
		t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
		return e, e
	}})
}

// serve connects a client to the store. The channel gives what Serve returned.
func serve(t *testing.T, e *Embedded) (*Client, net.Conn, <-chan error) {
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- e.Serve(context.Background(), far) }()
	return NewClient(near), near, served
}

func TestClientConforms(t *testing.T) {
	conform(t, fixture{bubble: true, open: func(t *testing.T) (a, b Registry) {
		e := NewEmbedded()
		t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
		client := func() Registry {
			c, _, served := serve(t, e)
			t.Cleanup(func() {
				require.NoError(t, c.Close(context.Background()))
				require.NoError(t, <-served)
			})
			return c
		}
		return client(), client()
	}})
}

func TestBrokenConnectionRemovesItsEntriesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e := NewEmbedded()
		defer e.Close(ctx)
		a, pipe, served := serve(t, e)
		b, _, _ := serve(t, e)
		require.NoError(t, a.Register(ctx, member("h1", 1)))
		require.NoError(t, a.Register(ctx, member("h2", 1)))
		require.NoError(t, a.Describe(ctx, "r1", []byte("d")))
		require.NoError(t, b.Register(ctx, member("h2", 1)), "h2 has a new connection")

		pipe.Close()
		require.NoError(t, <-served)
		got, err := e.Members(ctx, "r1")
		require.NoError(t, err)
		require.Equal(t, []Member{member("h2", 1)}, got)
		_, err = e.Description(ctx, "r1")
		require.ErrorIs(t, err, ErrNoDescription)
		require.ErrorIs(t, a.Register(ctx, member("h1", 1)), ErrRegistryUnreachable)
		require.NoError(t, a.Close(ctx))

		require.NoError(t, b.Register(ctx, member("h1", 1)), "a break is no reason to bar the process")
		require.NoError(t, b.Close(ctx))
		require.ErrorIs(t, e.Register(ctx, member("h1", 1)), ErrFenced, "a goodbye is")
	})
}

func TestServeEndsWithItsContextOrStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEmbedded()
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- e.Serve(ctx, far) }()
		c := NewClient(near)
		require.NoError(t, c.Register(ctx, member("h", 1)))
		cancel()
		require.ErrorIs(t, <-served, context.Canceled)
		require.NoError(t, c.Close(t.Context()))

		c, _, ended := serve(t, e)
		require.NoError(t, c.Register(t.Context(), member("h", 1)))
		require.NoError(t, e.Close(t.Context()))
		require.ErrorIs(t, <-ended, ErrClosed)
		for _, err := range c.Watch(t.Context(), "r1") {
			require.ErrorIs(t, err, ErrRegistryUnreachable)
		}
		require.NoError(t, c.Close(t.Context()))

		near, far = net.Pipe()
		require.ErrorIs(t, e.Serve(t.Context(), far), ErrClosed)
		_, err := near.Read(make([]byte, 1))
		require.Error(t, err, "the connection is closed")
	})
}

func TestRubbishLosesItsOwnConnectionOnly(t *testing.T) {
	for name, sent := range map[string]string{
		"no hello":        "GET / HTTP/1.1\r\n\r\n",
		"other version":   "TLREG\x02",
		"empty frame":     "TLREG\x01\x00\x00\x00\x00",
		"frame too large": "TLREG\x01\xff\xff\xff\xff",
		"not CBOR":        "TLREG\x01\x00\x00\x00\x02\xff\xff",
		"another type":    "TLREG\x01\x00\x00\x00\x01\x01",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				e := NewEmbedded()
				defer e.Close(ctx)
				good, _, _ := serve(t, e)
				require.NoError(t, good.Register(ctx, member("h", 1)))

				near, far := net.Pipe()
				served := make(chan error, 1)
				go func() { served <- e.Serve(ctx, far) }()
				_, err := near.Read(make([]byte, len(wireHello)))
				require.NoError(t, err)
				_, _ = near.Write([]byte(sent)) // the server may close before all is written
				require.ErrorIs(t, <-served, ErrProtocol)

				got, err := good.Members(ctx, "r1")
				require.NoError(t, err)
				require.Len(t, got, 1)
				require.NoError(t, good.Close(ctx))
			})
		})
	}
}

func TestClientOfSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewClient(near)
		_, err := far.Write([]byte("SSH-2."))
		require.NoError(t, err)
		_, err = c.Members(t.Context(), "r1")
		require.ErrorIs(t, err, ErrProtocol)
		require.True(t, errors.Is(c.Close(t.Context()), ErrProtocol))
	})
}

func TestSilentServerHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewClient(near) // not even the hello is read
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Register(ctx, member("h", 1)), context.Canceled)
		for _, err := range c.Watch(ctx, "r1") {
			require.ErrorIs(t, err, context.Canceled)
		}
		require.ErrorIs(t, c.Close(ctx), context.Canceled)
		require.ErrorIs(t, c.Register(t.Context(), member("h", 1)), ErrClosed)
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e := NewEmbedded()
		defer e.Close(ctx)
		for i := range MaxMembers {
			require.NoError(t, e.Register(ctx, member(fmt.Sprint("h", i), 1)))
		}
		require.ErrorIs(t, e.Register(ctx, member("one more", 1)), ErrInvalid)
		require.ErrorIs(t, e.Register(ctx, member("more", 1)), ErrFull)

		c, _, _ := serve(t, e)
		got, err := c.Members(ctx, "r1")
		require.NoError(t, err)
		require.Len(t, got, MaxMembers)

		watching, cancel := context.WithCancel(ctx)
		first, ended := make(chan error), make(chan struct{})
		for range maxWatches {
			go func() {
				defer func() { ended <- struct{}{} }()
				for _, err := range c.Watch(watching, "r1") {
					if watching.Err() == nil {
						first <- err
					}
				}
			}()
			require.NoError(t, <-first)
		}
		for _, err := range c.Watch(ctx, "r1") {
			require.ErrorIs(t, err, ErrFull)
		}
		cancel()
		for range maxWatches {
			<-ended
		}
		for _, err := range c.Watch(ctx, "r1") {
			require.NoError(t, err, "the others have made room")
			break
		}
		require.NoError(t, c.Close(ctx))
	})
}

func TestReadingLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e := NewEmbedded()
		defer e.Close(ctx)
		lists := make(chan []Member)
		watching, stop := context.WithCancel(ctx)
		go func() {
			defer close(lists)
			for members, err := range e.Watch(watching, "r1") {
				if err == nil {
					lists <- members
				}
			}
		}()
		require.Empty(t, <-lists)
		_, err := e.Members(ctx, "r1")
		require.NoError(t, err)
		_, err = e.Description(ctx, "r1")
		require.ErrorIs(t, err, ErrNoDescription)
		require.Empty(t, e.runs)

		require.NoError(t, e.Describe(ctx, "r1", []byte("d")))
		other := member("h", 1)
		other.Run = "r2"
		require.NoError(t, e.Register(ctx, other))
		synctest.Wait()
		require.Empty(t, lists, "nothing that the watch is about has changed")
		require.NoError(t, e.Register(ctx, member("h", 1)))
		require.Equal(t, []Member{member("h", 1)}, <-lists)
		stop()
		_, open := <-lists
		require.False(t, open)
	})
}

func TestWhatARegistryRemembersIsBounded(t *testing.T) {
	ctx := t.Context()
	e := NewEmbedded()
	defer e.Close(ctx)
	for i := range maxHosts {
		require.NoError(t, e.Deregister(ctx, "r1", fmt.Sprint("h", i), 1))
	}
	require.ErrorIs(t, e.Deregister(ctx, "r1", "one-more", 1), ErrFull)
	require.ErrorIs(t, e.Register(ctx, member("one-more", 1)), ErrFull)
	require.NoError(t, e.Register(ctx, member("h7", 2)), "a host that is known")

	for i := range maxRuns - 1 {
		require.NoError(t, e.Describe(ctx, fmt.Sprint("run", i), nil))
	}
	require.ErrorIs(t, e.Describe(ctx, "one-more", nil), ErrFull)
	members, err := e.Members(ctx, "one-more")
	require.NoError(t, err)
	require.Empty(t, members)

	for range maxSessions {
		require.NoError(t, e.enter(&session{ended: closedChannel}))
	}
	near, far := net.Pipe()
	require.ErrorIs(t, e.Serve(ctx, far), ErrFull)
	_, err = near.Read(make([]byte, 1))
	require.Error(t, err, "the connection is closed")
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func TestTwoCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e := NewEmbedded()
		defer e.Close(ctx)
		near, far := net.Pipe()
		c := NewClient(near)
		closed := make(chan error, 2)
		go func() { closed <- c.Close(ctx) }()
		synctest.Wait()
		go func() { closed <- c.Close(ctx) }()
		synctest.Wait()
		require.Empty(t, closed, "the second waits for the first one's goodbye to be heard")
		short, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, c.Close(short), context.Canceled)

		require.NoError(t, e.Serve(ctx, far))
		require.NoError(t, <-closed)
		require.NoError(t, <-closed)
	})
}

func TestGivenUpRequestsAreNotGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewClient(near) // not even the hello is read
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, c.Register(ctx, member("h", 1)), context.DeadlineExceeded)
			for _, err := range c.Watch(ctx, "r1") {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			cancel()
		}
		require.Empty(t, c.queue)
		require.Empty(t, c.waiting)

		// The connection is as good as before once the server reads.
		e := NewEmbedded()
		served := make(chan error, 1)
		go func() { served <- e.Serve(t.Context(), far) }()
		require.NoError(t, c.Register(t.Context(), member("h", 1)))
		require.NoError(t, c.Close(t.Context()))
		require.NoError(t, <-served)
		require.NoError(t, e.Close(t.Context()))
	})
}

func ExampleEmbedded() {
	ctx := context.Background()
	store := NewEmbedded() // in the launcher
	defer store.Close(ctx)

	near, far := net.Pipe() // a stream of the connection to a host
	served := make(chan error)
	go func() { served <- store.Serve(ctx, far) }()
	registry := NewClient(near) // in the host's process
	err := registry.Register(ctx, Member{Run: "r1", Host: "host1", Address: "10.0.0.1:4000", Incarnation: 1})
	if err != nil {
		fmt.Println(err)
	}

	for members, err := range store.Watch(ctx, "r1") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(members), "member")
		for _, m := range members {
			fmt.Println(m.Host, "at", m.Address)
		}
		break
	}
	fmt.Println(registry.Close(ctx), <-served)
	// Output:
	// 1 member
	// host1 at 10.0.0.1:4000
	// <nil> <nil>
}
