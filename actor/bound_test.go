package actor

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// A noter is told by name only: no method expression of it is written anywhere.
type noter struct{ got []string }

func (n *noter) Note(ctx context.Context, b []byte) error {
	switch n.got = append(n.got, Self(ctx)+" "+string(b)); string(b) {
	case "fail":
		return errors.New("as told")
	case "panic":
		panic("as told")
	}
	return nil
}

// A plainNoter is no pointer, and cannot be compared.
type plainNoter struct{ got []*[]string }

func (n plainNoter) Note(_ context.Context, b []byte) error {
	*n.got[0] = append(*n.got[0], string(b))
	return nil
}

// Methods that take bytes are each node's own where reflection finds them, and fail like others.
func TestBytesByReflection(t *testing.T) {
	first, second, plain := &noter{}, &noter{}, plainNoter{[]*[]string{{}}}
	_, in, nodes := inletFor(t, map[string]any{"n/0": first, "n/1": second, "n/2": plain})
	label := func(v any) *Name {
		m, err := resolveMethod(reflect.TypeOf(v), "Note")
		require.NoError(t, err)
		require.Zero(t, m.pc)
		require.NotNil(t, m.invokeBytes)
		return &Name{Text: m.tell}
	}
	for _, say := range []string{"a", "fail", "panic", "b"} {
		require.NoError(t, in.Take(&Name{Text: "n/0"}, label(first), nil, nil, []byte(say), nil))
		require.NoError(t, in.Take(&Name{Text: "n/1"}, label(second), nil, nil, []byte(say), nil))
	}
	require.NoError(t, in.Take(&Name{Text: "n/2"}, label(plain), nil, nil, []byte("c"), nil))
	in.Flush()
	for _, n := range nodes {
		require.NoError(t, n.Drain(t.Context()))
	}
	require.Equal(t, []string{"n/0 a", "n/0 fail", "n/0 panic", "n/0 b"}, first.got)
	require.Equal(t, []string{"n/1 a", "n/1 fail", "n/1 panic", "n/1 b"}, second.got)
	require.Equal(t, []string{"c"}, *plain.got[0])
	require.Equal(t, map[string]uint64{"failed": 1, "panic": 1}, nodes["n/0"].snapshot().Failures)
}

// A knownNoter is of a type that a ref was made of.
type knownNoter struct {
	noter
	told int
}

func (n *knownNoter) Tell(_ context.Context, b []byte) error { n.told += len(b); return nil }

// A type of slices cannot be compared, and is no pointer.
type knownSlice [][]string

func (n knownSlice) Note(_ context.Context, b []byte) error { n[0][0] += string(b); return nil }

// Where the type of a node is known, its methods that take bytes are called as what they are, one from an embedded struct among them.
func TestBytesByReflectionOfAKnownType(t *testing.T) {
	first, second, slice := &knownNoter{}, &knownNoter{}, knownSlice{{""}}
	table := NewTable()
	NewRef[*knownNoter](table, "known/0")
	NewRef[knownSlice](table, "known/1")
	_, in, nodes := inletFor(t, map[string]any{"n/0": first, "n/1": second, "n/2": slice})
	label := func(v any, name string) *Name {
		m, err := resolveMethod(reflect.TypeOf(v), name)
		require.NoError(t, err)
		require.Zero(t, m.pc)
		return &Name{Text: m.tell}
	}
	for _, say := range []string{"a", "fail", "panic", "b"} {
		require.NoError(t, in.Take(&Name{Text: "n/0"}, label(first, "Note"), nil, nil, []byte(say), nil))
		require.NoError(t, in.Take(&Name{Text: "n/1"}, label(second, "Note"), nil, nil, []byte(say), nil))
		require.NoError(t, in.Take(&Name{Text: "n/1"}, label(second, "Tell"), nil, nil, []byte(say), nil))
		require.NoError(t, in.Take(&Name{Text: "n/2"}, label(slice, "Note"), nil, nil, []byte(say), nil))
	}
	in.Flush()
	for _, n := range nodes {
		require.NoError(t, n.Drain(t.Context()))
		n.bound.Range(func(any, any) bool { require.Fail(t, "a function was made for one node"); return false })
	}
	require.Equal(t, []string{"n/0 a", "n/0 fail", "n/0 panic", "n/0 b"}, first.got)
	require.Equal(t, []string{"n/1 a", "n/1 fail", "n/1 panic", "n/1 b"}, second.got)
	require.Equal(t, len("afailpanicb"), second.told)
	require.Equal(t, "afailpanicb", slice[0][0])
	require.Equal(t, map[string]uint64{"failed": 1, "panic": 1}, nodes["n/0"].snapshot().Failures)
}
