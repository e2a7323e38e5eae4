package actor

import (
	"sync"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

const (
	// packedBytes is the largest argument that goes into a pack.
	packedBytes = 2 << 10
	// firstRoom is what a pack has room for by itself, in bytes, and mostRoom what one may borrow: whoever keeps an argument keeps its pack.
	firstRoom = 1 << 10
	mostRoom  = 32 << 10
)

// A pack is tells that follow each other in a mailbox and differ in their arguments alone: small ones, encoded. To queue, to look through
// and to count one by one what is the same for all of them takes longer than to handle them. It belongs to whoever fills it, and from when it
// is queued to the mailbox; when the last method has returned its memory is used again, unless one has kept its argument.
type pack struct {
	method  *method
	account *account // whose tells they are; nil: senders of this process
	n       int      // messages
	done    int      // of these, no longer in the mailbox
	taken   bool     // a worker has it: nothing is added any more
	kept    bool     // a method has kept its argument
	ends    [blockSize]int32
	buf     []byte
	room    *[]byte // lent: the memory of buf; nil: that is small
	small   [firstRoom]byte
}

var packs = sync.Pool{New: func() any { return new(pack) }}

// newPack makes a pack with room for about so many bytes.
func newPack(m *method, a *account, room int) *pack {
	p := packs.Get().(*pack)
	p.method, p.account = m, a
	if room <= firstRoom {
		p.buf = p.small[:0]
	} else {
		p.room = pool.Get(min(room, mostRoom))
		p.buf = (*p.room)[:0:cap(*p.room)]
	}
	return p
}

// add adds a message, and reports whether there was room for it.
func (p *pack) add(body []byte) bool {
	if p.n == blockSize || len(body) > packedBytes || len(p.buf)+len(body) > cap(p.buf) {
		return false
	}
	p.buf = append(p.buf, body...)
	p.ends[p.n] = int32(len(p.buf))
	p.n++
	return true
}

// body is the argument of a message.
func (p *pack) body(i int) []byte {
	begin, end := p.begin(i), int(p.ends[i])
	return p.buf[begin:end:end]
}

func (p *pack) begin(i int) int {
	if i == 0 {
		return 0
	}
	return int(p.ends[i-1])
}

// next is what the next n messages take, of those that are in the mailbox.
func (p *pack) next(n int) budget { return budget{n, p.begin(p.done+n) - p.begin(p.done)} }

// left is what those take that are in the mailbox.
func (p *pack) left() budget { return p.next(p.n - p.done) }

// nextRoom is how much the pack after this one should have room for: as much as this one has used, or more where that was not enough.
func (p *pack) nextRoom() int {
	if p.n < blockSize && len(p.buf) > cap(p.buf)/2 {
		return 2 * cap(p.buf)
	}
	return len(p.buf)
}

// message is one of them by itself.
func (p *pack) message(i int) message {
	b := p.body(i)
	return message{asker: nobody, method: p.method, account: p.account, reserved: p.account != nil, encoded: b, size: len(b)}
}

// appendTo appends the messages from number i.
func (p *pack) appendTo(all []message, i int) []message {
	for ; i < p.n; i++ {
		all = append(all, p.message(i))
	}
	return all
}

// end lets go of a pack whose last method has returned.
func (p *pack) end() {
	if p.kept {
		return // to the garbage collector
	}
	if p.room != nil {
		pool.Put(p.room)
	}
	p.method, p.account, p.buf, p.room = nil, nil, nil, nil
	p.n, p.done, p.taken = 0, 0, false
	packs.Put(p)
}

// packs reports whether tells of a method to the node may go into packs. A method that keeps its arguments gets each by itself, for they hold
// as little memory then as they can.
func (n *Node) packs(m *method) bool {
	return n.limit == 1 && n.sys.tracer == nil && !n.sys.encode && !m.batched && m.arg != nil && !m.keeps.Load()
}
