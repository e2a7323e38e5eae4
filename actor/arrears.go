package actor

import (
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

// owe notes window that could not be given back yet, and has it paid when there is room.
func (s *System) owe(k windowKey, back budget) {
	s.mu.Lock()
	owed, paying := s.arrears[k.address]
	if !paying {
		owed = map[string]budget{}
		s.arrears[k.address] = owed
	}
	sum, known := owed[k.node]
	if known || len(owed) < maxArrears {
		owed[k.node] = budget{sum.messages + back.messages, sum.bytes + back.bytes}
	}
	s.mu.Unlock()
	if !paying {
		s.background(func() { s.pay(k.address) })
	}
}

// pay gives back what is owed to a process, one node after the other, until nothing is.
func (s *System) pay(address string) {
	for {
		s.mu.Lock()
		owed := s.arrears[address]
		if len(owed) == 0 {
			delete(s.arrears, address)
			s.mu.Unlock()
			return
		}
		var node string
		for node = range owed {
			break
		}
		back := owed[node]
		delete(owed, node)
		s.mu.Unlock()
		if r := s.routeTo(address); r != nil {
			if err := r.PostUrgent(s.ctx, creditParcel(node, back)); err != nil {
				s.logger.Debug("credit lost with its link", "node", node, "to", address, "error", err)
			}
		}
	}
}
