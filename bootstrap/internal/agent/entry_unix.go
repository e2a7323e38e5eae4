//go:build unix

package agent

import (
	"time"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// awaitEntry waits until it is known whether the worker has reached Enter, which it says. One that takes too long is killed.
func (a *agent) awaitEntry() {
	word := make(chan bool, 1)
	go func() { // ends with the connection
		if a.notify == nil {
			word <- false
			return
		}
		kind, _, err := talk.ReadFrame(a.notify, talk.MaxControl)
		word <- err == nil && kind == talk.FrameEntered
	}()
	var late <-chan time.Time
	if a.orders.Entry > 0 {
		timer := time.NewTimer(a.orders.Entry)
		defer timer.Stop()
		late = timer.C
	}
	for !a.entered && !a.overdue {
		select {
		case a.entered = <-word: // false: it has closed the connection
			word = nil
		case <-late:
			a.overdue = true
		case <-a.exited:
			a.entered = word != nil && lastWord(word)
			return
		}
	}
	if a.overdue {
		select {
		case a.terminate <- 0:
		case <-a.exited:
		}
	}
}

// lastWord waits for what a worker that has ended said: it may still be in the pipe. Somebody else may hold that open for ever.
func lastWord(word <-chan bool) bool {
	const behind = time.Second
	late := time.NewTimer(behind)
	defer late.Stop()
	select {
	case entered := <-word:
		return entered
	case <-late.C:
		return false
	}
}
