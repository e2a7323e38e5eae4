package actor_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

type base struct{ n int }

func (b *base) Inc(_ context.Context, by int) (int, error) { b.n += by; return b.n, nil }
func (b base) Value(context.Context) (int, error)          { return b.n, nil }
func (b *base) hidden(context.Context) error               { return nil }
func (b *base) Stop(context.Context) error                 { return nil }

type promoted struct {
	Name string
	*base
}

type atFront struct{ base }

type box[T any] struct{ v T }

func (b *box[T]) Swap(_ context.Context, v T) (T, error) { old := b.v; b.v = v; return old, nil }

type pair[A, B any] struct {
	a A
	B box[B]
}

func (p *pair[A, B]) First(context.Context) (A, error) { return p.a, nil }

func ask[T, A, R any](t *testing.T, c *testCluster, key string, m func(T, context.Context, A) (R, error), arg A) R {
	got, err := actor.Call(t.Context(), actor.NewRef[T](c.tables["b"], key), m, arg)
	require.NoError(t, err)
	local, err := actor.Call(t.Context(), actor.NewRef[T](c.tables["a"], key), m, arg)
	require.NoError(t, err)
	_ = local
	return got
}

func TestShapesOfMethodExpressions(t *testing.T) {
	type local struct{ *base }
	c := newCluster(t, "a", "b")
	for key, v := range map[string]any{
		"a/base": &base{}, "a/promoted": &promoted{base: &base{}}, "a/front": &atFront{}, "a/local": &local{&base{}},
		"a/int": &box[int]{}, "a/string": &box[string]{}, "a/ptr": &box[*point]{}, "a/ptr2": &box[*tree]{}, "a/nested": &box[[]map[string]point]{},
		"a/pair": &pair[int, string]{a: 3}, "a/boxes": &pair[box2, []string]{},
	} {
		spawn(t, c.systems["a"], actor.Spec{Key: key, Value: v})
	}
	require.Equal(t, 1, ask(t, c, "a/base", (*base).Inc, 1))
	require.Equal(t, 1, ask(t, c, "a/promoted", (*promoted).Inc, 1))
	require.Equal(t, 1, ask(t, c, "a/front", (*atFront).Inc, 1))
	require.Equal(t, 1, ask(t, c, "a/local", (*local).Inc, 1))
	require.Equal(t, 0, ask(t, c, "a/int", (*box[int]).Swap, 5))
	require.Equal(t, "", ask(t, c, "a/string", (*box[string]).Swap, "x"))
	require.Nil(t, ask(t, c, "a/ptr", (*box[*point]).Swap, &point{1, 2}))
	require.Nil(t, ask(t, c, "a/ptr2", (*box[*tree]).Swap, &tree{Name: "t"}))
	require.Nil(t, ask(t, c, "a/nested", (*box[[]map[string]point]).Swap, []map[string]point{{"a": {1, 2}}}))
	require.Equal(t, 5, ask(t, c, "a/int", (*box[int]).Swap, 6))
	require.Equal(t, "t", ask(t, c, "a/ptr2", (*box[*tree]).Swap, nil).Name)
	require.Equal(t, 2, ask(t, c, "a/base", incer.Inc, 0))
	for _, table := range c.tables {
		got, err := actor.Call0(t.Context(), actor.NewRef[*base](table, "a/base"), (*base).Value)
		require.NoError(t, err)
		require.Equal(t, 2, got)
		got, err = actor.Call0(t.Context(), actor.NewRef[*promoted](table, "a/promoted"), (*promoted).Value)
		require.NoError(t, err)
		require.Equal(t, 2, got)
		got, err = actor.Call0(t.Context(), actor.NewRef[base](table, "a/base"), base.Value) // a ref by the value's type
		require.NoError(t, err)
		require.Equal(t, 2, got)
		got, err = actor.Call0(t.Context(), actor.NewRef[*pair[int, string]](table, "a/pair"), (*pair[int, string]).First)
		require.NoError(t, err)
		require.Equal(t, 3, got)
		_, err = actor.Call0(t.Context(), actor.NewRef[*pair[box2, []string]](table, "a/boxes"), (*pair[box2, []string]).First)
		require.NoError(t, err)
	}
}

type box2 struct{ In []box3 }
type box3 struct{ V map[string]int }

type incer interface {
	Inc(context.Context, int) (int, error)
}

func plainFunction(_ *base, _ context.Context, n int) (int, error) { return n, nil }

func insideGeneric[T any](ctx context.Context, ref actor.Ref[*box[T]], v T) error {
	_, err := actor.Call(ctx, ref, (*box[T]).Swap, v)
	return err
}

type other struct{}

func (other) Foreign(_ *base, _ context.Context, n int) (int, error) { return n, nil }

func TestRefusedMethods(t *testing.T) {
	c := newCluster(t, "a", "b")
	spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &base{}})
	for _, table := range c.tables {
		ref := actor.NewRef[*base](table, "a/0")
		for name, f := range map[string]func(*base, context.Context, int) (int, error){
			"literal":      func(*base, context.Context, int) (int, error) { return 0, nil },
			"function":     plainFunction,
			"method value": other{}.Foreign,
			"nil":          nil,
			"second closure": func() func(*base, context.Context, int) (int, error) {
				return func(*base, context.Context, int) (int, error) { return 1, nil }
			}(),
		} {
			_, err := actor.Call(t.Context(), ref, f, 1)
			require.ErrorIs(t, err, actor.ErrNotMethod, name)
		}
		require.ErrorIs(t, insideGeneric(t.Context(), actor.NewRef[*box[int]](table, "a/0"), 1), actor.ErrNotMethod, "generic")
		require.ErrorIs(t, actor.Do0(t.Context(), ref, (*base).hidden), actor.ErrNotMethod)
		require.ErrorIs(t, actor.Do0(t.Context(), ref, (*base).Stop), actor.ErrNoMethod)
		require.ErrorIs(t, actor.Tell0(t.Context(), ref, (*base).Stop), actor.ErrNoMethod)
		_, err := actor.Go(t.Context(), ref, plainFunction, 1).Wait(t.Context())
		require.ErrorIs(t, err, actor.ErrNotMethod)
	}
}

// Two types of the same methods, as two processes of unlike builds have them.
type serverV1 struct{ calls int }
type order struct {
	Item  string
	Count int
}
type orderV2 struct {
	Item  string
	Count int
	Price int
}

func (s *serverV1) Place(_ context.Context, o order) (string, error) {
	s.calls++
	return fmt.Sprint(o.Item, o.Count, s.calls), nil
}
func (s *serverV1) Both(_ context.Context, a string, b int) error  { return nil }
func (s *serverV1) Silent(context.Context, string)                 {}
func (s *serverV1) List(_ context.Context, o []order) (int, error) { return len(o), nil }
func (s *serverV1) Fails(context.Context, order) (order, error) {
	return order{"x", 1}, errors.New("no")
}
func (s *serverV1) Raw(_ context.Context, b []byte) ([]byte, error) { return append(b, '!'), nil }

type clientV1 interface {
	Place(context.Context, order) (string, error)
	Fails(context.Context, order) (order, error)
	Raw(context.Context, []byte) ([]byte, error)
}
type likeV1 struct{}

func (*likeV1) Place(context.Context, order) (string, error) { return "", nil }

type likeV2 struct{}

func (*likeV2) Place(context.Context, orderV2) (string, error) { return "", nil }
func (*likeV2) Both(context.Context, string) error             { return nil }
func (*likeV2) Silent(context.Context, string) error           { return nil }
func (*likeV2) Missing(context.Context, string) error          { return nil }

// The ref's type is not the node's: locally and remotely the name decides,
// the structures must agree, and reflection does what a thunk does.
func TestMethodsByName(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &serverV1{}})
		for i, place := range []func() (string, error){
			func() (string, error) {
				return actor.Call(t.Context(), actor.NewRef[*likeV1](c.tables[from], "a/0"), (*likeV1).Place, order{"b", 2})
			},
			func() (string, error) {
				return actor.Call(t.Context(), actor.NewRef[clientV1](c.tables[from], "a/0"), clientV1.Place, order{"b", 2})
			},
			func() (string, error) {
				return actor.Call(t.Context(), actor.NewRef[*serverV1](c.tables[from], "a/0"), (*serverV1).Place, order{"b", 2})
			},
		} {
			got, err := place()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("b2", i+1), strings.ReplaceAll(got, " ", ""))
		}
		iface := actor.NewRef[clientV1](c.tables[from], "a/0")
		_, err := actor.Call(t.Context(), iface, clientV1.Fails, order{})
		require.ErrorContains(t, err, "no")
		raw, err := actor.Call(t.Context(), iface, clientV1.Raw, []byte("hey"))
		require.NoError(t, err)
		require.Equal(t, "hey!", string(raw))
		v2 := actor.NewRef[*likeV2](c.tables[from], "a/0")
		_, err = actor.Call(t.Context(), v2, (*likeV2).Place, orderV2{})
		require.ErrorIs(t, err, actor.ErrSignature)
		require.ErrorIs(t, actor.Do(t.Context(), v2, (*likeV2).Both, "x"), actor.ErrNoMethod)
		require.ErrorIs(t, actor.Do(t.Context(), v2, (*likeV2).Silent, "x"), actor.ErrNoMethod)
		require.ErrorIs(t, actor.Do(t.Context(), v2, (*likeV2).Missing, "x"), actor.ErrNoMethod)
	})
}

// The names of methods must be there in a binary without symbols.
func TestStrippedBinary(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "stripped")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin, "./testdata/stripped").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), bin).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "3 5 refused\n", string(out))
}
