package sshconn

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// deaf is a connection that never answers who asks for a channel.
type deaf struct {
	ssh.Conn
	closed, freed chan struct{}
}

func (d deaf) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	<-d.freed
	return nil, nil, errors.New("freed")
}

func (d deaf) Wait() error {
	<-d.closed
	return io.EOF
}

func (d deaf) Close() error {
	close(d.closed)
	return nil
}

// Who asks for a session just as the connection ends is told so: x/crypto/ssh itself would let him wait for ever.
func TestSessionOfAConnectionThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{closed: make(chan struct{}), freed: make(chan struct{})}
		defer close(d.freed)
		requests := make(chan *ssh.Request)
		channels := make(chan ssh.NewChannel)
		client := newClient(d, channels, requests)
		result := make(chan error, 1)
		go func() {
			_, err := client.NewSession()
			result <- err
		}()
		synctest.Wait()
		require.Empty(t, result)
		close(requests)
		close(channels)
		require.NoError(t, client.Close())
		require.ErrorIs(t, <-result, io.EOF)
	})
}
