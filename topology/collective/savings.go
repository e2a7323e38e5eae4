package collective

import (
	"sync"
	"unsafe"

	"github.com/tartrl/tlaunch-go/internal/pool"
)

// savedBlock is how much is saved at a time: enough for a copy that goes past the processor's caches (memmove does so from 1 MiB on), which what is copied next finds
// there, and little enough for that to be in them still.
const savedBlock = 1 << 20

// Savings are what was in data of which an operation overwrites some, and which it needs once more if it has to be done again: block by block, from the moment
// on in which the first of a block is about to be overwritten. A nil one is of nothing.
type savings struct {
	data []byte

	mu     sync.Mutex
	blocks []*[]byte // lent; nil: nothing of it was overwritten
}

func newSavings(data []byte) *savings {
	return &savings{data: data, blocks: make([]*[]byte, (len(data)+savedBlock-1)/savedBlock)}
}

// keep is called before a piece of the data is overwritten. Several may be at once; each waits until what it overwrites is saved.
func (s *savings) keep(piece []byte) {
	if s == nil || len(piece) == 0 {
		return
	}
	at := int(uintptr(unsafe.Pointer(&piece[0])) - uintptr(unsafe.Pointer(&s.data[0])))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := at / savedBlock; i <= (at+len(piece)-1)/savedBlock; i++ {
		if s.blocks[i] == nil {
			block := s.data[i*savedBlock : min((i+1)*savedBlock, len(s.data))]
			s.blocks[i] = pool.Get(len(block))
			copy(*s.blocks[i], block)
		}
	}
}

// restore makes the data what it was.
func (s *savings) restore() {
	if s == nil {
		return
	}
	for i, block := range s.blocks {
		if block != nil {
			copy(s.data[i*savedBlock:], *block)
		}
	}
}

// drop gives the memory back.
func (s *savings) drop() {
	for _, block := range s.blocks {
		if block != nil {
			pool.Put(block)
		}
	}
	clear(s.blocks)
}
