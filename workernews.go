package tlaunch

import (
	"context"
	"errors"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor"
)

// What a host's process hears of the others, and of guests that want to join.

// follow keeps up with where the other hosts are, for as long as this one lives.
func (w *worker) follow() {
	for members, err := range w.registry.Watch(w.guest.Context(), w.orders.Run) {
		if err != nil {
			if !w.ending.Load() {
				w.logger.Warn("the registry is not followed any more", "error", err)
			}
			return
		}
		for _, m := range members {
			if replaced := w.where.joined(m.Host, m.Address, m.Incarnation); replaced != "" {
				w.fence(m.Host, replaced, m.Incarnation-1)
			}
		}
	}
}

// learn takes the launcher's word where processes are.
func (w *worker) learn(places []hostPlace) {
	for _, p := range places {
		for address, incarnation := range w.where.learn(p) {
			w.fence(p.Host, address, incarnation)
		}
	}
}

// gone takes the launcher's word that a process has ended.
func (w *worker) gone(o goneOrder) {
	w.fence(o.Host, w.where.left(o.Host, o.Incarnation, o.Final), o.Incarnation)
}

// fence ends what this process has with an earlier one of a host.
func (w *worker) fence(host, address string, incarnation uint64) {
	w.endpoint.Fence(host, address, incarnation)
	if address != "" {
		w.sys.PeerDown(address, fmt.Errorf("%w: the process on %s has ended", actor.ErrPeerGone, host))
	}
}

func (w *worker) hostAt(address string) (string, bool) {
	if host, ok := w.where.hostAt(address); ok {
		return host, true
	}
	return launcherName, address == launcherAddress(w.orders.Run)
}

// join passes a request to be let in to the launcher, which alone can decide.
func (w *worker) join(ctx context.Context, request []byte) ([]byte, error) {
	answer := make(chan joinAnswer, 1)
	w.mu.Lock()
	w.lastID++
	id := w.lastID
	w.joins[id] = answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.joins, id)
		w.mu.Unlock()
	}()
	w.send(report{Join: &joinRequest{ID: id, Request: request}})
	select {
	case a := <-answer:
		if a.Denied != "" {
			return nil, errors.New(a.Denied)
		}
		return a.Answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
