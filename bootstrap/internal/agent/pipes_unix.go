//go:build unix

package agent

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// emptyPipes waits until all that the worker and its descendants have written is recorded. The pipes usually end with them. But
// somebody may hold them who is none of the descendants, or could not be killed: then it is enough that nothing was in them for
// a second, and where there is always more, that a slow launcher has had its time.
func (a *agent) emptyPipes() {
	const look, quiet = 50 * time.Millisecond, time.Second
	read := make(chan struct{})
	go func() {
		a.readers.Wait()
		close(read)
	}()
	tick := time.NewTicker(look)
	defer tick.Stop()
	late := time.Now().Add(a.orders.RecordPatience() + 2*quiet)
	for since := time.Now(); ; {
		select {
		case <-read:
			return
		case now := <-tick.C:
			for _, p := range a.pipes {
				if waiting(p) {
					since = now
				}
			}
			if now.Sub(since) < quiet && now.Before(late) {
				continue
			}
		}
		for _, p := range a.pipes {
			_ = p.SetReadDeadline(time.Now())
		}
		<-read
		return
	}
}

// waiting tells whether there is something to be read.
func waiting(p *os.File) bool {
	raw, err := p.SyscallConn()
	if err != nil {
		return false
	}
	there := false
	err = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		there = err == nil && n > 0 && poll[0].Revents&unix.POLLIN != 0
	})
	return err == nil && there
}
