package table

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Five of these do not fit into a slab, so a fifth of each is lost whatever is moved where.
func TestSlabsThatCannotBeFilledAreLeftAlone(t *testing.T) {
	s := &Store{}
	var ids []uint32
	b := make([]byte, SlabSize/5+100)
	for range 400 {
		ids = append(ids, s.Put(b))
	}
	for _, id := range ids {
		s.Unref(id)
	}
	require.Zero(t, s.Len())
	require.Zero(t, s.Bytes())
}

// A payload without bytes is there for as long as it is referred to, whatever becomes of what lies beside it.
func TestPayloadsWithoutBytes(t *testing.T) {
	s := &Store{}
	beside := s.Put(make([]byte, 100))
	empty := s.Put(nil)
	for range 5 { // the fourth needs another slab
		s.Put(make([]byte, SlabSize/4))
	}
	s.Unref(beside)
	for id := beside + 2; id < beside+5; id++ {
		s.Unref(id)
	}
	require.Empty(t, s.Get(empty))
	for range s.Snapshot().Payloads() {
	}
	s.Unref(empty)
	require.Equal(t, 2, s.Len())
}
