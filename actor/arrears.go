package actor

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// maxArrears bounds the nodes of which one process is owed window: an honest one is told about those that there are.
const maxArrears = 4096

// giveCredit gives window back. It never waits: what its link has no room for is owed, in sums.
func (s *System) giveCredit(k windowKey, back budget) {
	if r := s.routeTo(k.address); r != nil {
		err := r.PostNow(creditParcel(k.node, back))
		if errors.Is(err, ErrOverloaded) {
			s.owe(k, back)
		}
		if !errors.Is(err, ErrNoParcels) { // another error is that of a lost link, with which all window comes back
			return
		}
	}
	s.control(k.address, &wire.Credit{Node: k.node, Messages: uint32(back.messages), Bytes: uint64(back.bytes)})
}

func creditParcel(node string, back budget) Parcel {
	head := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64), uint64(back.messages))
	head = binary.AppendUvarint(head, uint64(back.bytes))
	return Parcel{Target: SystemID, Label: string(labelCredit), Head: head, Body: []byte(node)}
}

// arrears are what one process is owed, as long as its link lives: with that all window comes back.
type arrears struct {
	ctx    context.Context // ends with the link, or the system
	end    context.CancelFunc
	byNode map[string]budget // guarded by the system's mu
}

// owe notes window that could not be given back yet, and has it paid when there is room.
func (s *System) owe(k windowKey, back budget) {
	s.mu.Lock()
	owed := s.arrears[k.address]
	paying := owed != nil
	if !paying {
		owed = &arrears{byNode: map[string]budget{}}
		owed.ctx, owed.end = context.WithCancel(s.ctx)
		s.arrears[k.address] = owed
	}
	sum, known := owed.byNode[k.node]
	if known || len(owed.byNode) < maxArrears {
		owed.byNode[k.node] = budget{sum.messages + back.messages, sum.bytes + back.bytes}
	}
	s.mu.Unlock()
	if !paying && !s.background(func() { s.pay(k.address, owed) }) {
		owed.end()
	}
}

// pay gives back what is owed to a process, one node after the other, until nothing is or its link is lost: what is in hand then must not go over
// the next one, whose window it is not.
func (s *System) pay(address string, owed *arrears) {
	defer owed.end()
	for {
		s.mu.Lock()
		if len(owed.byNode) == 0 || owed.ctx.Err() != nil {
			if s.arrears[address] == owed {
				delete(s.arrears, address)
			}
			s.mu.Unlock()
			return
		}
		var node string
		for node = range owed.byNode {
			break
		}
		back := owed.byNode[node]
		delete(owed.byNode, node)
		s.mu.Unlock()
		if r := s.routeTo(address); r != nil {
			if err := r.PostUrgent(owed.ctx, creditParcel(node, back)); err != nil {
				s.logger.Debug("credit lost with its link", "node", node, "to", address, "error", err)
			}
		}
	}
}
