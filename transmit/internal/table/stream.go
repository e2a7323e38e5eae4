package table

import "fmt"

// A Stream is what one writer has appended and may still refer to: a run of
// steps, numbered without gaps. Its table slots are hints: a step may have
// gone from the table since.
type Stream struct {
	store *Store
	base  uint64 // number of steps[0]
	steps []streamStep
	bytes int64
}

type streamStep struct {
	payload uint32
	places  []tablePlace // in which tables it is, mostly one
}

type tablePlace struct {
	table *Table
	slot  uint32
}

// NewStream returns a stream whose next step has the number first.
func NewStream(s *Store, first uint64) *Stream { return &Stream{store: s, base: first} }

// Next is the number of the step that is appended next.
func (s *Stream) Next() uint64 { return s.base + uint64(len(s.steps)) }

// Bytes is how many bytes the stream's steps have.
func (s *Stream) Bytes() int64 { return s.bytes }

// Append adds a step that is stored as payload, whose one referral becomes the stream's.
func (s *Stream) Append(payload uint32) {
	s.steps = append(s.steps, streamStep{payload: payload})
	s.bytes += s.store.Size(payload)
}

// Forget lets go of all steps with lower numbers than first.
func (s *Stream) Forget(first uint64) {
	n := 0
	for ; n < len(s.steps) && s.base < first; n++ {
		s.bytes -= s.store.Size(s.steps[n].payload)
		s.store.Unref(s.steps[n].payload)
		s.base++
	}
	rest := copy(s.steps, s.steps[n:])
	clear(s.steps[rest:])
	s.steps = s.steps[:rest]
}

// Has tells whether the stream has count steps from the one with the number first.
func (s *Stream) Has(first, count uint64) bool {
	_, err := s.window(first, count)
	return err == nil
}

// window is the count steps from the one with the number first.
func (s *Stream) window(first, count uint64) ([]streamStep, error) {
	switch {
	case count == 0:
		return nil, fmt.Errorf("%w: an item has at least one step", ErrWindow)
	case first < s.base || first > s.Next() || count > s.Next()-first:
		return nil, fmt.Errorf("%w: an item of %d steps from %d, and the writer has %d to %d", ErrWindow, count, first, s.base, s.Next())
	}
	return s.steps[first-s.base:][:count], nil
}

// slotIn is where the step is in a table, or was.
func (s *streamStep) slotIn(t *Table) *uint32 {
	for i := range s.places {
		if s.places[i].table == t {
			return &s.places[i].slot
		}
	}
	s.places = append(s.places, tablePlace{t, none})
	return &s.places[len(s.places)-1].slot
}

// Step is the bytes of a step that the stream has.
func (s *Stream) Step(number uint64) []byte { return s.store.Get(s.steps[number-s.base].payload) }
