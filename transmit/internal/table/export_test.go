package table

// What tests of another package need to see.

const None = none

func (s *Store) Held() int64 { return s.held }

func (s *Stream) Base() uint64 { return s.base }
