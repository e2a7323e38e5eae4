package actor

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// keeper keeps what it is given, or only looks at it.
type keeper struct {
	kept, seen [][]byte
}

func (k *keeper) Keep(ctx context.Context, b []byte) error {
	Keep(ctx)
	k.kept = append(k.kept, b)
	return nil
}

func (k *keeper) See(_ context.Context, b []byte) error { k.seen = append(k.seen, b); return nil }

func inletFor(t testing.TB, values map[string]any) (*System, *inlet, map[string]*Node) {
	s := NewSystem(Config{Table: NewTable()})
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	nodes := map[string]*Node{}
	for key, v := range values {
		n, err := s.Spawn(Spec{Key: key, Value: v})
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context()))
		nodes[key] = n
	}
	return s, (&systemProcess{s}).Inlet("there").(*inlet), nodes
}

// What a method keeps stays as it was, however small, and whatever comes after it.
func TestKeptBytesOfParcels(t *testing.T) {
	k := &keeper{}
	s, in, nodes := inletFor(t, map[string]any{"n/0": k})
	to, keep, see := &Name{Text: "n/0"}, &Name{Text: doMethod((*keeper).Keep).tell}, &Name{Text: doMethod((*keeper).See).tell}
	var want [][]byte
	for i := range 2000 {
		body := bytes.Repeat([]byte{byte(i)}, i%1000)
		label := keep
		if i%3 == 0 {
			label = see
		} else {
			want = append(want, bytes.Clone(body))
		}
		require.NoError(t, in.Take(to, label, nil, nil, body, nil))
		clear(body)
		if i%100 == 0 {
			in.Flush()
		}
	}
	in.Flush()
	require.NoError(t, nodes["n/0"].Drain(t.Context()))
	require.Len(t, k.kept, len(want))
	for i := range want {
		require.Equal(t, append([]byte{}, want[i]...), append([]byte{}, k.kept[i]...), "%d", i)
	}
	require.Zero(t, s.Stats().DeadLetters)
}

func TestParcelsThatMakeNoSense(t *testing.T) {
	_, in, nodes := inletFor(t, map[string]any{"n/0": &keeper{}})
	good := doMethod((*keeper).See)
	for name, p := range map[string]Parcel{
		"no label":             {Target: "n/0"},
		"an unknown label":     {Target: "n/0", Label: "x"},
		"a label cut off":      {Target: "n/0", Label: good.tell[:5]},
		"a label without name": {Target: "n/0", Label: good.tell[:labelFixed]},
		"a tell with a head":   {Target: "n/0", Label: good.tell, Head: []byte{1}},
		"a call without head":  {Target: "n/0", Label: good.call},
		"a call without id":    {Target: "n/0", Label: good.call, Head: []byte{0, 0, 0}},
		"an endless chain":     {Target: "n/0", Label: good.call, Head: []byte{1, 0, 200, 1}},
		"a chain cut off":      {Target: "n/0", Label: good.call, Head: []byte{1, 0, 2, 1, 'x', 1}},
		"a negative timeout":   {Target: "n/0", Label: good.call, Head: append(binary.AppendUvarint([]byte{1}, 1<<63), 0)},
		"more than a head":     {Target: "n/0", Label: good.call, Head: []byte{1, 0, 0, 7}},
		"a result of nothing":  {Target: SystemID, Label: "r"},
		"an error of nothing":  {Target: SystemID, Label: "e", Head: []byte{1}, Body: []byte{0xff}},
		"a credit of nothing":  {Target: SystemID, Label: "w", Head: []byte{1}},
		"a huge credit":        {Target: SystemID, Label: "w", Head: binary.AppendUvarint([]byte{1}, 1<<63)},
	} {
		require.ErrorIs(t, in.Take(&Name{Text: p.Target}, &Name{Text: p.Label}, p.Head[:p.Traced], p.Head[p.Traced:], p.Body, nil), errParcel, name)
	}
	require.Zero(t, nodes["n/0"].Queued())
}

// Parcels for what is not there take the way of messages, on which their senders are told.
func TestParcelsForNobody(t *testing.T) {
	s, in, nodes := inletFor(t, map[string]any{"n/0": &keeper{}})
	tr := &silent{}
	s.Attach(tr)
	see := doMethod((*keeper).See)
	call := func(target, label string, id uint64) {
		require.NoError(t, in.Take(&Name{Text: target}, &Name{Text: label}, nil, callHead(&wire.Call{Id: id}), []byte("x"), nil))
	}
	call("n/1", see.call, 1)
	other := &method{name: see.name, hash: see.hash + 1}
	call("n/0", labelText(labelCall, other), 2)
	other.name = "None"
	call("n/0", labelText(labelCall, other), 3)
	in.Flush()
	require.NoError(t, nodes["n/0"].Drain(t.Context()))
	got := map[uint64]error{}
	for _, r := range replies(t, tr) {
		got[r.Id] = errorFromWire(r.Error)
	}
	require.ErrorIs(t, got[1], ErrNoNode)
	require.ErrorIs(t, got[2], ErrSignature)
	require.ErrorIs(t, got[3], ErrNoMethod)

	name := &Name{Text: "n/0"}
	label := &Name{Text: see.call}
	require.NoError(t, in.Take(name, label, nil, callHead(&wire.Call{Id: 4}), nil, nil))
	in.Flush()
	require.NoError(t, nodes["n/0"].Drain(t.Context()))
	require.NoError(t, nodes["n/0"].Stop(t.Context()))
	require.NoError(t, in.Take(name, label, nil, callHead(&wire.Call{Id: 5}), nil, nil)) // what the name meant is over
	last := replies(t, tr)
	require.EqualValues(t, 5, last[len(last)-1].Id)
	require.ErrorIs(t, errorFromWire(last[len(last)-1].Error), ErrStopped)
}

func FuzzInlet(f *testing.F) {
	see, add := doMethod((*keeper).See), callMethod((*counter).Add)
	f.Add("n/0", see.tell, []byte{}, []byte{}, []byte("x"))
	f.Add("n/0", see.tell, []byte("0123456789abcdef01234567\x01a=1,b=2"), []byte{}, []byte("x"))
	f.Add("n/0", see.call, []byte("0123456789abcdef01234567\x00"), []byte{1, 0, 0}, []byte("x"))
	f.Add("n/1", add.call, []byte{}, callHead(&wire.Call{Id: 9, Timeout: 1e9, Chain: []*wire.Link{{Node: "n/0", Invocation: 7}}}), []byte{1})
	f.Add("n/1", add.tell, []byte("0123456789abcdef"), []byte{}, []byte("\x63abc"))
	f.Add(SystemID, "r", []byte{}, []byte{1}, []byte{})
	e, _ := proto.Marshal(&wire.Error{Code: 3, Text: "x"})
	f.Add(SystemID, "e", []byte{}, []byte{1}, e)
	f.Add(SystemID, "w", []byte{}, []byte{1, 2}, []byte("n/0"))
	f.Add("nobody", strings.Repeat("c", 30), []byte{}, []byte{1, 0, 0}, []byte{})
	_, in, nodes := inletFor(f, map[string]any{"n/0": &keeper{}, "n/1": &counter{}})
	f.Fuzz(func(t *testing.T, target, label string, trace, head, body []byte) {
		name := &Name{Text: target}
		for range 2 { // the second time it is known
			_ = in.Take(name, &Name{Text: label}, trace, head, body, nil)
		}
		in.Flush()
		for _, n := range nodes {
			require.NoError(t, n.Drain(context.Background()))
		}
	})
}

// A link that was lost has a new account afterwards: what its reader still has aside is the old one's.
func TestWhatIsAsideWhenALinkIsLost(t *testing.T) {
	s, in, nodes := inletFor(t, map[string]any{"n/0": &keeper{}})
	to, see := &Name{Text: "n/0"}, &Name{Text: doMethod((*keeper).See).tell}
	require.NoError(t, in.Take(to, see, nil, nil, []byte("before"), nil))
	s.PeerDown("there", nil)
	require.NoError(t, in.Take(to, see, nil, nil, []byte("after"), nil))
	in.Flush()
	require.NoError(t, nodes["n/0"].Drain(t.Context()))
	s.mu.Lock()
	a := s.accounts[windowKey{"there", "n/0"}]
	s.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Zero(t, a.held)
}
