package sshconn

import (
	"fmt"

	"golang.org/x/crypto/ssh"
)

// lively is a connection on which nobody waits for a channel when the connection has ended. x/crypto/ssh takes leave of all
// channels first and closes the connection then: who asks for a channel in between is never answered.
type lively struct {
	ssh.Conn
	ended chan struct{} // closed when the connection has
	why   error         // valid once ended
}

// newClient is [ssh.NewClient] on a connection whose end nobody misses.
func newClient(c ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) *ssh.Client {
	return ssh.NewClient(newLively(c), channels, requests)
}

func newLively(c ssh.Conn) *lively {
	l := &lively{Conn: c, ended: make(chan struct{})}
	go func() { // ends with the connection
		l.why = c.Wait()
		close(l.ended)
	}()
	return l
}

// Algorithms are what the two ends have agreed on; none where the connection does not tell.
func (l *lively) Algorithms() ssh.NegotiatedAlgorithms {
	if m, ok := l.Conn.(ssh.AlgorithmsConnMetadata); ok {
		return m.Algorithms()
	}
	return ssh.NegotiatedAlgorithms{}
}

// OpenChannel asks the peer for a channel and waits for the answer, or for the end of the connection.
func (l *lively) OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type answer struct {
		channel  ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the answer; where none can come any more, never, as nothing can end it
		var a answer
		a.channel, a.requests, a.err = l.Conn.OpenChannel(name, data)
		answers <- a
	}()
	select {
	case a := <-answers:
		return a.channel, a.requests, a.err
	case <-l.ended: // a channel that comes after all is as dead as the connection
		return nil, nil, fmt.Errorf("sshconn: the connection has ended: %w", l.why)
	}
}
