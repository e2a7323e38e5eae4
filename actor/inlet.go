package actor

import (
	"fmt"
	"math"
	"slices"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
	"github.com/tartrl/tlaunch-go/internal/pool"
)

const (
	// smallBytes is the largest argument that shares its memory with others: it is left to the garbage collector, at least arenaBytes
	// at a time, so that one that is kept holds no more than that.
	smallBytes = 256
	arenaBytes = 4 << 10
	// flockSize is how many messages for one node are put aside before they are given to it.
	flockSize = 64
)

// inlet takes the parcels of one link. It belongs to the link's reader.
type inlet struct {
	sys    *System
	sender *protoactor.PID // the other system
	route  Route

	node    *Node // that aside is for
	aside   []message
	count   int      // of the messages aside
	account *account // of the tells among them, which it has not admitted yet
	tells   budget
	arena   []byte

	// What the last tell was, where the next may go into the same pack.
	target *Name
	label  *label
	pack   *pack // nil: none
	room   int   // that the next one is made with
}

var (
	_ Inlet     = (*inlet)(nil)
	_ Recipient = (*systemProcess)(nil)
)

// Inlet is for one link with the process at an address.
func (p *systemProcess) Inlet(address string) Inlet {
	return &inlet{sys: p.sys, sender: protoactor.NewPID(address, SystemID), route: p.sys.routeTo(address)}
}

// goal is a node as parcels find it.
type goal struct {
	process *nodeProcess
	account *account
}

func (in *inlet) Take(target, text *Name, trace, head, body []byte, room *[]byte) error {
	l, ok := text.memo.(*label)
	if ok && in.pack != nil && l == in.label && target == in.target && len(trace)+len(head) == 0 && room == nil &&
		in.count < flockSize && in.pack.add(body) {
		in.count++
		in.tells.messages++
		in.tells.bytes += len(body)
		return nil
	}
	if !ok {
		var err error
		if l, err = parseLabel(text.Text); err != nil {
			return err
		}
		text.memo = l
	}
	switch l.kind {
	case labelTell:
		if len(head) > 0 {
			return fmt.Errorf("%w: a tell with a head", errParcel)
		}
		in.tell(target, l, trace, body, room)
		return nil
	case labelCall:
		return in.call(target, l, trace, head, body, room)
	}
	return in.control(l, head, body, room)
}

// control is what the other system has to say to ours.
func (in *inlet) control(l *label, head, body []byte, room *[]byte) error {
	s, r := in.sys, headReader{b: head}
	first := r.uvarint()
	switch l.kind {
	case labelResult:
		if r.failed {
			break
		}
		if room == nil {
			body = append(make([]byte, 0, len(body)), body...)
		}
		s.settleReply(first, in.sender.Address, body, nil)
		return nil
	case labelError:
		var e wire.Error
		if err := proto.Unmarshal(body, &e); r.failed || err != nil {
			break
		}
		s.settleReply(first, in.sender.Address, nil, errorFromWire(&e))
		return nil
	case labelCredit:
		bytes := r.uvarint()
		if r.failed || first > math.MaxInt32 || bytes > math.MaxInt64 {
			break
		}
		s.credited(string(body), in.sender.Address, budget{int(first), int(bytes)})
		return nil
	}
	return fmt.Errorf("%w: %q with a head of %d bytes", errParcel, l.kind, len(head))
}

// find gives the node that a name means, with the method that the label means there and the sender's account; nil where the message has
// to go the way on which errors are told.
func (in *inlet) find(target *Name, l *label) (*Node, *method, *account) {
	g, ok := target.memo.(*goal)
	if !ok || g.account.gone.Load() || g.process.at.Load().forgotten.Load() {
		process, found := in.sys.actors.ProcessRegistry.GetLocal(target.Text)
		p, isNode := process.(*nodeProcess)
		if !found || !isNode {
			return nil, nil, nil
		}
		g = &goal{p, in.sys.accountFor(windowKey{in.sender.Address, target.Text})}
		target.memo = g
	}
	n := g.process.at.Load()
	m := l.methodOf(n)
	if m == nil {
		return nil, nil, nil
	}
	return n, m, g.account
}

func (in *inlet) tell(target *Name, l *label, trace, body []byte, room *[]byte) {
	n, m, a := in.find(target, l)
	if n == nil {
		in.detour(target, l, &wire.Call{Argument: body, Trace: slices.Clone(trace)}, room)
		return
	}
	if a != in.account { // the link was lost meanwhile: what came before is the old account's
		in.Flush()
		in.account = a
	}
	if len(trace) == 0 && room == nil && in.packed(n, m, body) {
		in.target, in.label = target, l
		return
	}
	msg := in.put(n)
	msg.method, msg.reserved, msg.account, msg.size = m, true, a, len(body)
	if along := in.sys.traceOf(trace); along != nil {
		msg.asker = &asker{trace: along}
	}
	in.load(msg, m, body, room)
	in.tells.add(msg)
}

func (in *inlet) call(target *Name, l *label, trace, head, body []byte, room *[]byte) error {
	id, timeout, chain, err := parseCallHead(head)
	if err != nil {
		return err
	}
	n, m, a := in.find(target, l)
	if n == nil {
		in.detour(target, l, &wire.Call{Id: id, Timeout: int64(timeout), Chain: chain, Argument: body, Trace: slices.Clone(trace)}, room)
		return nil
	}
	refused := a.admit(in.sys.window, len(body))
	c := in.sys.receive(&inbound{
		sys: in.sys, node: n, account: a, key: inboundKey{in.sender.Address, id}, sender: in.sender, size: len(body), route: in.route,
	}, timeout, refused)
	if c == nil {
		return nil
	}
	c.asker = asker{answer: c, caller: c.ctx, chain: chain, trace: in.sys.traceOf(trace)}
	msg := message{asker: &c.asker, method: m, reserved: true, size: len(body)}
	if refused != nil {
		n.discard(msg, refused)
		return nil
	}
	in.load(&msg, m, body, room)
	*in.put(n) = msg
	return nil
}

// packed puts a tell into the pack of the one before it, or begins one with the two, where they are of one kind.
func (in *inlet) packed(n *Node, m *method, body []byte) bool {
	if len(in.aside) == 0 || in.node != n || in.count >= flockSize || len(body) > packedBytes || !n.packs(m) {
		return false
	}
	last := &in.aside[len(in.aside)-1]
	p := last.pack
	switch {
	case p == nil && (last.method != m || last.asker != nil || last.size > packedBytes):
		return false
	case p == nil:
		p = newPack(m, in.account, max(in.room, last.size))
		p.add(last.encoded)
		if last.bytes != nil {
			pool.Put(last.bytes)
		}
		*last = message{pack: p, reserved: true}
	case p.method != m:
		return false
	}
	if !p.add(body) {
		p = newPack(m, in.account, max(p.nextRoom(), len(body)))
		p.add(body)
		in.aside = append(in.aside, message{pack: p, reserved: true})
	}
	in.pack, in.room = p, p.nextRoom()
	in.count++
	in.tells.messages++
	in.tells.bytes += len(body)
	return true
}

// load gives a message an argument of its own.
func (in *inlet) load(msg *message, m *method, body []byte, room *[]byte) {
	switch {
	case m.arg == nil:
		return
	case room != nil:
		msg.bytes = room
	case len(body) <= smallBytes && !in.sys.encode:
		if len(body) > len(in.arena) || in.arena == nil {
			in.arena = make([]byte, arenaBytes)
		}
		msg.encoded = in.arena[:len(body):len(body)]
		copy(msg.encoded, body)
		in.arena = in.arena[len(body):]
		return
	default:
		msg.bytes = borrow(body)
	}
	msg.encoded = *msg.bytes
}

// put puts a message, to be filled in, aside for its node.
func (in *inlet) put(n *Node) *message {
	if in.node != n || in.count >= flockSize {
		in.Flush()
		in.node = n
	}
	in.pack = nil
	in.count++
	in.aside = append(in.aside, message{})
	return &in.aside[len(in.aside)-1]
}

func (in *inlet) Flush() {
	if len(in.aside) == 0 {
		return
	}
	if in.pack != nil {
		in.room, in.pack = in.pack.nextRoom(), nil
	}
	n := in.node
	if in.tells.messages > 0 && !in.account.admitTells(in.sys.window, in.tells) {
		in.admitEach()
	}
	in.tells = budget{}
	n.enqueueAll(in.aside, func(m *message, err error) { n.discard(*m, err) })
	clear(in.aside)
	in.aside, in.count = in.aside[:0], 0
}

// admitEach admits tells one by one, and takes those off that are refused.
func (in *inlet) admitEach() {
	all := in.aside
	in.aside = nil
	for _, m := range all {
		if m.pack != nil {
			in.aside = m.pack.appendTo(in.aside, 0)
		} else {
			in.aside = append(in.aside, m)
		}
	}
	kept := in.aside[:0]
	for i := range in.aside {
		m := in.aside[i]
		if m.account != nil {
			if err := m.account.admit(in.sys.window, m.size); err != nil {
				m.account = nil
				in.node.discard(m, err)
				continue
			}
		}
		kept = append(kept, m)
	}
	clear(in.aside[len(kept):])
	in.aside = kept
}

// detour gives a message to whatever process there is, or to the dead letters, in the form in which a message would bring it.
func (in *inlet) detour(target *Name, l *label, m *wire.Call, room *[]byte) {
	in.Flush()
	m.Method, m.Signature, m.Batched = l.name, l.hash, l.batched
	m.Argument = slices.Clone(m.Argument)
	if room != nil {
		pool.Put(room)
	}
	process, _ := in.sys.actors.ProcessRegistry.GetLocal(target.Text)
	process.SendUserMessage(in.sys.actors.NewLocalPID(target.Text), &protoactor.MessageEnvelope{Message: m, Sender: in.sender})
}
