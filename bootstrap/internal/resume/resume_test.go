package resume

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// attach brings the peers another carrier and returns what both ends say.
func attach(p *peers) (here, there error) {
	a, b := carrierPair(never, never)
	accepted := make(chan error, 1)
	go func() { accepted <- p.b.Accept(b) }()
	_, here = p.a.Resume(a)
	return here, <-accepted
}

// A carrier that still works is replaced: nothing is lost and nothing comes twice.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(0, only(never, never))
		for i := range uint64(20) {
			here, there := attach(p)
			require.NoError(t, errors.Join(here, there))
			exchange(t, p, pattern(i, 1000), pattern(i+50, 3000), of(100))
		}
		require.Equal(t, io.EOF, p.part())
	})
}

// Several carriers are offered at once: the youngest that both have taken stays, and the stream goes on.
func TestOfferedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			p := newPeers(0, only(never, never))
			done := make(chan struct{})
			for range 4 {
				go func() {
					_, _ = attach(p) // some are refused
					done <- struct{}{}
				}()
			}
			exchange(t, p, pattern(1, 20_000), pattern(2, 30_000), of(500))
			for range 4 {
				<-done
			}
			exchange(t, p, pattern(3, 2000), pattern(4, 3000), of(500))
			p.over()
		}
	})
}

// What is said on a carrier that was given up, and comes to life again, is refused.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(0, only(never, never))
		old, far := carrierPair(never, never)
		late := make(chan error, 1)
		go func() {
			_, err := p.a.Resume(old)
			late <- err
		}() // it is number 1, and its hello is under way
		synctest.Wait()
		here, there := attach(p) // number 2
		require.NoError(t, errors.Join(here, there))
		require.ErrorIs(t, p.b.Accept(far), ErrRefused)
		require.ErrorIs(t, <-late, ErrRefused)
		exchange(t, p, pattern(1, 100), pattern(2, 100), of(10))
		p.over()
	})
}

// The same hello twice is refused the second time.
func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(0, uncut)
		for _, c := range []struct {
			hello hello
			want  error
		}{
			{hello{token: p.a.token, epoch: 5}, nil},
			{hello{token: p.a.token, epoch: 5}, ErrRefused},
			{hello{token: p.a.token, epoch: 4}, ErrRefused},
			{hello{token: p.a.token, epoch: 0}, ErrRefused},
			{hello{token: Token{9}, epoch: 6}, ErrRefused},
			{hello{epoch: 6}, ErrRefused},
			{hello{token: p.a.token, epoch: 6, received: 1}, ErrProtocol},
			{hello{token: p.a.token, epoch: 6}, nil},
		} {
			a, b := carrierPair(never, never)
			go func() { _, _ = a.Write(c.hello.appendTo(nil)) }() // the other end may close it meanwhile
			err := p.b.Accept(b)
			require.ErrorIs(t, err, c.want, "%+v", c.hello)
			if c.want != nil {
				_, err = a.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err, "%+v", c.hello)
			}
			require.NoError(t, a.Close())
		}
		p.over()
	})
}

// A stream without a token is lost with its carrier.
func TestOnlyCarrierLost(t *testing.T) {
	a, b := carrierPair(never, never)
	lost := make(chan error, 1)
	s := New(a, Config{Lost: func(err error) { lost <- err }})
	require.NoError(t, b.Close())
	_, err := s.Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrBroken)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, io.EOF, <-lost)
	_, err = s.Write([]byte("too late"))
	require.ErrorIs(t, err, ErrBroken)
	s.Wait()
}

// A stream without a token has one carrier; one that is over takes none.
func TestNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := carrierPair(never, never)
		here, there := New(a, Config{}), New(b, Config{})
		x, y := carrierPair(never, never)
		go func() { _, _ = y.Write(hello{epoch: 1}.appendTo(nil)) }() // the other end may close it meanwhile
		require.ErrorIs(t, here.Accept(x), ErrRefused)
		_, err := there.Resume(y)
		require.ErrorIs(t, err, ErrRefused)
		here.Break(errCut)
		there.Break(errCut)
		here.Wait()
		there.Wait()

		p := newPeers(0, uncut)
		p.b.Break(errCut)
		up, down := attach(p)
		require.ErrorIs(t, up, ErrRefused)
		require.ErrorIs(t, down, errCut)
		p.over()
	})
}

// A peer that does not keep to the protocol ends the stream, since no other carrier would make sense of it.
func TestMalformed(t *testing.T) {
	for name, raw := range map[string][]byte{
		"kind":            header{kind: 9}.appendTo(nil),
		"empty data":      header{kind: kindData}.appendTo(nil),
		"too long":        header{kind: kindData, size: maxPayload + 1}.appendTo(nil),
		"acknowledgement": header{kind: kindAck, ack: 1}.appendTo(nil),
		"payload":         header{kind: kindEnd, size: 1}.appendTo(nil),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := carrierPair(never, never)
			s := New(a, Config{Lost: func(error) { t.Error("lost") }})
			go func() { _, _ = b.Write(raw) }() // the other end may close it meanwhile
			_, err := s.Read(make([]byte, 10))
			require.ErrorIs(t, err, ErrProtocol)
			require.ErrorIs(t, err, ErrBroken)
			s.Wait()
			require.NoError(t, b.Close())
		})
	}
}

// A welcome that begins where this end is not is no reason to lose what it has.
func TestWrongWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(0, uncut)
		for _, w := range []welcome{{received: 1}, {start: 1}} {
			a, b := carrierPair(never, never)
			go func() {
				_, _ = io.ReadFull(b, make([]byte, helloSize)) // as it always is
				_, _ = b.Write(w.appendTo(nil))
			}()
			_, err := p.a.Resume(a)
			require.ErrorIs(t, err, ErrProtocol)
			require.NoError(t, b.Close())
		}
		exchange(t, p, pattern(1, 100), pattern(2, 100), of(10))
		p.over()
	})
}
