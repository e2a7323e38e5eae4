//go:build unix

package agent

import (
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// relayGrace bounds how long the end of a worker waits for streams whose reader at the launcher does not read.
const relayGrace = 2 * time.Second

// relay passes every stream that arrives at from on to to.
func (a *agent) relay(from, to *yamux.Session, fromWorker bool) {
	for {
		in, err := from.AcceptStream()
		if err != nil {
			return
		}
		out, err := to.OpenStream()
		if err != nil {
			_ = in.Close()
			continue
		}
		back, forth := in, out // data towards the launcher are waited for at the end
		if fromWorker {
			back, forth = out, in
		}
		a.relayMu.Lock()
		if a.relaysOver {
			go pump(back, forth)
		} else {
			a.relays.Go(func() { pump(back, forth) })
		}
		a.relayMu.Unlock()
		go pump(forth, back)
	}
}

// drainRelays waits until what the worker wrote to streams has been passed on.
func (a *agent) drainRelays() {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-a.relaying
		a.relayMu.Lock()
		a.relaysOver = true
		a.relayMu.Unlock()
		a.relays.Wait()
	}()
	select {
	case <-drained:
	case <-time.After(relayGrace):
	}
}

// pump copies one direction of a stream and closes it.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}
