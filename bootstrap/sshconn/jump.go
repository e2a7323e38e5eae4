package sshconn

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// jump is a connection to a jump host that several hosts share. Its job opens it, holds it until the last user has left or the connection is lost, and closes it.
type jump struct {
	name  string
	begun time.Time
	ready chan struct{} // closed when client or err is set

	// set before ready is closed
	client *ssh.Client
	err    error

	stop  context.CancelFunc // of the job's context
	users int                // guarded by Dialer.mu; at 0 the job is stopped
}

// through returns a connection to the last of hops, shared with others and begun no earlier than since, and what to call when it is no longer needed. Without hops both do nothing.
func (d *Dialer) through(ctx context.Context, hops []settings, since time.Time) (*jump, func(), error) {
	if len(hops) == 0 {
		return nil, func() {}, nil
	}
	j := d.join(hops, since)
	release := func() { d.leave(hops, j) }
	select {
	case <-j.ready:
	case <-ctx.Done():
		release()
		return nil, nil, canceled(ctx, j.name)
	}
	if j.err != nil {
		release()
		return nil, nil, fmt.Errorf("sshconn: at the jump host %s: %w", j.name, j.err)
	}
	return j, release, nil
}

func chainKey(hops []settings) string {
	var ids []string
	for _, h := range hops {
		ids = append(ids, h.id())
	}
	return strings.Join(ids, "\x00")
}

// join adds a user to the connection to the last hop, and starts it when there is none that has begun since.
func (d *Dialer) join(hops []settings, since time.Time) *jump {
	key := chainKey(hops)
	d.mu.Lock()
	defer d.mu.Unlock()
	j, ok := d.shared[key]
	if !ok || j.begun.Before(since) { // an older one goes with its last user
		ctx, stop := context.WithCancel(d.ctx)
		j = &jump{name: hops[len(hops)-1].name, begun: time.Now(), ready: make(chan struct{}), stop: stop}
		d.shared[key] = j
		// The caller is a Dial, which Close waits for too, so the counter is not zero here and the job cannot be missed.
		d.jobs.Go(func() { d.hold(ctx, hops, j, since) })
	}
	j.users++
	return j
}

// leave takes a user away; the last one stops the job.
func (d *Dialer) leave(hops []settings, j *jump) {
	d.mu.Lock()
	j.users--
	last := j.users == 0
	if last {
		d.forgetLocked(hops, j)
	}
	d.mu.Unlock()
	if last {
		j.stop()
	}
}

// forgetLocked makes the next Dial open a connection of its own.
func (d *Dialer) forgetLocked(hops []settings, j *jump) {
	if key := chainKey(hops); d.shared[key] == j {
		delete(d.shared, key)
	}
}

// hold is the job of a jump connection.
func (d *Dialer) hold(ctx context.Context, hops []settings, j *jump, since time.Time) {
	defer j.stop()
	via, release, err := d.through(ctx, hops[:len(hops)-1], since)
	if err == nil {
		defer release()
		j.client, _, err = d.connect(ctx, hops[len(hops)-1], via)
	}
	j.err = err
	if err != nil {
		d.mu.Lock()
		d.forgetLocked(hops, j) // whoever dials later tries anew
		d.mu.Unlock()
		close(j.ready)
		return
	}
	close(j.ready)
	stop := context.AfterFunc(ctx, func() { j.client.Close() })
	defer stop()
	_ = j.client.Wait() // until the last user has left, the Dialer is closed, or the connection is lost; its users notice by themselves
	d.mu.Lock()
	d.forgetLocked(hops, j)
	d.mu.Unlock()
}
