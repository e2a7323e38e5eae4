package actor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Those who got window before a message that is larger than it may come after it: they are no less honest.
func TestWhatComesAfterALargeMessageIsNotRefused(t *testing.T) {
	s := NewSystem(Config{Table: NewTable(), Window: 8, WindowBytes: 1000})
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	a := s.accountFor(windowKey{"there", "n/0"})
	require.NoError(t, a.admit(s.window, 5000))
	require.NoError(t, a.admit(s.window, 100))
	require.True(t, a.admitTells(s.window, budget{2, 140}))
	require.False(t, a.admitTells(s.window, budget{2, 1001}), "one of them may be larger than the window: one by one")
	require.NoError(t, a.admit(s.window, 5000))
	require.ErrorIs(t, a.admit(s.window, 1), ErrOverloaded, "that is no honest sender")
	a.answered(s.window, 5000)
	a.answered(s.window, 100)
	s.tellsTaken(a, budget{2, 140})
	s.tellsTaken(a, budget{1, 5000})
	require.Zero(t, a.held)
}
