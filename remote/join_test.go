package remote

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJoin(t *testing.T) {
	authority := newAuthority(t, "run-1")
	n := newNetwork()
	launcher := start(t, Config{
		Address: "l:1", Credentials: issue(t, authority, RoleLauncher, "launcher", 1), Dial: n.dial,
		Join: func(_ context.Context, request []byte) ([]byte, error) {
			secret, csr, ok := bytes.Cut(request, []byte("\n"))
			if !ok || string(secret) != "sesame" {
				return nil, errors.New("wrong word")
			}
			c, err := authority.Sign(csr, RoleGuest, "guest", 1)
			return append(append(c.CertPEM, '\x00'), c.RootPEM...), err
		},
	})
	serve(t, launcher, n.listen("l:1"))
	ctx := within(t, 10*time.Second)

	key, csr, err := NewRequest()
	require.NoError(t, err)
	answer, err := Join(ctx, n.dial, "l:1", authority.Pin(), append([]byte("sesame\n"), csr...))
	require.NoError(t, err)
	cert, root, _ := bytes.Cut(answer, []byte{0})
	guest := start(t, Config{
		Address: "guest.1", Dial: n.dial,
		Credentials: &Credentials{Run: "run-1", Role: RoleGuest, Name: "guest", Incarnation: 1, CertPEM: cert, KeyPEM: key, RootPEM: root},
	})
	in, pid := newInbox(t, launcher, "x", 1)
	require.NoError(t, guest.Send(ctx, pid, nil, text("here I am")))
	receive(t, in.user)

	_, err = Join(ctx, n.dial, "l:1", authority.Pin(), []byte("open\nplease"))
	require.ErrorIs(t, err, ErrJoin)
	_, err = Join(ctx, n.dial, "l:1", newAuthority(t, "run-1").Pin(), []byte("sesame\n"))
	require.ErrorIs(t, err, ErrRefused)
	_, err = Join(ctx, n.dial, "nowhere:1", authority.Pin(), nil)
	require.ErrorIs(t, err, ErrUnreachable)
	_, err = Join(ctx, n.dial, "l:1", authority.Pin(), make([]byte, joinLimit+1))
	require.ErrorIs(t, err, ErrTooLarge)
	require.EqualValues(t, 1, launcher.Stats().Refused[RefusedJoin])

	// A guest cannot stand at the door.
	serve(t, guest, n.listen("g:1"))
	_, err = Join(ctx, n.dial, "g:1", authority.Pin(), []byte("sesame\n"))
	require.ErrorIs(t, err, ErrRefused)
}

func TestJoinWhereNobodyAnswersRequests(t *testing.T) {
	authority := newAuthority(t, "run-1")
	n := newNetwork()
	host := start(t, Config{Address: "h:1", Credentials: issue(t, authority, RoleHost, "h", 1), Dial: n.dial})
	serve(t, host, n.listen("h:1"))
	_, err := Join(within(t, 5*time.Second), n.dial, "h:1", authority.Pin(), []byte("?"))
	require.ErrorIs(t, err, ErrJoin)

	plain := start(t, Config{Address: "p:1", InsecurePlaintext: true, Dial: n.dial, HandshakeTimeout: 200 * time.Millisecond})
	serve(t, plain, n.listen("p:1"))
	_, err = Join(within(t, 5*time.Second), n.dial, "p:1", authority.Pin(), []byte("?"))
	require.ErrorIs(t, err, ErrUnreachable)
}

func FuzzReadBlob(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'x'})
	f.Add([]byte{255, 255, 255, 255})
	f.Add([]byte{0, 0, 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readBlob(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		require.NoError(t, writeBlob(&again, b))
		require.Equal(t, data[:again.Len()], again.Bytes())
	})
}
