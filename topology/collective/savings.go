package collective

import "github.com/tartrl/tlaunch-go/internal/pool"

// savedBlock is in pieces of which size a copy of data is held, so that its memory can serve the next operation: package pool lends no larger ones.
const savedBlock = 4 << 20

// savings are a copy of data that an operation in place changes, and needs once more if it has to be done again. A nil one is of nothing.
type savings struct {
	data   []byte
	blocks []*[]byte
}

func save(data []byte) *savings {
	s := &savings{data: data}
	for at := 0; at < len(data); at += savedBlock {
		block := pool.Get(min(savedBlock, len(data)-at))
		copy(*block, data[at:])
		s.blocks = append(s.blocks, block)
	}
	return s
}

// restore makes the data what it was.
func (s *savings) restore() {
	if s == nil {
		return
	}
	for i, block := range s.blocks {
		copy(s.data[i*savedBlock:], *block)
	}
}

// drop gives the memory back.
func (s *savings) drop() {
	if s == nil {
		return
	}
	for _, block := range s.blocks {
		pool.Put(block)
	}
	s.blocks = nil
}
