package tlaunch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// whereabouts is what a process of a run knows of where the hosts' processes
// are. Of each host only ever later incarnations count.
type whereabouts struct {
	place    func(key string) (process string, ok bool) // of a node
	mayLose  func(process string) bool                  // whether the run goes on when a process ends
	patience time.Duration                              // fatePatience, or what takes its place

	mu      sync.Mutex
	hosts   map[string]*whereabout
	changed chan struct{} // closed with the next change
}

// whereabout is what is known of one host.
type whereabout struct {
	address     string // of the latest incarnation; empty: it is not in, or gone
	incarnation uint64
	gone        uint64   // incarnations up to this one have ended
	final       bool     // and there will be none any more
	before      []string // addresses of those that have ended
}

func newWhereabouts(g *graph) *whereabouts {
	return &whereabouts{
		place: func(key string) (string, bool) {
			n := g.byKey[key]
			if n == nil {
				return "", false
			}
			return n.process, true
		},
		mayLose: g.mayLose, patience: fatePatience,
		hosts: map[string]*whereabout{}, changed: make(chan struct{}),
	}
}

func (w *whereabouts) hostLocked(name string) *whereabout {
	h := w.hosts[name]
	if h == nil {
		h = &whereabout{}
		w.hosts[name] = h
	}
	return h
}

func (w *whereabouts) tellLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// joined notes where an incarnation of a host is, and returns the address of
// an earlier one that it replaces, if it was not known to be gone. News that
// are old change nothing.
func (w *whereabouts) joined(host, address string, incarnation uint64) (replaced string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hostLocked(host)
	if incarnation <= h.gone || incarnation < h.incarnation || incarnation == h.incarnation && h.address == address {
		return ""
	}
	if incarnation > h.incarnation {
		replaced = h.leave()
		h.gone = max(h.gone, incarnation-1)
	}
	h.address, h.incarnation = address, incarnation
	w.tellLocked()
	return replaced
}

// leave forgets the address, and returns it.
func (h *whereabout) leave() (address string) {
	address, h.address = h.address, ""
	if address != "" {
		h.before = append(h.before, address)
	}
	return address
}

// left notes that a host's incarnations up to one have ended, for good where
// final, and returns the address that is nobody's any more.
func (w *whereabouts) left(host string, incarnation uint64, final bool) (address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hostLocked(host)
	h.gone = max(h.gone, incarnation)
	h.final = h.final || final
	if h.incarnation <= h.gone {
		address = h.leave()
	}
	w.tellLocked()
	return address
}

// locate is the address of the process of a node.
func (w *whereabouts) locate(key string) (string, error) {
	process, ok := w.place(key)
	if !ok {
		return "", fmt.Errorf("%w: %s", actor.ErrNoNode, key)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[process]
	switch {
	case h == nil:
		return "", fmt.Errorf("%w: host %s of %s has not joined", actor.ErrUnreachable, process, key)
	case h.address != "":
		return h.address, nil
	case h.final:
		return "", fmt.Errorf("%w: host %s of %s has ended, and is not started again", actor.ErrPeerGone, process, key)
	}
	return "", fmt.Errorf("%w: host %s of %s is being started again", actor.ErrUnreachable, process, key)
}

// at is the host whose process is, or was, at an address.
func (w *whereabouts) at(address string) (host string, now bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, h := range w.hosts {
		if h.address == address {
			return name, true
		}
		if slices.Contains(h.before, address) {
			host = name
		}
	}
	return host, false
}

// hostAt is the host whose process is at an address.
func (w *whereabouts) hostAt(address string) (string, bool) {
	host, now := w.at(address)
	return host, now
}

// addresses is where hosts are, by name.
func (w *whereabouts) addresses() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := map[string]string{}
	for name, h := range w.hosts {
		if h.address != "" {
			m[name] = h.address
		}
	}
	return m
}

// past is the addresses of a host's earlier processes.
func (w *whereabouts) past(host string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hosts[host]; h != nil {
		return slices.Clone(h.before)
	}
	return nil
}

// await waits until it has the answer to a question about what is known, or ctx ends.
func (w *whereabouts) await(ctx context.Context, answered func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := answered(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

const (
	// fatePatience is how long a lost link may wait for the news that the
	// process at its other end has died: these come at once, if at all.
	fatePatience = 2 * time.Second
	// returnPatience is how long a message waits for a host that is started again.
	returnPatience = 30 * time.Second
)

// fate waits for the news that the process at an address has ended.
func (w *whereabouts) fate(ctx context.Context, address string) error {
	host, _ := w.at(address)
	if host == "" || !w.mayLose(host) { // where it may not, its end is the run's
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	if w.await(ctx, func() bool { return slices.Contains(w.hosts[host].before, address) }) != nil {
		return nil
	}
	return fmt.Errorf("%w: the process on %s has ended", actor.ErrPeerGone, host)
}

// away waits for the next process of a node's host, where the program's
// policies have it started again. address is where the last try failed.
func (w *whereabouts) away(ctx context.Context, key, address string, why error) error {
	process, ok := w.place(key)
	if !ok || !w.mayLose(process) {
		return why
	}
	if address != "" {
		switch err := w.fate(ctx, address); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			return why // it is out of reach, which is not to say that it has ended
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, returnPatience, fmt.Errorf("%w: waited %v for host %s to be started again", actor.ErrUnreachable, returnPatience, process))
	defer cancel()
	var final bool
	err := w.await(ctx, func() bool {
		h := w.hosts[process]
		final = h != nil && h.final
		return h != nil && (h.address != "" || h.final)
	})
	if err == nil && final {
		return fmt.Errorf("%w: host %s of %s has ended, and is not started again", actor.ErrPeerGone, process, key)
	}
	return err
}
