package actor_test

import (
	"context"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tartrl/tlaunch-go/actor"
)

type (
	point struct{ X, Y int }
	named string
	tree  struct {
		Name string
		Kids []*tree
	}
	kinds struct {
		B    bool
		I8   int8
		I    int64
		U    uint64
		F32  float32
		F64  float64
		S    string
		Raw  []byte
		Arr  [3]point
		List []point
		Ptr  *point
		Nil  *point
		Map  map[string][]int
		Keys map[named]*point
		When time.Time
		Took time.Duration
		Addr netip.Addr
		Big  *big.Int
		URL  url.URL
		Skip int `cbor:"-"`
		skip int `cbor:"-"`
	}
	inner struct{ A int }
	outer struct {
		inner
		B int
	}
	stamped struct {
		time.Time
		Note string
	}
	onlyStamp struct{ time.Time }
	label     struct{ Text string }
	ownStamp  struct {
		//lint:ignore U1000 it is there to be overruled by ownStamp's own encoding
		label
		Note string
	}
)

func (l label) MarshalText() ([]byte, error)     { return []byte(l.Text), nil }
func (l *label) UnmarshalText(b []byte) error    { l.Text = string(b); return nil }
func (o ownStamp) MarshalText() ([]byte, error)  { return []byte(o.Note), nil }
func (o *ownStamp) UnmarshalText(b []byte) error { o.Note = string(b); return nil }

func roundTrip[T any](t *testing.T, v T) T {
	data, err := actor.Encode(v)
	require.NoError(t, err)
	var got T
	require.NoError(t, actor.Decode(data, &got))
	again, err := actor.Encode(got)
	require.NoError(t, err)
	require.Equal(t, data, again)
	return got
}

func TestRoundTrips(t *testing.T) {
	v := kinds{
		B: true, I8: -8, I: math.MinInt64, U: math.MaxUint64, F32: float32(math.Inf(-1)), F64: math.SmallestNonzeroFloat64, S: "any \xff bytes",
		Raw: []byte{0, 1, 2}, Arr: [3]point{{1, 2}}, List: []point{{3, 4}}, Ptr: &point{5, 6}, Map: map[string][]int{"a": {1}, "b": nil, "c": {}},
		Keys: map[named]*point{"k": {7, 8}, "n": nil}, When: time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC), Took: time.Hour,
		Addr: netip.MustParseAddr("fe80::1"), Big: new(big.Int).Lsh(big.NewInt(1), 200), URL: url.URL{Scheme: "http", Host: "x"},
	}
	require.Equal(t, v, roundTrip(t, v))
	v.Skip, v.skip = 1, 2
	require.Zero(t, roundTrip(t, v).Skip)
	require.Zero(t, roundTrip(t, v).skip)
	require.Equal(t, outer{inner{1}, 2}, roundTrip(t, outer{inner{1}, 2}))
	require.Equal(t, "x", roundTrip(t, ownStamp{Note: "x"}).Note)
	require.Equal(t, &tree{"r", []*tree{{"k", nil}}}, roundTrip(t, &tree{"r", []*tree{{"k", nil}}}))
	require.Equal(t, []byte("raw"), roundTrip(t, []byte("raw")))
	require.True(t, proto.Equal(wrapperspb.String("p"), roundTrip(t, wrapperspb.String("p"))))
	at := time.Now()
	require.True(t, at.Equal(roundTrip(t, onlyStamp{at}).Time))
	for _, bits := range []uint64{0x7ff8000000000001, 0xfff8dead0000beef, 0x7ff0000000000001, 0x7ff0303020000000, 1 << 63} {
		require.Equal(t, bits, math.Float64bits(roundTrip(t, math.Float64frombits(bits))))
		require.Equal(t, bits, math.Float64bits(roundTrip(t, []float64{math.Float64frombits(bits)})[0]))
	}
	for _, bits := range []uint32{0x7fc00001, 0xffc0beef, 1 << 31} {
		require.Equal(t, bits, math.Float32bits(roundTrip(t, math.Float32frombits(bits))))
	}
}

func TestRefusals(t *testing.T) {
	type deep struct {
		In []struct {
			M map[string]struct{ Bad chan int }
		}
	}
	for want, v := range map[string]any{
		".hidden":            struct{ hidden int }{},
		".In[].M[].Bad":      deep{},
		".F is a func":       struct{ F func() }{},
		".V is an interface": struct{ V any }{},
		".E is an interface": struct{ E error }{},
		".C is complex":      struct{ C complex128 }{},
		".P is a uintptr":    struct{ P uintptr }{},
		".M has keys":        struct{ M map[point]int }{},
		".K has keys":        struct{ K map[float64]int }{},
		".J is left out": struct {
			J int `json:"-"`
		}{},
		"its embedded": stamped{},
		".W.mu":        struct{ W struct{ mu sync.Mutex } }{},
		"untyped nil":  nil,
	} {
		err := actor.CheckType(v)
		require.ErrorIs(t, err, actor.ErrCannotTravel, want)
		require.ErrorContains(t, err, want)
		_, err = actor.Encode(v)
		require.ErrorIs(t, err, actor.ErrCannotTravel, want)
	}
	loop := &tree{}
	loop.Kids = []*tree{loop}
	_, err := actor.Encode(loop)
	require.ErrorIs(t, err, actor.ErrCannotTravel)
	_, err = actor.Encode((*wrapperspb.StringValue)(nil))
	require.ErrorIs(t, err, actor.ErrCannotTravel)
	_, err = actor.Encode(selfMade{})
	require.ErrorIs(t, err, actor.ErrCannotTravel)
	require.ErrorIs(t, err, actor.ErrPanic)
	var s selfMade
	require.ErrorIs(t, actor.Decode([]byte("\x61x"), &s), actor.ErrSignature)
	require.ErrorIs(t, actor.Decode(nil, nil), actor.ErrCannotTravel)
	require.ErrorIs(t, actor.Decode(nil, 3), actor.ErrCannotTravel)
	require.ErrorIs(t, actor.Decode([]byte{0xff}, new(point)), actor.ErrSignature)
}

// selfMade panics in its own encoding.
type selfMade struct{ N int }

func (selfMade) MarshalText() ([]byte, error)  { panic("in MarshalText") }
func (*selfMade) UnmarshalText(_ []byte) error { panic("in UnmarshalText") }

// mirror keeps what it received and returns it.
type mirror struct{ got shared }

type shared struct {
	List []int
	Map  map[string]*point
	Ptr  *point
	Nest []shared
}

func (m *mirror) Show(_ context.Context, s shared) (shared, error) { m.got = s; return s, nil }
func (m *mirror) Look(context.Context) (shared, error)             { return m.got, nil }
func (m *mirror) Proto(_ context.Context, s *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	s.Value += "!"
	return s, nil
}

func makeShared(depth int) shared {
	s := shared{[]int{1}, map[string]*point{"k": {1, 1}}, &point{1, 1}, nil}
	if depth > 0 {
		s.Nest = []shared{makeShared(depth - 1)}
	}
	return s
}

func (s *shared) scribble() {
	s.List[0], s.Map["k"].X, s.Map["new"], s.Ptr.X = 99, 99, nil, 99
	for i := range s.Nest {
		s.Nest[i].scribble()
	}
}

func TestNothingIsShared(t *testing.T) {
	anywhere(t, func(t *testing.T, c *testCluster, from string) {
		spawn(t, c.systems["a"], actor.Spec{Key: "a/0", Value: &mirror{}})
		ref := actor.NewRef[*mirror](c.tables[from], "a/0")
		sent, want := makeShared(3), makeShared(3)
		back, err := actor.Call(t.Context(), ref, (*mirror).Show, sent)
		require.NoError(t, err)
		require.Equal(t, want, back)
		sent.scribble()
		back.scribble()
		held, err := actor.Call0(t.Context(), ref, (*mirror).Look)
		require.NoError(t, err)
		require.Equal(t, want, held)
		p := wrapperspb.String("x")
		q, err := actor.Call(t.Context(), ref, (*mirror).Proto, p)
		require.NoError(t, err)
		require.Equal(t, "x", p.Value)
		require.Equal(t, "x!", q.Value)
	})
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{kinds{S: "x", Map: map[string][]int{"a": {1}}}, &tree{"r", []*tree{{"k", nil}}}, []float64{1, math.NaN()}, map[int8]string{1: "a"}, outer{}, makeShared(2)} {
		data, err := actor.Encode(v)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xbf, 0x61, 'S', 0x61, 'x', 0xff})
	f.Add([]byte("\x820\xfb\x7f\xf000 \x00\x00\x00")) // a NaN that signals, as 32 bits
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range []any{new(kinds), new(*tree), new([]float64), new(map[int8]string), new(outer), new(shared), new(string), new(*wrapperspb.StringValue), new(actor.Ref[*mirror])} {
			if actor.Decode(data, p) != nil {
				continue
			}
			v := reflect.ValueOf(p).Elem().Interface()
			first, err := actor.Encode(v)
			if err != nil {
				require.ErrorIs(t, err, actor.ErrCannotTravel) // such as a tree too deep, or a nil message
				continue
			}
			again := reflect.New(reflect.TypeOf(p).Elem())
			require.NoError(t, actor.Decode(first, again.Interface()))
			second, err := actor.Encode(again.Elem().Interface())
			require.NoError(t, err)
			require.Equal(t, first, second)
		}
	})
}
