package cluster

import (
	"log/slog"
	"sync"
	"time"
)

// A requestPath tells requests that a Consul agent answers alone from those
// that need its servers: either can fail while the other works.
type requestPath uint8

const (
	agentPath requestPath = 1 << iota
	serverPath
)

// An outage remembers whether Consul answers, so that each outage is logged
// once, and since when it does again.
type outage struct {
	log *slog.Logger

	mu    sync.Mutex
	down  requestPath // the paths that fail
	up    bool        // Consul has answered before: until then whoever asks is told, and nothing goes on
	grace time.Time   // until when members may still be on their way back
}

func (o *outage) began(path requestPath, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down == 0 && o.up {
		o.log.Warn("consul does not answer as it should; the run goes on with the members last known", "error", err)
	}
	o.down |= path
}

// ended notes an answer. After an outage, members get until grace to return.
func (o *outage) ended(path requestPath, grace time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up = true
	if o.down&path == 0 {
		return
	}
	o.down &^= path
	o.grace = grace
	if o.down == 0 {
		o.log.Info("consul answers again")
	}
}

// restarted notes that Consul lost its state without an outage being seen.
func (o *outage) restarted(grace time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.grace = grace
}

// graceLeft returns how long members may still be on their way back, zero
// or less if they are not.
func (o *outage) graceLeft(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.grace.Sub(now)
}
